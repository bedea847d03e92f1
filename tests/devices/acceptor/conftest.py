"""The device kit's till and bench serve here too, and both halves of every protocol."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE.parents[1] / "kits" / "device"),
    *sorted({str(pair.parent) for pair in HERE.glob("*/*_pair.py")}),
]
