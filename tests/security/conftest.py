"""Attacks use the bench of the uplink's tests: a real ledger, the real uplink, and here the real head office."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sync"))
