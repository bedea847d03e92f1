"""Group commit: several that wait share one commit, each gets its own entries back, and one's mistake is its own."""

import threading

import pytest
from ledger_story import ORIGIN, StillClock, repeated, stacked, terminal_signer

from kiosk.ledger.entry import Draft
from kiosk.ledger.group import Group
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.errors import LedgerFault


class SlowSigner:
    """Signs when it is let."""

    def __init__(self):
        self._signer, self.vkey = terminal_signer(), terminal_signer().vkey
        self.signed, self.let, self.asked = 0, threading.Event(), threading.Event()
        self.let.set()

    def sign(self, message):
        self.asked.set()
        assert self.let.wait(20)
        self.signed += 1
        return self._signer.sign(message)


class Crowd:
    """One append is under way; others come, and wait."""

    def __init__(self, journal, signer, drafts):
        self.found, self._journal = [None] * len(drafts), journal
        signer.let.clear()
        signer.asked.clear()
        self._threads = [threading.Thread(target=self._append, args=each) for each in enumerate(drafts)]
        self._threads[0].start()
        assert signer.asked.wait(20)
        for thread in self._threads[1:]:
            waiting = len(journal._group._waiting)
            thread.start()
            while len(journal._group._waiting) == waiting:
                thread.join(0.001)
        signer.let.set()
        for thread in self._threads:
            thread.join(20)

    def _append(self, at, drafts):
        try:
            self.found[at] = self._journal.append(drafts)
        except (LedgerFault, AssertionError) as fault:
            self.found[at] = fault


@pytest.fixture
def signer():
    return SlowSigner()


@pytest.fixture
def journal(tmp_path, signer):
    with Journal.create(tmp_path / "l.db", signer, ORIGIN, "", "first", StillClock()) as journal:
        yield journal


def test_those_who_wait_share_a_commit(journal, signer, tmp_path):
    before = signer.signed
    drafts = [repeated(1), *(repeated(at)[-1:] * 2 for at in range(2, 9))]
    crowd = Crowd(journal, signer, drafts)
    assert signer.signed == before + 2  # the first one's, and one for all the others
    for wanted, found in zip(drafts, crowd.found, strict=True):
        assert [(entry.kind, entry.data) for entry in found] == [(draft.kind, draft.data) for draft in wanted]
    assert sorted(entry.seq for found in crowd.found for entry in found) == list(range(1, 16))
    with JournalReader(tmp_path / "l.db") as log:
        report = finish(verify_journal(log, [signer.vkey]))
        assert report.good and (report.size, report.checkpoints) == (16, 3)


def test_a_wrong_draft_is_its_own_callers_fault(journal, signer):
    wrong = Draft("note.stacked", None, (("cash:box", 5), ("unassigned", -4)), stacked().data)
    crowd = Crowd(journal, signer, [repeated(1), repeated(2), [wrong], repeated(3)])
    assert isinstance(crowd.found[2], AssertionError) and "sum to 1 fen" in str(crowd.found[2])
    assert [len(found) for found in (crowd.found[0], crowd.found[1], crowd.found[3])] == [1, 2, 3]
    assert journal.size == 7


def test_a_disk_that_refuses_is_told_to_each():
    turn, sizes, told = threading.RLock(), [], []

    def full(drafts):
        sizes.append(len(drafts))
        raise LedgerFault("L-502", "disk full")

    group = Group(turn, full)

    def append():
        try:
            group.append(repeated(1))
        except LedgerFault as fault:
            told.append(fault.code)

    threads = [threading.Thread(target=append) for _ in range(3)]
    with turn:
        for thread in threads:
            thread.start()
        while len(group._waiting) < 3:
            threads[0].join(0.001)
    for thread in threads:
        thread.join(20)
    assert told == ["L-502"] * 3 and sizes == [3, 1, 1, 1]


def test_nobody_is_left_waiting_when_a_commit_breaks_off():
    def broken(drafts):
        raise KeyError(len(drafts))

    group = Group(threading.RLock(), broken)
    with pytest.raises(KeyError):
        group.append(repeated(1))
    assert group._waiting == []
    other = Group(threading.RLock(), lambda drafts: drafts)
    assert other.append(repeated(2)) == repeated(2)


class Interrupted:
    """A lock at which Ctrl-C comes: at once, or when it is got."""

    at_once = False

    def __init__(self):
        self._lock, self._begun = threading.Lock(), False

    def acquire(self):
        if not self._begun:
            self._begun = True
            self._lock.acquire()
            return
        if not self.at_once:
            assert self._lock.acquire(timeout=20)
        raise KeyboardInterrupt

    def release(self):
        self._lock.release()


@pytest.mark.parametrize("at_once", [True, False])
def test_one_that_is_interrupted_leaves_the_others_their_turn(monkeypatch, at_once):
    let, asked, found = threading.Event(), threading.Event(), []

    def commit(drafts):
        asked.set()
        assert let.wait(20)
        return list(drafts)

    group = Group(threading.RLock(), commit)

    def append(count):
        try:
            found.append(len(group.append(repeated(count))))
        except KeyboardInterrupt:
            found.append("interrupted")

    def come(count, waiting):
        thread = threading.Thread(target=append, args=(count,))
        thread.start()
        while len(group._waiting) < waiting and "interrupted" not in found:
            thread.join(0.001)
        return thread

    threads = [come(1, 0)]
    assert asked.wait(20)
    monkeypatch.setattr(Interrupted, "at_once", at_once)
    monkeypatch.setattr("kiosk.ledger.group.Lock", Interrupted)
    threads.append(come(2, 1))
    monkeypatch.undo()
    monkeypatch.setattr(Interrupted, "at_once", at_once)
    threads.append(come(3, 1 if at_once else 2))
    let.set()
    for thread in threads:
        thread.join(20)
    assert sorted(map(str, found)) == ["1", "3", "interrupted"]
    assert group._waiting == [] and len(group.append(repeated(4))) == 4


def test_no_drafts_make_no_commit(journal, signer):
    before = signer.signed
    assert journal.append([]) == [] and signer.signed == before
