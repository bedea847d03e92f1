"""The table of docs/security.md: every attack is made, and seen; and the same attack on an unsigned chain, unseen.

Each row of the page names its test here, and the code by which staff see it (a test holds the two together).
"""

import dataclasses
import re
import shutil
from pathlib import Path

import cbor2
import pytest
from attack_scene import NOW, SETTINGS, RealOffice, Terminal, rewrite, sale, strangers_key
from peer_chain import PeerChain, PeerOffice, peer_list, peer_list_verifies
from sync_bench import Clock, clone, signer, state

from kiosk.app.lists import load_prices
from kiosk.app.watch import Watch
from kiosk.config import load_config
from kiosk.hq.enrol import change
from kiosk.hq.stick import import_stick
from kiosk.hq.store import log_hash
from kiosk.ledger.entry import decode, encode
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import load_key, make_key
from kiosk.ledger.note import Note, Signature, Vkey
from kiosk.ledger.receipt import parse_receipt, receipt_text
from kiosk.ledger.tree import Frontier
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.sale import events as on
from kiosk.sale.machine import step
from kiosk.sale.state import Rules, State
from kiosk.sync.stick import Stick

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([A-Z]-[0-9]{3}[^|]*) \| ([^|]+) \| `(test_[a-z_]+)` \|$", re.M)


@pytest.fixture
def office(tmp_path):
    office = RealOffice(tmp_path / "office", Clock())
    yield office
    office.store.close()


@pytest.fixture
def terminal(tmp_path, office):
    terminal = Terminal(tmp_path / "kiosk", office).sell(count=4)
    yield terminal
    terminal.close()


@pytest.fixture
def chain():
    chain = PeerChain()
    for _ in range(4):
        chain.sell(5000)
    assert chain.verifies()
    return chain


def told(function, *words):
    with pytest.raises((LedgerFault, ConfigFault)) as fault:
        function(*words)
    return fault.value.code


