"""Keeps one pcscd in namespaces of its own; run as a script by ``PrivatePcscd``, standard library only.

Standard input is a SOCK_SEQPACKET socket. Orders: ``start``, ``stop``, ``kill``, ``dial <port>``; each is answered
with ``ok`` or a sentence, ``dial`` with a connected socket as well. When the other end closes (or dies), pcscd is
stopped and the warden ends, so that nothing stays behind; pcscd dies with the warden.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.005


class Warden:
    """``folder`` is mounted over /run/pcscd here, so pcscd's socket lies in it for everybody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pcscd: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """pcscd, until it takes connections."""
        if self.pcscd is not None and self.pcscd.poll() is None:
            return "ok"
        self._sweep()
        command = ["setpriv", "--pdeathsig", "KILL", "pcscd", "--foreground", "-c", str(self.folder / "reader.conf.d")]
        with (self.folder / "pcscd.log").open("ab") as log:
            self.pcscd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.pcscd.poll() is not None:
                return f"pcscd ended with {self.pcscd.returncode}, see {self.folder / 'pcscd.log'}"
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as door:
                door.connect(str(self.folder / "pcscd.comm"))
                return "ok"
            time.sleep(POLL_S)
        self.kill()
        return "pcscd does not take connections"

    def stop(self) -> str:
        """In good order, as a service manager does."""
        if self.pcscd is not None and self.pcscd.poll() is None:
            self.pcscd.terminate()
            try:
                self.pcscd.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                return self.kill()
        self.pcscd = None
        self._sweep()
        return "ok"

    def kill(self) -> str:
        """As a crash does."""
        if self.pcscd is not None:
            self.pcscd.kill()
            self.pcscd.wait()
        self.pcscd = None
        return "ok"

    def _sweep(self) -> None:
        for name in ("pcscd.comm", "pcscd.pid"):
            (self.folder / name).unlink(missing_ok=True)


def dial(port: int) -> socket.socket | str:
    """A connection inside our network namespace, or why not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError as fault:
            if time.monotonic() > deadline:
                return f"port {port}: {fault}"
        time.sleep(POLL_S)


def main(folder: Path) -> None:
    """Serves orders until the other end is gone."""
    warden = Warden(folder)
    with socket.socket(fileno=sys.stdin.fileno()) as line:
        while order := line.recv(64).decode():
            verb, _, rest = order.partition(" ")
            if verb == "dial":
                found = dial(int(rest))
                if isinstance(found, str):
                    line.send(found.encode())
                else:
                    with found:
                        socket.send_fds(line, [b"ok"], [found.fileno()])
            else:
                orders = {"start": warden.start, "stop": warden.stop, "kill": warden.kill}
                line.send(orders[verb]().encode())
    warden.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
