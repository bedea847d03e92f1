"""A pruned ledger for everybody who reads it: commands, slips, the stick, the uplink, and the kiosk's own look."""

import json
import sqlite3

import pytest
from attack_scene import SETTINGS, RealOffice, Terminal, sale
from sync_bench import Clock, signer, state

from kiosk.__main__ import _ledger
from kiosk.app import pruner
from kiosk.app.matters import read
from kiosk.app.old_ledger import read_old
from kiosk.app.pruner import Pruner, plan
from kiosk.config import load_config
from kiosk.hq.stick import import_stick
from kiosk.hq.store import log_hash
from kiosk.ledger.entry import Draft, encode
from kiosk.ledger.export import write_export
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.note import Vkey, open_cosigned
from kiosk.ledger.receipt import parse_receipt, receipt_text
from kiosk.ledger.verify import finish, verify_journal
from kiosk.sync.stick import Stick

DAY = 86_400_000


@pytest.fixture
def office(tmp_path):
    office = RealOffice(tmp_path / "office", Clock())
    yield office
    office.store.close()


def opened_sale(number, fen):
    """A whole sale with its beginning, as the books want it."""
    data = {"vendor": "1001", "customer": "10086", "meter": "70001", "region": "420100", "count": number - 1, "unit": 2}
    data |= {"price": 5600, "tariff": 1, "limit": 100_000, "brought": 0}
    return [Draft("sale.opened", number.to_bytes(16), (), data), *sale(number, fen)]


@pytest.fixture
def terminal(tmp_path, office):
    """Three weeks of sales, all of them cosigned, and then pruned."""
    terminal = Terminal(tmp_path / "kiosk", office)
    for number in range(1, 211):
        terminal.clock.ms += DAY // 10
        office.clock.ms = terminal.clock.ms
        terminal.journal.append(opened_sale(number, 5000))
        if number == 30:
            terminal.settle()
            terminal.backup = office.backup()
    terminal.settle()
    yield terminal
    terminal.close()


def prune(terminal, days=3):
    cosigned = open_cosigned(state(terminal).cosigned_note, signer().vkey, [Vkey.parse(terminal.office.own_vkey)])
    pruning = plan(terminal.journal, cosigned, days * DAY)
    terminal.journal.prune(pruning)
    return pruning


def run(capsys, *words):
    code = _ledger("ledger", [str(word) for word in words])
    return code, capsys.readouterr().out


def test_the_commands_say_what_is_missing_and_where_it_is(terminal, tmp_path, capsys):
    before = run(capsys, "totals", terminal.path, "--json")[1]
    gone = len(prune(terminal).doomed)
    assert gone > 400
    code, said = run(capsys, "verify", terminal.path, "--key", signer().vkey)
    assert code == 0 and f"{gone} of them here, only their hashes are left: head office has them" in said
    code, said = run(capsys, "totals", terminal.path, "--json")
    assert code == 0 and json.loads(said)["balances"] == json.loads(before)["balances"]
    assert "were deleted here: the sums go on from the closings" in run(capsys, "totals", terminal.path)[1]
    code, said = run(capsys, "closings", terminal.path, "--language", "en")
    assert code == 0 and "days could not be added up again" in said and "Every closing is what" in said
    assert run(capsys, "outages", terminal.path)[0] == 0
    assert read(terminal.path) == []


def test_slips_and_proofs_of_any_age_come_out_as_before(terminal):
    (*_, closed) = terminal.journal.append(opened_sale(900, 100))
    old = next(entry for entry in terminal.journal.entries(0, 99) if entry.kind == "sale.closed")
    texts = [receipt_text(signer(), encode(each), terminal.journal.frontier(each.seq)) for each in (old, closed)]
    terminal.settle()
    prune(terminal)
    terminal.reopen()
    again = receipt_text(signer(), encode(closed), terminal.journal.frontier(closed.seq))
    assert again == texts[1] and parse_receipt(texts[0]).verify(signer().vkey).seq == old.seq
    assert receipt_text(signer(), encode(old), terminal.journal.frontier(old.seq)) == texts[0]


