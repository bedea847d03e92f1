"""A real PKCS#11 token in software (SoftHSM, Debian's softhsm2), and a real TPM in software (swtpm)."""

import os
import socket
import subprocess
from pathlib import Path

from kiosk.ledger.hardware.token import TokenPlace

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "57203946"
COUNTER = "0x01500017"


class SoftTokens:
    """One folder of tokens for this process: the library reads where they lie once, when it is loaded."""

    def __init__(self, folder):
        (folder / "tokens").mkdir()
        conf = folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(conf)
        self.folder = folder
        self.pin_file = folder / "pin"
        self.pin_file.write_text(PIN + "\n")
        self.pin_file.chmod(0o600)
        self.free = [self._made(f"token {number}") for number in range(12)]

    def make(self):
        """A token of its own: made before the library was loaded, for SoftHSM looks for tokens only then."""
        return self.free.pop()

    def _made(self, label):
        words = ("--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN)
        done = subprocess.run(["softhsm2-util", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return TokenPlace(MODULE, label, self.pin_file)


class SoftTpm:
    """swtpm with its state in a folder: a chip that can be unplugged, or exchanged for another one."""

    def __init__(self, folder):
        self.state = folder / "tpm"
        self.state.mkdir()
        self.process = None
        self.start()

    def start(self):
        self.port = _free_pair()
        self.tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        server = f"type=tcp,port={self.port},disconnect"
        words = ["--tpm2", "--tpmstate", f"dir={self.state}", "--server", server]
        words += ["--ctrl", f"type=tcp,port={self.port + 1}", "--flags", "not-need-init,startup-clear"]
        self.process = subprocess.Popen(["swtpm", "socket", *words], stdin=subprocess.DEVNULL)
        while True:
            assert self.process.poll() is None, "swtpm did not start"
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except ConnectionRefusedError:
                continue

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


def _free_pair():
    """Two ports side by side: the tools look for the control channel behind the other."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            try:
                two.bind(("127.0.0.1", one.getsockname()[1] + 1))
            except (OSError, OverflowError):
                continue
            return one.getsockname()[1]
