"""A real pcscd of our own with virtual readers, for tests and the desk.

vpcd binds to every network address, and pcscd's socket has one place, /run/pcscd. So this pcscd lives in a network
namespace of its own (nobody outside reaches vpcd, every instance has the same ports) and in a mount namespace where
``folder`` lies over /run/pcscd (its socket is ``folder/pcscd.comm``; clients find it by PCSCLITE_CSOCK_NAME). The USB
drivers are hidden there: real readers stay with the system's pcscd. A warden inside keeps it and hands out sockets.

Needs root, or sudo without a password.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from kiosk.devices.reader import vpcd
from kiosk.model.errors import DeviceFault

WARDEN = Path(__file__).with_name("warden.py")
DRIVERS = Path("/usr/lib/pcsc/drivers")
VPCD_LIBRARY = DRIVERS / "serial/libifdvpcd.so"
READER_NAME = "Virtual PCD"
SLOTS = 2
SOCKET_PATH_MAX = 100  # sun_path is 108 bytes
ANSWER_TIMEOUT_S = 20.0
ENTER = """
mkdir -p /run/pcscd && ip link set lo up && mount --bind "$1" /run/pcscd && mount -t tmpfs none "$2" || exit 3
exec "$3" -I "$4" "$1"
"""
CONFIGURATION = """FRIENDLYNAME "{name}"
DEVICENAME /dev/null:0x{port:04X}
LIBPATH {library}
CHANNELID 0x{port:04X}
"""


class PrivatePcscd:
    """One pcscd with two virtual readers, "Virtual PCD 00 00" and "Virtual PCD 00 01". A context manager.

    ``name`` stands in the place of "Virtual PCD": by it the kiosk knows which maker's reader it has.

    ``folder`` should be empty and short; it is left behind with pcscd's log. DeviceFault V-401 whenever it cannot be
    started, with the reason.
    """

    def __init__(self, folder: Path, privileged: tuple[str, ...] | None = None, name: str = READER_NAME) -> None:
        self.name = name
        self.folder = folder.resolve()
        self.socket = self.folder / "pcscd.comm"
        self._privileged = _privileged() if privileged is None else privileged
        self._warden: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def __enter__(self) -> PrivatePcscd:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Starts it, or starts it again after ``stop`` or ``kill``; returns when it takes connections."""
        if self._line is None:
            self._enter()
        self._order("start")

    def stop(self) -> None:
        """Stops it in good order; the namespaces stay."""
        self._order("stop")

    def kill(self) -> None:
        """Ends it as a crash does: the socket file stays behind."""
        self._order("kill")

    def restart(self) -> None:
        """Stop and start: cards in the readers are thrown out."""
        self.stop()
        self.start()

    def reader(self, slot: int = 0) -> vpcd.VirtualReader:
        """The virtual reader's card side."""
        if not 0 <= slot < SLOTS:
            raise ValueError(f"slots are 0 to {SLOTS - 1}")
        return vpcd.VirtualReader(lambda: self._dial(vpcd.PORT + slot))

    def close(self) -> None:
        """Ends pcscd and the namespaces."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._warden is not None:
            self._warden.wait(ANSWER_TIMEOUT_S)
            self._warden = None

    def _enter(self) -> None:
        if not VPCD_LIBRARY.exists() or shutil.which("pcscd", path=_environment()["PATH"]) is None:
            raise DeviceFault("V-401", "pcscd or vpcd is not installed (packages pcscd, vsmartcard-vpcd)")
        if len(os.fsencode(self.socket)) > SOCKET_PATH_MAX:
            raise DeviceFault("V-401", f"the path {self.socket} is too long for a socket")
        self._furnish()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_TIMEOUT_S)
        inside = ["sh", "-c", ENTER, "sh", str(self.folder), str(DRIVERS), sys.executable, str(WARDEN)]
        with theirs, (self.folder / "pcscd.log").open("ab") as log:
            self._warden = subprocess.Popen(
                [*self._privileged, "unshare", "--net", "--mount", *inside],
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us; the warden ends when we do
            )
        self._line = ours

    def _furnish(self) -> None:
        """What pcscd reads, in the folder."""
        configured = self.folder / "reader.conf.d"
        configured.mkdir(parents=True, exist_ok=True)
        library = self.folder / VPCD_LIBRARY.name
        shutil.copyfile(VPCD_LIBRARY, library)
        (configured / "vpcd").write_text(CONFIGURATION.format(name=self.name, port=vpcd.PORT, library=library))

    def _dial(self, port: int) -> socket.socket:
        found = self._order(f"dial {port}")
        if found is None:
            raise ConnectionRefusedError("the warden gave no socket")
        return found

    def _order(self, order: str) -> socket.socket | None:
        """One order to the warden; the socket it hands over, if any. DeviceFault V-401 with what went wrong."""
        if self._line is None:
            raise DeviceFault("V-401", "this pcscd is not running")
        try:
            self._line.send(order.encode())
            answer, handles, _, _ = socket.recv_fds(self._line, 1024, 1)
        except OSError as fault:
            raise DeviceFault("V-401", f"the warden is gone ({fault}), see {self.folder / 'pcscd.log'}") from fault
        if answer != b"ok":
            told = answer.decode() or f"the warden is gone, see {self.folder / 'pcscd.log'}"
            raise DeviceFault("V-401", told)
        return socket.socket(fileno=handles[0]) if handles else None


def _environment() -> dict[str, str]:
    """Ours, with the folders of system programs, which other users' PATH may lack."""
    return {**os.environ, "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}


def _privileged() -> tuple[str, ...]:
    """What must stand before a command that makes namespaces. DeviceFault V-401 when nothing helps."""
    if os.geteuid() == 0:
        return ()
    sudo = ("sudo", "-n")
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], check=False, capture_output=True).returncode == 0:
        return sudo
    raise DeviceFault("V-401", "a pcscd of our own needs root, or sudo without a password")
