"""A whole ledger from a stick is taken a piece at a time: by the rules of a batch, all or nothing, in flat memory."""

import tracemalloc

import pytest
from fakes import Terminal, b64
from stick_fakes import write
from test_hq_stick import one, stored

from kiosk.hq import office as office_module
from kiosk.hq.intake import Growth, LogState, Taken, judge, leaf_hashes
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.note import Checkpoint, Vkey
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.sync.batch import Batch


@pytest.fixture
def stick(tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    return stick


@pytest.fixture
def terminal(hq):
    return hq.enrol(Terminal()).open()


def root(entries):
    return Frontier(map(leaf_hash, entries)).root()


@pytest.mark.parametrize("held", [0, 1, 255, 700])
@pytest.mark.parametrize("case", ["good", "wrong", "floor", "floor at the end", "other floor", "below the floor"])
def test_piece_by_piece_is_judged_like_all_at_once(held, case):
    terminal = Terminal().open().grow(999)
    entries = terminal.entries
    sent = [*entries[:-1], b"another"] if case == "wrong" else entries
    floor = {
        "floor": Checkpoint(terminal.origin, 900, root(entries[:900])),
        "floor at the end": Checkpoint(terminal.origin, 1000, root(entries)),
        "other floor": Checkpoint(terminal.origin, 900, bytes(32)),
        "below the floor": Checkpoint(terminal.origin, 1001, bytes(32)),
    }.get(case)
    frontier = Frontier(map(leaf_hash, entries[:held]))
    log = LogState(Vkey.parse(terminal.vkey), frontier, False, floor, lambda size: root(entries[:size]))
    batch = Batch(terminal.origin, held, tuple(sent[held:]), terminal.note())
    whole = judge(batch, log, leaf_hashes(batch))
    growth = Growth(Checkpoint(terminal.origin, 1000, root(entries)), log)
    for first in range(held, 1000, 300):
        growth.add(sent[first : first + 300])
    pieces = growth.verdict()
    assert type(pieces) is type(whole)
    assert (pieces.signed, getattr(pieces, "leaves", ())) == (
        whole.signed,
        () if isinstance(whole, Taken) else getattr(whole, "leaves", ()),
    )
    if isinstance(whole, Taken):
        assert (pieces.below_floor, pieces.frontier.root()) == (whole.below_floor, whole.frontier.root())
    assert frontier.size == held, "what was there before is never changed"


def test_memory_does_not_grow_with_the_ledger(hq, terminal, stick, monkeypatch):
    monkeypatch.setattr(office_module, "PIECE", 256)
    peaks = []
    for count in (1_500, 6_000):
        terminal.grow(count - 1)
        write(stick, terminal)
        size = len(terminal.entries)
        tracemalloc.start()
        assert (one(hq, stick).said, hq.log(terminal).size) == ("taken", size)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 4_500 * 50, f"{peaks} bytes; an entry alone takes more than 150"


class Changing(PlainFiles):
    """A stick that says something else when it is asked again."""

    def __init__(self, folder, path, content):
        super().__init__(folder)
        self.path, self.content, self.reads = path, content, 0

    def read(self, name, limit):
        raw = super().read(name, limit)
        if name.endswith(self.path):
            self.reads += 1
            if self.reads > 1:
                if self.content is None:
                    raise OSError("pulled out")
                return self.content(raw)
        return raw


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "damaged"),
        (lambda raw: raw[:100], "damaged"),
        (None, "unreadable"),
    ],
)
def test_a_stick_that_changes_while_it_is_read_leaves_nothing(hq, terminal, stick, monkeypatch, content, said):
    monkeypatch.setattr(office_module, "PIECE", 64)
    terminal.grow(599)
    hq.post(terminal, terminal.batch(0, 10))
    write(stick, terminal)
    files = Changing(stick, "tile/entries/001", content)
    told = one(hq, stick, files)
    assert files.reads == 2 and (told.said, told.new) == (said, 0)
    assert stored(hq, terminal) == terminal.entries[:10], "pieces before it are undone"
    assert hq.alarms() == [], "it is the stick that is damaged, and not what is stored here"
    assert one(hq, stick).said == "taken" and stored(hq, terminal) == terminal.entries


def test_what_the_network_brought_meanwhile_is_not_added_twice(hq, terminal, stick):
    terminal.grow(599)
    write(stick, terminal)

    class Meanwhile(PlainFiles):
        reads = 0

        def read(self, name, limit):
            self.reads += name.endswith("tile/entries/000")
            if self.reads == 1 and name.endswith("tile/entries/001"):
                self.reads += 1
                assert hq.post(terminal, terminal.batch(0, 300)).status_code == 200
            return super().read(name, limit)

    told = one(hq, stick, Meanwhile(stick))
    assert (told.said, hq.log(terminal).size) == ("taken", 600) and stored(hq, terminal) == terminal.entries


def test_the_signed_root_is_what_counts_in_the_transaction_too(hq, terminal):
    """Whoever calls the office must not be trusted either: pieces that do not make the root are undone."""
    from test_hq_stick import office_of

    terminal.grow(99)
    head = Batch(
        terminal.origin, 100, (), terminal.note(body=f"{terminal.origin}\n100\n{b64(root(terminal.entries))}\n")
    )
    answer = office_of(hq).take_whole(terminal.hash, head, 0, iter([*terminal.entries[:99], b"another"]))
    assert answer.status == 422 and hq.log(terminal).size == 0 and stored(hq, terminal) == []
    assert hq.log(terminal).claimed_size == 100, "that it came is known"
    answer = office_of(hq).take_whole(terminal.hash, head, 0, iter(terminal.entries))
    assert answer.status == 200 and stored(hq, terminal) == terminal.entries
