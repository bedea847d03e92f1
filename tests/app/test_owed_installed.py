"""The list of vouchers at a start: recorded once a version, an older one refused, all three files or none."""

import pytest

from kiosk.app.terminal import Terminal
from kiosk.billing.book import PriceBook
from kiosk.billing.owed import OwedList, OwedRow, owed_note
from kiosk.config import load_config
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import make_key
from kiosk.ledger.note import Note, Signature
from kiosk.model.clock import SystemClock
from kiosk.model.errors import ConfigFault
from kiosk.sale.books import Memory
from kiosk.sale.lists import orders_of
from kiosk.sale.state import Bound

ROW = OwedRow("0003-3f2a91c0de", "0001", "10086", "70001", "420100", 5000, 8928, 7)
SETTINGS = """
[terminal]
domain = "power.example"
region = "420100"
id = "0007"
operator_zh = "示范电力"
operator_en = "Example Power"
place_zh = "一号楼"
place_en = "Building 1"
phone = "95598"
folder = "."
[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "secrets.toml"
[acceptor]
path = "/dev/ttyS0"
[printer]
path = "/dev/ttyS1"
[prices]
file = "prices.note"
vkey_file = "vkey"
[vendors]
folders = []
[owed]
file = "owed.txt"
note = "owed.note"
vkey_file = "vkey"
"""


class Started:
    """A terminal that takes up its lists, again and again, on one ledger."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "passphrase").write_text("never use in a real system")
        (folder / "passphrase").chmod(0o600)
        self.signer = make_key(folder / "prices.pem", folder / "passphrase", "power.example/prices/1")
        (folder / "vkey").write_text(str(self.signer.vkey))
        (folder / "prices.note").write_text(self.signed(PriceBook(1, {"0001": 5600}).text()))
        key = make_key(folder / "signing-key.pem", folder / "passphrase", "power.example/kiosk/420100/0007/1")
        clock = SystemClock()
        self.journal = Journal.create(folder / "ledger.db", key, key.vkey.name, "", "new", clock)
        (folder / "kiosk.toml").write_text(SETTINGS)
        self.terminal = Terminal(load_config(folder / "kiosk.toml"), clock, lambda view: None)
        self.memory = Memory()

    def signed(self, body):
        vkey = self.signer.vkey
        return str(Note(body, (Signature(vkey.name, vkey.key_id, self.signer.sign(body.encode())),)))

    def publish(self, version, *rows):
        listed = OwedList(version, rows)
        (self.folder / "owed.txt").write_text(listed.text())
        (self.folder / "owed.note").write_text(self.signed(owed_note(listed)))

    def start(self):
        """The vouchers in force, and the kinds that were recorded."""
        before = self.journal.size
        found = self.terminal._install_lists(self.journal, self.memory)
        return found.owed, [entry.kind for entry in self.journal.entries(before, self.journal.size)]


@pytest.fixture
def started(tmp_path):
    terminal = Started(tmp_path)
    yield terminal
    terminal.journal.close()


def test_a_version_is_recorded_once_and_an_older_one_refused(started):
    started.publish(5, ROW)
    owed, kinds = started.start()
    assert owed.rows == (ROW,) and kinds == ["terminal.started", "price.installed", "owed.installed"]
    assert orders_of(owed) == {("0001", "10086", "70001"): Bound(ROW.no, "420100", 5000, 8928, 7)}
    assert started.start()[1] == ["terminal.started"]
    started.publish(6)
    assert started.start() == (OwedList(6), ["terminal.started", "owed.installed"])
    started.publish(5, ROW)
    with pytest.raises(ConfigFault, match="6 was installed already"):
        started.start()


@pytest.mark.parametrize("line", ['file = "owed.txt"\nnote', 'note = "owed.note"\n', 'file = "owed.txt"\n'])
def test_all_three_files_or_none(tmp_path, line):
    head, owed = SETTINGS.split("[owed]")
    (tmp_path / "kiosk.toml").write_text(
        head + "[owed]" + owed.replace(line, "note" if line.endswith("note") else "", 1)
    )
    with pytest.raises(ConfigFault, match=r"\[owed\] 'file', 'note' and 'vkey_file' belong together"):
        load_config(tmp_path / "kiosk.toml")
    (tmp_path / "kiosk.toml").write_text(head)
    assert load_config(tmp_path / "kiosk.toml").owed.file is None
