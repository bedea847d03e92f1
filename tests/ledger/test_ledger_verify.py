"""Whole-log checks: totals, the rule of closed sales, the rules between entries, and reports that tell where."""

import sqlite3
import tracemalloc

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger_story import (
    ORIGIN,
    OWED,
    SALE,
    closed,
    make_journal,
    office_signer,
    repeated,
    stacked,
    terminal_signer,
    written,
)

from kiosk.ledger.audit import PROBLEMS_MAX, Audit
from kiosk.ledger.entry import Draft, Entry, encode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import HEAD_OFFICE, Checkpoint, cosign, parse_checkpoint_note, sign_checkpoint
from kiosk.ledger.totals import Totals
from kiosk.ledger.verify import finish, verify_journal
from kiosk.ledger.walk import Walk
from kiosk.model.errors import LedgerFault

SIGNER = terminal_signer()
OPENED = {"origin": SIGNER.vkey.name, "vkey": str(SIGNER.vkey), "prev": "", "why": ""}
PLACE = "power.example/kiosk"
PREV = sign_checkpoint(SIGNER, Checkpoint(SIGNER.vkey.name, 9, bytes(32)))  # an old epoch's, not cosigned


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    make_journal(path, [stacked(), written(), closed(), *repeated(4)]).close()
    return path


def report(path, vkeys=(SIGNER.vkey,)):
    with JournalReader(path) as log:
        return finish(verify_journal(log, vkeys))


def edit(path, *statements):
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def entry(seq, kind="device.up", boot=1, data=None, post=(), sale=None):
    return Entry(seq, 1, boot, kind, sale, post, data or {})


def test_a_sound_journal(path):
    found = report(path)
    assert found.good and not found.own_key and found.origin == SIGNER.vkey.name
    assert (found.size, found.checkpoints) == (8, 8)
    assert found.accounts == {"cash:box": 5000, "sold:1001": -5000}
    assert found.kinds == {"log.opened": 1, "note.repeated": 4, "note.stacked": 1, "sale.closed": 1, "write.done": 1}


def test_without_a_key_it_only_agrees_with_itself(path):
    assert report(path, ()).good and report(path, ()).own_key
    assert report(path, [office_signer().vkey]).own_key


def test_another_key_of_the_name_or_none_of_the_name_is_a_problem(path):
    assert not report(path, [terminal_signer(seed=b"other").vkey]).good
    other = terminal_signer("power.example/kiosk/420100/0008/1")
    assert "none of the given keys" in report(path, [other.vkey]).problems[0].words


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE seq = 6) WHERE seq = 5", 5),
        ("UPDATE entry SET bytes = x'a0' WHERE seq = 5", 5),
        ("DELETE FROM entry WHERE seq = 5", 5),
        ("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 5", 5),
        ("UPDATE entry SET seq = 8 WHERE seq = 7", 7),
        ("UPDATE checkpoint SET root = zeroblob(32) WHERE size = 3", None),
        ("UPDATE checkpoint SET signature = zeroblob(64) WHERE size = 3", None),
        ("DELETE FROM checkpoint WHERE size = 8", None),
        ("DELETE FROM entry WHERE seq = 7", None),
        ("INSERT INTO checkpoint SELECT 4000000, root, signature FROM checkpoint WHERE size = 8", None),
    ],
)
def test_a_report_tells_where(path, statement, seq):
    edit(path, statement)
    found = report(path)
    assert not found.good and found.problems[0].seq == seq
    assert found.size >= 7  # it went on to the end


def test_a_gap_is_told_once(path):
    edit(path, "DELETE FROM entry WHERE seq = 3", "DELETE FROM checkpoint WHERE size < 8")
    words = [problem.words for problem in report(path).problems if problem.seq is not None]
    assert words == ["entry 4 stands where 3 belongs"]


