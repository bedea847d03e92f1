"""A terminal's folder with its settings, the real commands, and a head office in the same process."""

import re
from pathlib import Path

from starlette.testclient import TestClient

from kiosk.app import enrol_command
from kiosk.config import load_config
from kiosk.hq.app import Settings, create_app
from kiosk.hq.invite import confirm, invite
from kiosk.hq.keyring import create_signer
from kiosk.hq.store import log_hash
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.model.errors import BatchRefused

NOON = 1_795_491_600_000
PLACE = "power.example/kiosk/420100/0007"
SETTINGS = """\
[terminal]
domain = "power.example"
region = "420100"
id = "0007"
operator_zh = "示范电力公司"
operator_en = "Example Power"
place_zh = "一号楼"
place_en = "Building 1"
phone = "95598"
folder = "kiosk"
[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "secrets.toml"
{keys}
[acceptor]
path = "/dev/null"
[printer]
path = "/dev/zero"
[prices]
file = "prices.note"
vkey_file = "prices.vkey"
[vendors]
folders = []
[head_office]
vkey_file = "hq.vkey"
{more}
"""


class Clock:
    def __init__(self, ms=NOON):
        self.ms = ms

    def utc_ms(self):
        return self.ms

    def monotonic_ms(self):
        return self.ms

    def civil(self):
        return "20261124114000"


class Office:
    def __init__(self, folder):
        create_signer(folder, "power.example", 1)
        self.folder, self.clock = folder, Clock()
        self.app = create_app(Settings(folder, f"sqlite:///{folder}/hq.db"), self.clock)
        self.store = self.app.state.store
        self.client = TestClient(self.app)
        self.online = True

    def code(self, place=PLACE, hours=72):
        return invite(self.store, place, self.clock.ms, hours)

    def confirm(self, number, shown):
        return confirm(self.store, number, shown, "李四", self.clock.ms)

    def ask(self, url, request, transport=None):
        """In the place of the network: the client's own road is tried in tests/sync."""
        if not self.online:
            raise BatchRefused("S-601", f"{url} does not answer")
        answer = self.client.post("/v1/enrol", content=request)
        if answer.status_code != 200:
            from kiosk.model.errors import EnrolmentRefused

            raise EnrolmentRefused(answer.text[:5], answer.text[6:].strip())
        return answer.content

    def take(self, path):
        """All of a ledger's file, as the uplink brings it."""
        import cbor2

        with JournalReader(path) as log:
            origin, entries = log.vkey.name, list(log.entries(0, log.size))
            body = {"origin": origin, "from": 0, "entries": entries, "checkpoint": log.newest()}
        there = f"/v1/logs/{log_hash(origin)}/entries"
        return self.client.post(there, content=cbor2.dumps(body), headers={"Content-Type": "application/cbor"})

    def close(self):
        self.store.close()


class Machine:
    """One terminal's disk. ``keys`` and ``more`` are lines of kiosk.toml."""

    def __init__(self, folder, keys="", more=""):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("passphrase", "never use in a real system"), ("secrets.toml", "")):
            (folder / name).write_text(content)
            (folder / name).chmod(0o600)
        self.toml = folder / "kiosk.toml"
        self.toml.write_text(SETTINGS.format(keys=keys, more=more))

    @property
    def config(self):
        return load_config(self.toml)

    def run(self, *words, typed=""):
        """`kiosk enrol …`: exit status, what it said, what it complained of."""
        import io
        from contextlib import redirect_stderr, redirect_stdout
        from unittest.mock import patch

        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), patch("sys.stdin", io.StringIO(typed)):
            status = enrol_command.main(["--config", str(self.toml), "--language", "en", *map(str, words)])
        return status, out.getvalue(), err.getvalue()

    def entries(self):
        with JournalReader(self.config.journal) as log:
            return [decode(raw) for raw in log.entries(0, log.size)]

    def opened(self, seen=None, clock=None):
        """Its ledger, as the kiosk opens it."""
        from kiosk.app.signing import opened_signer

        config = self.config
        return Journal.open(config.journal, opened_signer(config), clock or Clock(), seen)


def shown(said):
    """The fingerprint that the terminal shows."""
    found = re.search(r"Fingerprint: ([0-9 ]{24})", said)
    assert found, said
    return found[1]


def files(folder: Path):
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