def test_an_export_names_what_it_lacks_and_verifies_with_the_key(terminal, tmp_path, capsys):
    prune(terminal)
    folder = tmp_path / "export"
    with JournalReader(terminal.path) as log:
        whole = log.whole_from
        list(write_export(folder, log))
        list(write_export(folder, log))
    bundles = -(-whole // 256)
    assert not (folder / "tile/entries/000").exists() and (folder / "tile/0/000").stat().st_size == 8192
    text = (folder / "pruned").read_text(encoding="utf-8")
    assert text.startswith(f"bundles {bundles}\n") and f"Entries 0 … {bundles * 256 - 1} were cosigned" in text
    assert "请到总部查阅" in text
    code, said = run(capsys, "verify", folder, "--key", signer().vkey)
    assert code == 0, said
    assert f"{bundles * 256} of them here, only their hashes are left" in said
    assert run(capsys, "closings", folder)[0] == 0
    (folder / "tile/0/000").write_bytes(bytes(8192))
    assert run(capsys, "verify", folder, "--key", signer().vkey)[0] == 1


def carried(terminal, folder):
    folder.mkdir(exist_ok=True)
    keys = [Vkey.parse(terminal.office.own_vkey)]
    with JournalReader(terminal.path) as log:
        steps = Stick(PlainFiles(folder), log, terminal.folder / "sync.db", keys, terminal.clock).round()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value.carried


def imported(office, folder):
    return [(told.said, told.code, told.new) for told in import_stick(office.office, PlainFiles(folder))]


def test_the_records_after_it_still_travel_by_stick(terminal, office, tmp_path):
    stick = tmp_path / "stick"
    prune(terminal)
    terminal.sell(count=2)
    assert carried(terminal, stick)
    new = terminal.journal.size - office.log(terminal.origin).size
    assert imported(office, stick) == [("taken", "", new)] and new == 7
    assert office.log(terminal.origin).size == terminal.journal.size
    assert carried(terminal, stick) and imported(office, stick) == [("known", "", 0)]


def test_an_older_stick_keeps_the_bundles_that_it_has(terminal, tmp_path):
    stick = tmp_path / "stick"
    assert carried(terminal, stick)
    prune(terminal)
    terminal.sell()
    assert carried(terminal, stick)
    own = stick / "prepaid-kiosk/v1" / log_hash(terminal.origin)
    assert (own / "tile/entries/000").exists() and (own / "pruned").exists()


def test_a_head_office_that_lost_more_than_was_kept_is_told_so_and_loses_nothing_else(terminal, tmp_path):
    prune(terminal)
    stick = tmp_path / "stick"
    assert carried(terminal, stick)
    terminal.office.go_back(terminal.backup)
    (restored,) = imported(terminal.office, stick)
    assert restored[:2] == ("cut", "L-507") and terminal.office.log(terminal.origin).size < 256
    terminal.restart()
    terminal.sell()
    terminal.settle()
    now = state(terminal)
    assert (now.problem_code, now.stop_selling, now.quarantined) == ("L-507", False, False)


def test_an_old_disk_that_was_pruned_brings_the_same_over_to_a_new_epoch(terminal):
    place = terminal.origin.rpartition("/")[0]
    terminal.journal.append(opened_sale(901, 700)[:2])  # paid, and the kiosk broke
    before = read_old(terminal.path, place, "", None).rows
    prune(terminal)
    assert read_old(terminal.path, place, "", None).rows == before and len(before) == 2


@pytest.mark.parametrize("cut", range(3))
def test_what_was_pruned_verifies_in_parts_and_one_by_one(terminal, cut):
    prune(terminal)
    with JournalReader(terminal.path) as log:
        reports = [finish(verify_journal(log, [signer().vkey], part=part)) for part in (256, 4096)]
    assert reports[0] == reports[1] and reports[0].good and reports[0].deleted > 400
    connection = sqlite3.connect(terminal.path)
    hole = sorted(connection.execute("SELECT seq FROM entry WHERE length(bytes) = 0"))[cut * 100][0]
    with connection:  # a hash of an entry that is not there any more
        connection.execute("UPDATE entry SET leaf = ? WHERE seq = ?", (bytes(32), hole))
    connection.close()
    with JournalReader(terminal.path) as log:
        assert not finish(verify_journal(log, [signer().vkey], part=256)).good


# ---- the kiosk's own look


class Look:
    """The pruner of a kiosk with its settings, state and clock."""

    def __init__(self, terminal, settings=""):
        folder = terminal.folder
        (folder / "hq.vkey").write_text(terminal.office.own_vkey + "\n")
        lines = SETTINGS.replace("[acceptor]", f'{settings}\n[head_office]\nvkey_file = "hq.vkey"\n[acceptor]')
        (folder / "kiosk.toml").write_text(lines, encoding="utf-8")
        self.terminal, self.config = terminal, load_config(folder / "kiosk.toml")
        self.pruner = Pruner(self.config, terminal.journal, terminal.clock)

    def after(self, ms):
        self.terminal.clock.ms += ms
        self.pruner.look()
        return self.terminal.journal.whole_from


def test_the_kiosk_prunes_when_nobody_is_there(terminal, monkeypatch):
    monkeypatch.setattr(pruner, "GAIN_MIN", 1)
    look = Look(terminal, "[ledger]\nkeep_days = 30")
    assert look.after(0) == look.after(pruner.STILL_MS - 1) == 0
    assert look.after(2) == 0, "three weeks are not thirty days"
    look = Look(terminal)
    monkeypatch.setattr(pruner, "DAY_MS", DAY // 200)  # 400 days are two
    assert look.after(0) == 0
    size = terminal.journal.size
    assert look.after(pruner.STILL_MS) > 0 and terminal.journal.size == size + 1
    assert look.after(0) == look.after(pruner.STILL_MS + 1) > 0
    assert terminal.journal.size <= size + 2, "once there is no more to gain it rests for a day"


def test_it_deletes_nothing_by_its_own_clock_in_a_dispute_or_when_told_not_to(terminal, monkeypatch):
    monkeypatch.setattr(pruner, "GAIN_MIN", 1)
    look = Look(terminal)
    look.after(0)
    assert look.after(3_000 * DAY) == 0, "only head office's time says how old an entry is"
    monkeypatch.setattr(pruner, "DAY_MS", DAY // 200)
    look = Look(terminal, "[ledger]\nkeep_days = 0")
    look.after(0)
    assert look.after(DAY) == 0
    look = Look(terminal)
    with sqlite3.connect(terminal.folder / "sync.db") as connection:
        connection.execute("UPDATE state SET quarantined = 1")
    look.after(0)
    assert look.after(DAY) == 0


def test_a_note_that_head_office_did_not_sign_deletes_nothing(terminal, tmp_path, monkeypatch):
    from kiosk.model.errors import LedgerFault

    monkeypatch.setattr(pruner, "DAY_MS", DAY // 200)
    look = Look(terminal)
    other = RealOffice(tmp_path / "another", Clock())
    (terminal.folder / "hq.vkey").write_text(other.own_vkey)
    look.after(0)
    with pytest.raises(LedgerFault, match="no cosignature of head office holds"):
        look.after(DAY)
    assert terminal.journal.whole_from == 0
    other.store.close()


def test_settings_that_would_delete_too_early_are_refused(terminal):
    from kiosk.model.errors import ConfigFault

    with pytest.raises(ConfigFault, match="'keep_days' must be 30 or more, or 0 to keep everything"):
        Look(terminal, "[ledger]\nkeep_days = 29")


def test_a_start_after_pruning_is_an_ordinary_start(terminal):
    prune(terminal)
    seen = []
    terminal.journal.close()
    terminal.journal = Journal.open(terminal.path, signer(), terminal.clock, seen.append)
    assert seen[0].kind == "log.opened" and len(seen) < terminal.journal.size
    terminal.sell()
    terminal.settle()
    assert state(terminal).cosigned_size == terminal.journal.size and state(terminal).problem_code == ""


def pages(path):
    """How many the file has, and how many of them wait to be used again."""
    database = sqlite3.connect(path)
    try:
        return [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
    finally:
        database.close()


def test_what_was_deleted_makes_room_and_the_file_stops_growing(terminal):
    before, free = pages(terminal.path)
    prune(terminal, days=1)
    after, free = pages(terminal.path)
    assert free > before // 3, "whole pages are given back, and not a corner of each"
    room = 0
    for number in range(300, 420):
        terminal.journal.append(opened_sale(number, 5000))
        room += 1
        if pages(terminal.path)[1] < 4:
            break
    assert room > 30 and pages(terminal.path)[0] <= after + 1
