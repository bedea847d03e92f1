"""How long a frame may be (contract 1 §1). A file of its own, so that a driver's process need not load frame.py."""

from __future__ import annotations

DATA_MAX = 2048
FRAME_MAX = DATA_MAX + 6
