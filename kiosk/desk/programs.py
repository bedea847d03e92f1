"""The real programs of the demo, each a process of its own: head office and the kiosk. And the kiosk's plug."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from kiosk.model.errors import ConfigFault

START_S = 20.0


class Program:
    """One program with its log file."""

    def __init__(self, name: str, log: Path, *arguments: object, **environment: str) -> None:
        self.name, self.log = name, log
        dies_with_us = ["setpriv", "--pdeathsig", "KILL"]  # nobody would be left who could pull its plug
        self._command = [*dies_with_us, sys.executable, "-m", "kiosk", *map(str, arguments)]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0  # when it was started last, as files' times count

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self, **environment: str) -> None:
        """Starts it, unless it runs; with more in its environment."""
        if self.running:
            return
        self.started_s = time.time()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **environment},
                start_new_session=True,
            )

    def pull_plug(self) -> None:
        """Ends it and all its children as a power cut does: SIGKILL, at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Ends it in good order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.pull_plug()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""


def call(*arguments: object) -> str:
    """Runs a kiosk program to its end; what it printed. Raises ConfigFault with its words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "kiosk", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigFault("F-701", f"{' '.join(map(str, arguments[:2]))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of the loopback that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, program: Program) -> None:
    """Until somebody listens. Raises ConfigFault with the program's last words."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and program.running:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ConfigFault("F-701", f"{program.name} does not start: {program.last_words()}")