def test_a_torn_database_is_a_problem_and_not_a_crash(tmp_path):
    path = tmp_path / "l.db"
    with make_journal(path) as journal:
        journal.append(repeated(3_000))
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 8192 * 4096
    raw[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    found = report(path)
    assert 0 < found.size < 3_000 and "cannot be read on" in found.problems[0].words


def test_many_problems_are_counted_and_few_are_kept(tmp_path):
    with make_journal(tmp_path / "l.db") as journal:
        journal.append(repeated(PROBLEMS_MAX + 50))
    edit(tmp_path / "l.db", "UPDATE entry SET leaf = zeroblob(32)")
    found = report(tmp_path / "l.db")
    assert (found.problem_count, len(found.problems)) == (PROBLEMS_MAX + 51, PROBLEMS_MAX)


def test_progress_is_told_and_memory_stays_flat(tmp_path):
    peaks = []
    for count in (3_000, 9_000):
        path = tmp_path / f"{count}.db"
        with make_journal(path) as journal:
            journal.append(repeated(count))
        told = []
        with JournalReader(path) as log:
            tracemalloc.start()
            assert finish(verify_journal(log, part=256), told.append).good
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert told[-1] == count + 1 and told[0] == 256
    assert peaks[1] < peaks[0] * 1.2


@pytest.mark.parametrize(
    ("kept", "owed", "wrong"),
    [(0, 0, False), (-5000, -5000, False), (0, -5000, True), (5000, -5000, True), (-5000, 0, True), (True, 1, True)],
)
def test_a_closed_sale_names_what_it_keeps(kept, owed, wrong):
    totals = Totals()
    if owed:
        post = (("cash:box", -owed), (OWED, owed))
        assert totals.take(entry(1, "note.stacked", post=post, sale=SALE)) == ""
        other = (("owed:1001:other", 7), ("unassigned", -7))
        assert totals.take(entry(2, "write.done", post=other, sale=bytes(16))) == ""  # another sale's
    assert bool(totals.take(entry(3, "sale.closed", data={"kept": kept} if kept else {}, sale=SALE))) is wrong


def test_kept_counts_what_the_sale_posted_before_it_was_closed_a_first_time():
    owing, paid = (("cash:box", 5000), (OWED, -5000)), ((OWED, 5000), ("sold:1001", -5000))
    for post, kept, wrong in ((), -5000, False), ((), 0, True), (paid, 0, False), (paid, 5000, True):
        totals = Totals()
        assert totals.take(entry(1, "note.stacked", post=owing, sale=SALE)) == ""
        assert totals.take(entry(2, "sale.closed", data={"kept": -5000}, sale=SALE)) == ""
        assert bool(totals.take(entry(3, "sale.closed", data={"kept": kept}, post=post, sale=SALE))) is wrong


def test_kept_zero_may_be_there_and_a_sale_must():
    totals = Totals()
    assert totals.take(entry(1, "sale.closed", data={"kept": 0}, sale=SALE)) == ""
    assert totals.take(entry(2, "sale.closed")) == "sale.closed without a sale"


def test_a_wrong_kept_is_found_in_a_journal(tmp_path):
    make_journal(tmp_path / "l.db", [stacked(), closed(kept=-4999)]).close()
    (problem,) = report(tmp_path / "l.db").problems
    assert problem.seq == 2 and "-5000" in problem.words


def test_an_account_at_zero_is_gone():
    totals = Totals()
    for draft in (stacked(), written()):
        totals.take(Entry(1, 1, 1, draft.kind, draft.sale, draft.post, draft.data))
    assert totals.balances == {"cash:box": 5000, "sold:1001": -5000}


def walked(*entries):
    walk = Walk()
    for each in entries:
        walk.take(encode(each))
    return walk


def test_the_rules_between_entries():
    opened = entry(0, "log.opened", data=OPENED)
    assert walked(opened, entry(1), entry(2, boot=5), entry(3, "never.heard.of", boot=5)).boot == 5
    for wrong in (
        [entry(0)],
        [opened, entry(2)],
        [opened, entry(1, boot=0)],
        [opened, entry(1, "log.opened", data=OPENED)],
        [entry(1)],
    ):
        with pytest.raises(LedgerFault) as fault:
            walked(*wrong)
        assert fault.value.code == "L-501"


@pytest.mark.parametrize(
    "change",
    [
        {"vkey": "x"},
        {"origin": "a/kiosk/b/c/1"},
        {"prev": 0},
        {"prev": "nonsense"},
        {"prev": PREV},
        {"more": ""},
        {"vkey": str(office_signer().vkey)},
    ],
)
def test_log_opened_names_its_own_key(change):
    with pytest.raises(LedgerFault):
        walked(entry(0, "log.opened", data={**OPENED, **change}))
    with pytest.raises(LedgerFault):
        walked(entry(0, "log.opened", data={key: text for key, text in OPENED.items() if key != "why"}))


def test_log_opened_may_hold_the_old_epochs_cosigned_checkpoint():
    opened = entry(0, "log.opened", data={**OPENED, "prev": cosign(PREV, office_signer(), 5)})
    assert walked(opened, entry(1)).frontier.size == 2


@pytest.mark.parametrize(
    ("place", "seed", "size", "words"),
    [
        ("420100/0007/1", b"terminal", 9, []),
        ("420100/0007/2", b"terminal", 9, ["prev is of power.example/kiosk/420100/0007/2, no older epoch"]),
        ("420100/0007/10", b"terminal", 9, ["prev is of power.example/kiosk/420100/0007/10, no older epoch"]),
        ("420100/0008/1", b"terminal", 9, ["prev is of power.example/kiosk/420100/0008/1, no older epoch"]),
        ("420100/0007/1", b"forger", 9, ["the terminal's signature on prev does not hold"]),
        ("420100/0007/1", b"terminal", 8, ["head office's cosignature on prev does not hold"]),
        ("420100/0007/1", b"terminal", 0, ["head office's cosignature on prev does not hold"]),
    ],
)
def test_prev_is_of_an_older_epoch_and_signed_as_far_as_keys_were_given(place, seed, size, words):
    """``size``: what head office cosigned in truth; 0: it did not."""
    own, old = terminal_signer("power.example/kiosk/420100/0007/2"), terminal_signer(f"{PLACE}/{place}", seed)
    note, other = (sign_checkpoint(old, Checkpoint(old.vkey.name, each, bytes(32))) for each in (9, size))
    second = cosign(other, office_signer(), 5) if size else other
    opened = {"origin": own.vkey.name, "vkey": str(own.vkey), "why": "", "prev": note + second.splitlines(True)[-1]}
    audit = Audit((own.vkey, terminal_signer("power.example/kiosk/420100/0007/1").vkey, office_signer().vkey))
    audit.take(encode(entry(0, "log.opened", data=opened)))
    found = [problem.words for problem in audit.report().problems]
    assert len(found) == len(words) and all(map(str.startswith, found, words))


@pytest.mark.parametrize(
    ("against", "good"),
    [("carried:1", True), ("carried:2", False), ("carried:3", False), ("carried:x", False), ("float", False)],
)
def test_what_an_old_epoch_left_is_posted_against_its_number(against, good):
    own = terminal_signer("power.example/kiosk/420100/0007/2")
    audit = Audit((own.vkey,))
    opened = {**OPENED, "origin": own.vkey.name, "vkey": str(own.vkey)}
    audit.take(encode(entry(0, "log.opened", data=opened)))
    post = tuple(sorted(((against, 5000), ("cash:box", -5000))))
    audit.take(encode(entry(1, "balance.brought", post=post, data={"from": 1})))
    assert ["not against an older epoch" in problem.words for problem in audit.report().problems] == [True][good:]


def test_prev_by_another_key_under_head_offices_name_is_no_unknown_key():
    own, old = terminal_signer("power.example/kiosk/420100/0007/2"), SIGNER
    forger = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(32)), office_signer().vkey.name, HEAD_OFFICE)
    prev = cosign(sign_checkpoint(old, Checkpoint(old.vkey.name, 9, bytes(32))), forger, 5)
    opened = encode(
        entry(0, "log.opened", data={**OPENED, "origin": own.vkey.name, "vkey": str(own.vkey), "prev": prev})
    )
    for offices, count in (((), 0), ((office_signer().vkey,), 1), ((office_signer().vkey, forger.vkey), 0)):
        audit = Audit((own.vkey, *offices))
        audit.take(opened)
        assert audit.report().problem_count == count


def test_a_given_key_still_serves_when_entry_0_cannot_be_read():
    for vkeys, told in ((SIGNER.vkey,), []), ((), ["there is no key to hold the checkpoint of size 1 against"]):
        audit = Audit(vkeys)
        audit.take(b"")
        audit.hold(*parse_checkpoint_note(sign_checkpoint(SIGNER, Checkpoint(ORIGIN, 1, audit.walk.frontier.root()))))
        words = [problem.words for problem in audit.report().problems]
        assert words == ["entry 0: not an entry: 0 bytes", *told]


def test_a_draft_is_not_an_entry():
    assert {*Draft.__slots__} < {*Entry.__slots__}