def halved(entry):
    return dataclasses.replace(entry, data={**entry.data, "fen": 1}, post=tuple((a, f // 5000) for a, f in entry.post))


def test_an_entry_is_edited(terminal, chain):
    terminal.settle()
    terminal.forge(lambda entries: [halved(e) if e.kind == "note.stacked" else e for e in entries])
    assert terminal.word() == ("L-501", False)
    with JournalReader(terminal.path) as log:  # and signed with a key of the attacker's own, named in entry 0
        entries = [decode(raw) for raw in log.entries(0, log.size)]
    opened = {**entries[0].data, "vkey": str(strangers_key().vkey)}
    rewrite(terminal.path, [dataclasses.replace(entries[0], data=opened), *entries[1:]], strangers_key())
    assert terminal.word() == ("L-505", False)
    terminal.journal = Journal.open(terminal.path, strangers_key(), terminal.clock)
    terminal.start()
    terminal.settle()
    assert state(terminal).problem_code == "L-503", "and head office has the true one"

    chain.rows[1]["fen"] = 1
    assert not chain.verifies() and chain.recompute(1).verifies() and PeerOffice().take(chain)


def test_an_entry_is_deleted(terminal, chain):
    terminal.forge(lambda entries: [e for e in entries if e.sale != bytes(15) + b"\2"])
    assert terminal.word() == ("L-501", False)

    del chain.rows[1]
    assert chain.recompute(1).verifies() and PeerOffice().take(chain)


def test_entries_are_reordered(terminal, chain):
    terminal.forge(lambda entries: [entries[0], *entries[4:7], *entries[1:4], *entries[7:]])
    assert terminal.word() == ("L-501", False)

    chain.rows[1:3] = chain.rows[2], chain.rows[1]
    assert chain.recompute(1).verifies() and PeerOffice().take(chain)


def cut(terminal, size):
    """The tail goes; the checkpoint that the terminal signed at that size stays: nothing on the disk is forged."""
    terminal.stop()
    terminal.journal._connection.execute("DELETE FROM entry WHERE seq >= ?", (size,))
    terminal.journal._connection.execute("DELETE FROM checkpoint WHERE size > ?", (size,))
    terminal.journal.close()


def test_the_tail_is_cut_off(terminal, chain):
    office, whole = PeerOffice(), chain.copy()
    terminal.settle()
    assert office.take(whole)
    cut(terminal, 7)
    assert terminal.word() == ("", True), "the disk agrees with itself"
    terminal.journal = Journal.open(terminal.path, signer(), terminal.clock)
    terminal.start()
    terminal.sell(100)
    terminal.settle()
    assert state(terminal).stop_selling and state(terminal).problem_code == "L-503"

    del chain.rows[2:]
    assert chain.sell(100).verifies() and office.take(chain), "the cut sales are on no list, and nothing stops"


def test_a_tail_that_was_never_sent_shows_by_its_slips(terminal, chain):
    terminal.settle()
    (*_, closed) = terminal.journal.append(sale(77, 5000))
    slip = receipt_text(signer(), encode(closed), terminal.journal.frontier(closed.seq))
    cut(terminal, terminal.journal.size - 3)
    assert terminal.word() == ("", True)
    assert parse_receipt(slip).verify(signer().vkey).seq == closed.seq, "the terminal signed what its ledger lacks"
    with pytest.raises(LedgerFault) as fault:  # a slip that somebody made up
        forged = encode(dataclasses.replace(closed, seq=13))
        with JournalReader(terminal.path) as log:
            text = receipt_text(strangers_key(), forged, Frontier(log.leaf_hashes(0, 13)))
        parse_receipt(text).verify(signer().vkey)
    assert fault.value.code == "L-501"
    terminal.journal = Journal.open(terminal.path, signer(), terminal.clock)
    terminal.start()

    printed = chain.sell(5000).rows.pop()
    assert chain.verifies(), "and whether the slip with this hash is genuine nobody can say"
    chain.sell(1).rows[-1].update(fen=5000)
    assert chain.recompute(4).rows[-1] == printed, "anybody makes one"


def test_the_disk_is_cloned_into_a_second_kiosk(terminal, office, chain, tmp_path):
    terminal.settle()
    image = terminal.image("image")
    terminal.sell()
    twin = Terminal(tmp_path / "twin", office)
    twin.put_back(image)
    twin.sell(100)
    assert twin.word_of_its_own() == ("", True), "alone each is right"
    terminal.settle()
    twin.settle()
    assert state(twin).problem_code == "L-503" and state(twin).stop_selling
    twin.close()

    books, second = PeerOffice(), chain.copy()
    assert books.take(chain.sell(5000)) and books.take(second.sell(100)), "both are taken"
    assert books.booked[("0007", 4)] == 5000, "and the second one's sale is gone"


def test_a_clone_that_hides_from_the_answer_is_quarantined(terminal, office):
    terminal.settle()
    clone(terminal, 14)  # the same key, the same size, another history
    with JournalReader(terminal.folder / "clone.db") as log:
        entries, note = list(log.entries(0, 13)), log.at_most(13)
        batch = {"origin": terminal.origin, "from": 0, "entries": entries, "checkpoint": note}
    path = f"/v1/logs/{log_hash(terminal.origin)}/entries"
    status, _, _ = office.answer("POST", path, {"content-type": "application/cbor"}, cbor2.dumps(batch))
    assert status == 422 and office.log(terminal.origin).quarantined
    terminal.sell()
    terminal.settle()
    assert state(terminal).problem_code == "L-504"


def test_an_old_disk_image_is_put_back(terminal, chain):
    image, old = terminal.image("image"), chain.copy()
    terminal.sell(count=2)
    terminal.settle()
    books = PeerOffice()
    assert books.take(chain.sell(5000).sell(5000))
    terminal.put_back(image)
    assert terminal.word_of_its_own() == ("", True)
    terminal.sell(100)
    terminal.settle()
    assert state(terminal).stop_selling and state(terminal).problem_code == "L-503"

    assert books.take(old.sell(100)), "nothing stops, and the new sale has the number of an old one"
    assert books.booked[("0007", 4)] == 5000


def test_records_are_replayed(terminal, office, chain):
    terminal.settle()
    caught = [request for request in office.requests if request[0] == "POST"]
    for request in caught * 3:
        assert office.answer(*request)[0] == 200
    assert office.log(terminal.origin).size == 13, "booked once, however often it comes"
    terminal.forge(lambda entries: [*entries, *entries[1:4]])
    assert terminal.word() == ("L-501", False)

    chain.rows.append(dict(chain.rows[1]))
    books = PeerOffice()
    assert chain.recompute(4).verifies() and books.take(chain) and sum(books.booked.values()) == 25_000


def stick_of(terminal, folder):
    """A round with a stick; what the terminal says of head office's answer, and whether it wrote its records."""
    keys = [Vkey.parse(terminal.office.own_vkey)]
    with JournalReader(terminal.path) as log:
        steps = Stick(PlainFiles(folder), log, terminal.folder / "sync.db", keys, terminal.clock).round()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value.taken, end.value.carried


def imported(office, folder):
    """What head office says of each terminal's folder."""
    return [(told.said, told.code) for told in import_stick(office.office, PlainFiles(folder))]


def test_a_stick_is_swapped(terminal, office, chain, tmp_path):
    other = Terminal(tmp_path / "other", office, terminal.origin.replace("0007", "0008")).sell(100)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for stick, kiosk in ((mine, terminal), (theirs, other)):
        stick.mkdir()
        assert stick_of(kiosk, stick)[1]
    here, there = log_hash(terminal.origin), log_hash(other.origin)
    logs = tmp_path / "theirs" / "prepaid-kiosk" / "v1"
    assert imported(office, theirs) == [("taken", "")]
    shutil.move(logs / there, logs / here)  # the other terminal's records, under this one's name
    assert imported(office, theirs) == [("exchanged", "S-615")] and office.log(terminal.origin).size == 0
    assert imported(office, mine) == [("taken", "")] and office.log(terminal.origin).size == 13
    answer = tmp_path / "mine" / "prepaid-kiosk" / "v1" / here / "checkpoint.hq"
    shutil.copy(logs / here / "checkpoint.hq", answer)  # head office's answer to the other terminal
    taken, carried = stick_of(terminal, mine)
    assert (taken.sentence, taken.code, carried) == ("ack-bad", "S-605", True)
    other.close()

    strange = chain.copy()
    strange.shop = "0008"
    for row in strange.rows:
        row["shop"] = "0008"
    assert strange.recompute().verifies() and PeerOffice().take(strange), "this shop's sales are the other's now"


def prices(folder, text, key):
    (folder / "prices.vkey").write_text(str(key.vkey))
    path = folder / "prices.note"
    path.write_text(str(Note(text, (Signature(key.vkey.name, key.vkey.key_id, key.sign(text.encode())),))))
    return path


def test_a_price_list_is_forged_or_old(tmp_path):
    (tmp_path / "passphrase").write_text("never use in a real system")
    key = make_key(tmp_path / "key.pem", tmp_path / "passphrase", "power.example/prices/1")
    text = "prepaid-kiosk/prices/v1\nversion {}\n1001 {}\n"
    path = prices(tmp_path, text.format(7, 5600), key)
    assert load_prices(path, tmp_path / "prices.vkey", 7)[0].version == 7
    vkey = (tmp_path / "prices.vkey").read_text()
    path.write_text(path.read_text().replace("5600", "0001"))
    assert told(load_prices, path, tmp_path / "prices.vkey", 7) == "F-702"
    prices(tmp_path, text.format(8, 1), strangers_key("power.example/prices/1"))
    (tmp_path / "prices.vkey").write_text(vkey)
    assert told(load_prices, path, tmp_path / "prices.vkey", 7) == "F-702"
    prices(tmp_path, text.format(6, 1), key)
    assert told(load_prices, path, tmp_path / "prices.vkey", 7) == "F-702", "genuine, and older than the one in force"

    assert peer_list_verifies(peer_list(text.format(9, 1)))
    assert peer_list_verifies(peer_list(text.format(6, 1))), "made by anybody, of any age"


def test_the_clock_is_set_wrong(terminal, chain, tmp_path):
    (tmp_path / "kiosk.toml").write_text(SETTINGS, encoding="utf-8")
    heard, clock = [], Clock()
    config = load_config(tmp_path / "kiosk.toml")
    watch = Watch(config, terminal.journal, clock, heard.append, NOW, tmp_path / "thermal")
    clock.utc_ms = lambda: NOW - 40 * 86_400_000
    watch._look_at_clock()
    assert on.DeviceDown("clock", "V-431") in heard, "no cash is taken"
    (stepped,) = [event for event in heard if isinstance(event, on.ClockStepped)]
    _, (record, *_) = step(State(Rules(), {}), stepped, on.Stamp(bytes(16), ""))
    assert record.drafts[0].kind == "clock.stepped" and record.drafts[0].data["old"] > record.drafts[0].data["new"]
    terminal.journal.append(record.drafts)
    terminal.clock.utc_ms = clock.utc_ms
    terminal.sell()
    with JournalReader(terminal.path) as log:
        entries = [decode(raw) for raw in log.entries(0, log.size)]
        assert finish(verify_journal(log, [signer().vkey])).good
    assert [entry.seq for entry in entries] == list(range(len(entries))), "the order is not the clock's"
    assert entries[-1].at < entries[1].at

    assert chain.sell(5000, date="1999-01-01").verifies(), "a chain believes any date"


def test_the_disk_is_stolen(terminal, office, chain, tmp_path):
    (tmp_path / "passphrase").write_text("never use in a real system")
    make_key(tmp_path / "key.pem", tmp_path / "passphrase", terminal.origin)
    (tmp_path / "guess").write_text("123456")
    assert told(load_key, tmp_path / "key.pem", tmp_path / "guess", terminal.origin) == "L-505"
    assert b"never use" not in (tmp_path / "key.pem").read_bytes()
    assert told(Journal.open, tmp_path / "kiosk" / "ledger.db", strangers_key(), terminal.clock) == "L-506"
    image = terminal.image("image")
    assert told(Journal.open, image / "ledger.db", strangers_key(), terminal.clock) == "L-505"
    change(office.store, terminal.origin, blocked=True)  # and who has the passphrase, too, is heard no more
    terminal.sell()
    terminal.settle()
    assert state(terminal).problem_code == "S-603" and office.log(terminal.origin).size == 0

    assert PeerOffice().take(chain.sell(5000)), "whoever has the disk goes on writing"


# ---- the page


def test_every_row_of_the_page_is_a_test_and_every_attack_stands_on_the_page():
    rows = ROW.findall(PAGE)
    named = {test for *_, test in rows}
    here = {name for name in globals() if name.startswith("test_") and not name.startswith("test_every_row")}
    assert named == here and len(rows) >= len(here)
    for attack, *_ in rows:
        assert attack.strip()
