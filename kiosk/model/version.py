"""Which program this tree is, and not what is installed in its environment: a release runs in an older one's.

Head office reads these two lines of a tree that it publishes, and runs nothing of it.
"""

from __future__ import annotations

VERSION = "0.1.0"
"""For people."""

FORMAT = 1
"""Of all that a program keeps on the terminal's disk. One more, when the program before could not go on with it."""
