"""First frame, memory and idle CPU of the real kiosk, held against an empty Kivy window measured in the same run."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_S = 4.0  # what starting up leaves behind is not idling
IDLE_S = 12.0  # two waves of the first page's card

EMPTY = Path(__file__).with_name("empty_window.py")


def empty_window():
    """Seconds to its first frame, its memory in MB, its share of a core when idle."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, EMPTY],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SDL_VIDEODRIVER": "offscreen"},
    ) as process:
        assert process.stdout is not None
        assert any(line == "frame\n" for line in process.stdout), "the empty window did not come"
        first_s = time.perf_counter() - begun
        idle(process.pid, SETTLE_S)
        measured = first_s, memory_mb(process.pid), idle(process.pid)
        process.kill()
    return measured


def memory_mb(pid):
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no memory")


def idle(pid, seconds=IDLE_S):
    """Share of one core over some seconds."""

    def ticks():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before, begun = ticks(), time.perf_counter()
    threading.Event().wait(seconds)
    return (ticks() - before) / TICKS / (time.perf_counter() - begun)
