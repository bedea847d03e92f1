"""Old entries are deleted, and a start finds the same: no debt, no doubt, no matter for a person is ever lost."""

import random
import sqlite3

import pytest
from pruning_town import DAY, OFFICE, ORIGIN, TERMINAL, Town

from kiosk.app import pruner
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.note import Checkpoint, Cosigned
from kiosk.ledger.prune import Pruning
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.errors import LedgerFault
from kiosk.sale import events as on
from kiosk.sale.keeping import same
from kiosk.sale.machine import start
from kiosk.sale.state import State


@pytest.fixture(autouse=True)
def small_gains(monkeypatch):
    monkeypatch.setattr(pruner, "GAIN_MIN", 1)
    monkeypatch.setattr(pruner, "AT_ONCE", 600)


def holes(town):
    return [seq for seq, raw, _ in town.journal.kept_rows() if not raw]


def verified(town):
    with JournalReader(town.path) as log:
        report = finish(verify_journal(log, [TERMINAL.vkey]))
        return [problem.words for problem in report.problems]


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_a_start_finds_the_same_however_often_and_whenever_it_is_pruned(tmp_path, seed):
    town, chance, gone = Town(tmp_path / "ledger.db", seed), random.Random(seed), 0
    if seed % 2:
        town.KINDS = (*town.KINDS, Town.changes_the_acceptor)
    for _ in range(6):
        town.live(chance.randrange(5, 35))
        gone += town.prune(chance.randrange(1, 9), chance.randrange(30))
        found, should = town.reopen(), town.everything()
        assert found.standing() == should.standing(), f"after {gone} entries went"
        assert found.memory.books == town.world.state.books or town.world.state.books.note is None
        assert verified(town) == []
    assert gone > 100 and len(holes(town)) == gone
    root = Frontier(map(leaf_hash, town.all)).root()
    assert root == town.journal.root, "and every hash is there"
    books = town.everything().memory.books
    assert (books.owed or books.doubts) and town.everything().matters.list(), "or nothing was tried"
    town.journal.close()


def test_a_debt_that_is_older_than_everything_is_paid_when_its_card_comes_back(tmp_path):
    town = Town(tmp_path / "ledger.db", 1)
    town.cannot_be_written()
    town.world.pull().wait()
    town.written()
    key, card = next(iter(town.world.state.books.owed)), town.world.card
    town.cards = {n: c for n, c in town.cards.items() if c is not card}
    town.KINDS = (Town.buys,)
    town.cards = dict(enumerate(town.cards.values()))
    town.live(80)
    assert sum(iter(lambda: town.prune(1), 0)) > 400
    found = town.reopen()
    assert found.memory.books.owed[key].fen > 0
    world = town.world
    world.state = State(world.rules, {"0001": world.vendor}, books=found.memory.books)
    world._carry_out(*start(world.state))
    world.say(on.DeviceUp("reader"), on.DeviceUp("printer"), on.DeviceUp("acceptor"), on.AcceptorUp("none"))
    world.card = card
    world.insert()
    assert card.credit_fen == found.memory.books.owed[key].fen and key not in world.state.books.owed
    town.journal.close()


def test_what_is_not_old_enough_not_cosigned_or_not_closed_stays(tmp_path):
    town = Town(tmp_path / "ledger.db", 2)
    town.KINDS = (Town.buys,)
    town.live(60)
    assert town.prune(400) == 0 and holes(town) == []
    size = town.journal.size
    assert town.prune(0, size - 200) == 0, "a bundle is not full"
    town.prune(0, size - 400)
    assert holes(town) and max(holes(town)) < 256
    town.clock.ms -= 365 * DAY  # head office's clock is what counts
    assert town.prune(0) == 0
    town.journal.close()


def test_what_is_left_is_named_and_a_hole_that_is_not_named_is_damage(tmp_path):
    town = Town(tmp_path / "ledger.db", 3)
    town.live(80)
    gone = town.prune(1)
    named = [decode(raw) for raw in town.all if decode(raw).kind == "log.pruned"]
    assert [entry.data["count"] for entry in named] == [gone] and named[0].data["below"] % 256 == 0
    town.journal.close()
    kept = next(seq for seq in range(1, 300) if seq not in holes_of(town.path))
    connection = sqlite3.connect(town.path)
    with connection:
        connection.execute("UPDATE entry SET bytes = X'' WHERE seq = ?", (kept,))
    with pytest.raises(LedgerFault, match="other entries are missing than the") as fault:
        Journal.open(town.path, TERMINAL, town.clock)
    assert fault.value.code == "L-501"
    assert any("other entries are missing" in words for words in verified(town))
    with connection:
        connection.execute("DELETE FROM checkpoint WHERE size > ?", (named[0].seq,))
        connection.execute("DELETE FROM entry WHERE seq >= ?", (named[0].seq,))
    with JournalReader(town.path) as log:
        report = finish(verify_journal(log, [TERMINAL.vkey]))
    assert any("no log.pruned names them" in problem.words for problem in report.problems)
    connection.close()


def holes_of(path):
    with JournalReader(path) as log:
        return {seq for seq, raw, _ in log.kept_rows() if not raw}


def test_who_asks_for_what_is_gone_is_told_where_it_is(tmp_path):
    town = Town(tmp_path / "ledger.db", 4)
    town.live(80)
    town.prune(1)
    with JournalReader(town.path) as log:
        with pytest.raises(LedgerFault, match="deleted from this terminal; head office has them") as fault:
            list(log.entries(0, log.size))
        assert fault.value.code == "L-507"
        whole = log.whole_from
        assert 0 < whole <= 512 * 8 and len(list(log.entries(whole, log.size))) == log.size - whole
    town.journal.close()


def test_a_ledger_that_was_never_pruned_is_whole(tmp_path):
    town = Town(tmp_path / "ledger.db", 4)
    assert town.journal.whole_from == 0
    town.journal.close()


@pytest.mark.parametrize("wrong", ["origin", "root", "size", "below", "nothing", "opened"])
def test_what_head_office_has_not_cosigned_as_it_is_here_cannot_be_deleted(tmp_path, wrong):
    town = Town(tmp_path / "ledger.db", 5)
    town.live(60)
    cosigned = town.cosigned()
    signed, doomed, below = cosigned.checkpoint, {1, 2}, 256
    if wrong == "origin":
        signed = Checkpoint(ORIGIN + "1", signed.size, signed.root)
    if wrong == "root":
        signed = Checkpoint(ORIGIN, signed.size, bytes(32))
    if wrong == "size":
        signed = Checkpoint(ORIGIN, signed.size + 1, signed.root)
    below = signed.size + 1 if wrong == "below" else below
    doomed = {"nothing": set(), "opened": {0, 1}}.get(wrong, doomed)
    with pytest.raises(LedgerFault) as fault:
        town.journal.prune(Pruning(frozenset(doomed), below, Cosigned(signed, cosigned.time, OFFICE.vkey)))
    assert fault.value.code == "L-501" and holes(town) == []
    town.journal.close()


def test_a_choice_that_would_lose_something_is_not_used(tmp_path, monkeypatch):
    town = Town(tmp_path / "ledger.db", 6)
    town.live(90)
    monkeypatch.setattr(pruner.Choice, "doomed", lambda self: frozenset(range(1, self._below)))
    assert town.prune(1) == 0 and holes(town) == []
    monkeypatch.undo()
    monkeypatch.setattr(pruner, "GAIN_MIN", 1)
    assert town.prune(1) > 0
    assert same(town.reopen(), town.everything())
    town.journal.close()
