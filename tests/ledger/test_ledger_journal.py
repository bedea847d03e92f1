"""The journal: durable, signed, alone, and honest when the disk is full or the power goes."""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from ledger_story import (
    ORIGIN,
    StillClock,
    closed,
    make_journal,
    office_signer,
    repeated,
    stacked,
    terminal_signer,
    written,
)

from kiosk.ledger.entry import Draft, decode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.note import cosign, open_checkpoint
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.model.errors import LedgerFault

HERE = Path(__file__).resolve().parent
SIGNER = terminal_signer()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def code(function, *arguments):
    with pytest.raises(LedgerFault) as fault:
        function(*arguments)
    return fault.value.code


def reopen(path, clock=None, seen=None, signer=SIGNER):
    return Journal.open(path, signer, clock or StillClock(), seen)


def edit(path, statement, *values):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_a_new_log_begins_with_log_opened(path):
    with make_journal(path) as journal:
        (opened,) = journal.entries(0, 9)
        assert opened.data == {"origin": ORIGIN, "vkey": str(SIGNER.vkey), "prev": "", "why": "first"}
        assert (opened.seq, opened.boot, opened.kind) == (0, 1, "log.opened")
        assert open_checkpoint(journal.checkpoint_note, SIGNER.vkey).size == 1


def test_a_log_is_opened_once(path):
    make_journal(path).close()
    assert code(make_journal, path) == "L-501"
    with reopen(path) as journal, pytest.raises(AssertionError):
        journal.append([Draft("log.opened", None, (), dict(journal.last.data))])


def test_a_creation_that_was_cut_off_can_be_done_again(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with make_journal(path) as journal:
        assert journal.size == 1


def test_the_old_epochs_checkpoint_must_be_a_cosigned_one(path, tmp_path):
    with make_journal(path) as old:
        note = old.checkpoint_note
    signer = terminal_signer("power.example/kiosk/420100/0007/2", b"second")
    new = tmp_path / "new.db"
    assert code(Journal.create, new, signer, signer.vkey.name, note, "repair", StillClock()) == "L-501"
    cosigned = cosign(note, office_signer(), 1_764_000_000)
    with Journal.create(new, signer, signer.vkey.name, cosigned, "repair", StillClock()) as journal:
        assert journal.last.data["prev"] == cosigned


def test_each_commit_leaves_its_own_signed_checkpoint(path):
    with make_journal(path, [stacked(), written(), closed()]) as journal, JournalReader(path) as reader:
        frontier = Frontier()
        notes = [open_checkpoint(note, SIGNER.vkey) for note in reader.checkpoints()]
        for raw, note in zip(reader.entries(0, 9), notes, strict=True):
            frontier.append(leaf_hash(raw))
            assert (note.size, note.root) == (frontier.size, frontier.root())
        assert journal.root == frontier.root() and journal.size == reader.size == 4


def test_several_entries_are_one_commit_with_one_checkpoint(path):
    with make_journal(path) as journal, JournalReader(path) as reader:
        entries = journal.append([stacked(), written(), closed()])
        assert [entry.seq for entry in entries] == [1, 2, 3]
        assert [open_checkpoint(note, SIGNER.vkey).size for note in reader.checkpoints()] == [1, 4]
        assert journal.append([]) == [] and journal.size == 4


def test_the_journal_is_durable_by_its_settings(path):
    with make_journal(path) as journal:
        assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert journal._connection.execute("SELECT sum(strict) FROM pragma_table_list").fetchone() == (2,)


def test_a_restart_finds_what_was_there_and_counts_the_start(path):
    clock = StillClock()
    with make_journal(path, [stacked(), written()], clock) as journal:
        root = journal.root
    clock.now -= 86_400_000  # the clock may go back, boot may not
    seen = []
    with reopen(path, clock, seen.append) as journal:
        assert (journal.size, journal.root) == (3, root)
        assert [entry.kind for entry in seen] == ["log.opened", "note.stacked", "write.done"]
        assert list(journal.entries(0, 3)) == seen and journal.last == seen[-1]
        (entry,) = journal.append([closed()])
        assert (entry.seq, entry.boot, entry.at) == (3, 2, clock.now)
    with reopen(path) as journal:
        assert journal.append(repeated())[0].boot == 3


def test_a_second_process_is_told_that_the_ledger_is_taken(path):
    with make_journal(path):
        assert code(reopen, path) == "L-506"
        assert code(make_journal, path) == "L-506"
    reopen(path).close()


def test_another_key_does_not_open_it(path):
    make_journal(path).close()
    assert code(lambda: reopen(path, signer=terminal_signer(seed=b"other"))) == "L-505"
    assert code(Journal.create, path, SIGNER, "a/kiosk/b/c/1", "", "", StillClock()) == "L-505"


def test_what_is_no_journal_is_refused(path, tmp_path):
    assert code(reopen, path) == "L-502"  # not there
    path.write_bytes(b"not a database at all, but long enough to have a header" * 20)
    assert code(reopen, path) == "L-501"
    assert code(JournalReader, path) == "L-501"
    other = tmp_path / "other.db"
    edit(other, "CREATE TABLE t (x)")
    assert code(reopen, other) == "L-501"


TAMPERED = {
    "an entry replaced by another": ("UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE seq = 2) WHERE seq = 1",),
    "an entry and its leaf edited": (),
    "an entry deleted": ("DELETE FROM entry WHERE seq = 2",),
    "the last entry deleted": ("DELETE FROM entry WHERE seq = 4",),
    "the tail cut with its checkpoint": ("DELETE FROM entry WHERE seq = 4", "DELETE FROM checkpoint WHERE size = 4"),
    "two swapped": (
        "UPDATE entry SET seq = 99 WHERE seq = 2",
        "UPDATE entry SET seq = 2 WHERE seq = 3",
        "UPDATE entry SET seq = 3 WHERE seq = 99",
    ),
    "one stored under another number": ("UPDATE entry SET seq = 9 WHERE seq = 4",),
    "one twice": ("INSERT INTO entry SELECT 5, bytes, leaf FROM entry WHERE seq = 4",),
    "a leaf hash edited": ("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 1",),
    "a root edited": ("UPDATE checkpoint SET root = zeroblob(32) WHERE size = 5",),
    "a signature edited": ("UPDATE checkpoint SET signature = zeroblob(64) WHERE size = 5",),
    "no checkpoints": ("DELETE FROM checkpoint",),
    "a checkpoint too many": ("INSERT INTO checkpoint SELECT 6, root, signature FROM checkpoint WHERE size = 5",),
    "no entries": ("DELETE FROM entry",),
    "another format": ("PRAGMA user_version = 2",),
}


@pytest.mark.parametrize("statements", TAMPERED.values(), ids=TAMPERED)
def test_whoever_changes_the_file_is_found_at_the_next_start(path, statements):
    make_journal(path, [stacked(), written(), closed(), *repeated()]).close()
    reopen(path).close()
    if not statements:
        (raw,) = sqlite3.connect(path).execute("SELECT bytes FROM entry WHERE seq = 1").fetchone()
        changed = raw.replace(b"\x19\x13\x88", b"\x19\x13\x89").replace(b"\x39\x13\x87", b"\x39\x13\x88")
        assert decode(changed).post[0] == ("cash:box", 5001)
        edit(path, "UPDATE entry SET bytes = ?, leaf = ? WHERE seq = 1", changed, leaf_hash(changed))
    for statement in statements:
        edit(path, statement)
    assert code(reopen, path) == "L-501"


def test_a_whole_older_state_opens_and_only_a_witness_can_tell(path, tmp_path):
    """A restored disk image agrees with itself: that is what head office is for."""
    make_journal(path, [stacked()]).close()
    old = path.read_bytes()
    with reopen(path) as journal:
        journal.append([written()])
    path.write_bytes(old)
    with reopen(path) as journal:
        assert journal.size == 2


@pytest.mark.parametrize("kills", [1, 2, 7])
def test_kill_9_loses_nothing_that_append_returned(path, kills):
    script = f"""
        import sys; sys.path.insert(0, {str(HERE)!r})
        from pathlib import Path
        from ledger_story import StillClock, repeated, terminal_signer
        from kiosk.ledger.journal import Journal
        journal = Journal.open(Path({str(path)!r}), terminal_signer(), StillClock())
        while True:
            (entry,) = journal.append(repeated())
            sys.stdout.write(f"{{entry.seq}} {{entry.boot}}\\n")
            sys.stdout.flush()
    """
    make_journal(path).close()
    told = [0, 1]
    for _ in range(kills):
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
        for _ in range(20):
            told = [int(word) for word in child.stdout.readline().split()]
        child.kill()
        rest = child.stdout.read().split("\n")[:-1]  # what it still said before it died
        child.wait()
        child.stdout.close()
        told = [int(word) for word in rest[-1].split()] if rest else told
    with reopen(path) as journal:
        assert journal.size in (told[0] + 1, told[0] + 2)  # the one being committed may be there
        assert journal.append(repeated())[0].boot == told[1] + 1 == kills + 2


def test_a_full_disk_records_nothing_and_goes_on_when_there_is_room(path):
    with make_journal(path) as journal:
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        before = (journal.size, journal.root, journal.checkpoint_note, journal.last)
        with pytest.raises(LedgerFault) as fault:
            for _ in range(200):
                before = (journal.size, journal.root, journal.checkpoint_note, journal.last)
                journal.append(repeated(2))
        assert fault.value.code == "L-502"
        assert (journal.size, journal.root, journal.checkpoint_note, journal.last) == before
        assert code(journal.append, repeated(2)) == "L-502"
        journal._connection.execute("PRAGMA max_page_count = 100000")
        assert [entry.seq for entry in journal.append(repeated(2))] == [before[0], before[0] + 1]
        size, root = journal.size, journal.root
    with reopen(path) as journal:
        assert (journal.size, journal.root) == (size, root)


def test_a_disk_that_refuses_a_write_is_met_the_same_way(path):
    """The operating system says no in the middle of a commit (a file size limit in a child process)."""
    script = f"""
        import resource, sys; sys.path.insert(0, {str(HERE)!r})
        from pathlib import Path
        from ledger_story import make_journal, repeated
        from kiosk.model.errors import LedgerFault
        path = Path({str(path)!r})
        journal = make_journal(path)
        limit = Path(str(path) + "-wal").stat().st_size + 20_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            while True:
                journal.append(repeated(3))
        except LedgerFault as fault:
            size = journal.size
            assert fault.code == "L-502", fault
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (entry,) = journal.append(repeated())
        assert entry.seq == size
        sys.stdout.write(str(journal.size))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    with reopen(path) as journal:
        assert journal.size == int(done.stdout) > 2


def test_a_key_that_fails_records_nothing(path):
    class Token:
        vkey = SIGNER.vkey
        broken = False

        def sign(self, message):
            if self.broken:
                raise LedgerFault("L-505", "the token is out")
            return SIGNER.sign(message)

    token = Token()
    with make_journal(path, signer=token) as journal:
        token.broken = True
        assert code(journal.append, repeated()) == "L-505"
        token.broken = False
        assert journal.append(repeated())[0].seq == 1


def test_a_wrong_draft_records_nothing(path):
    with make_journal(path) as journal:
        wrong = [
            Draft("note.unheard", None, (), {}),
            Draft("note.stacked", None, (("cash:box", 5),), dict(stacked().data)),
            Draft("terminal.stopped", None, (), {"why": "x" * 20_000}),
        ]
        for draft in wrong:
            with pytest.raises(AssertionError):
                journal.append([*repeated(), draft])
        assert journal.size == 1
        assert journal.append(repeated())[0].seq == 1


def test_a_reader_reads_while_the_writer_writes(path):
    with make_journal(path) as journal, JournalReader(path) as reader:
        assert reader.vkey == SIGNER.vkey
        for count in range(1, 6):
            assert reader.size == count
            assert open_checkpoint(reader.newest(), SIGNER.vkey).size == count
            journal.append(repeated())
        assert [decode(raw).seq for raw in reader.entries(2, 4)] == [2, 3]
        assert reader.leaf_hashes(2, 4) == [leaf_hash(raw) for raw in reader.entries(2, 4)]
        with pytest.raises(sqlite3.OperationalError):
            reader._connection.execute("DELETE FROM entry")


def test_checkpoints_are_kept_until_they_are_pruned_and_the_newest_for_ever(path):
    def sizes(*notes):
        return [note and open_checkpoint(note, SIGNER.vkey).size for note in notes]

    with make_journal(path) as journal, JournalReader(path) as reader:
        for count in (3, 1, 4):  # commits end at 1, 4, 5, 9
            journal.append(repeated(count))
        assert sizes(reader.at_most(4), reader.at_most(3), reader.at_most(0)) == [4, 1, None]
        assert sizes(reader.at_least(2), reader.at_least(9), reader.at_least(10)) == [4, 9, None]
        journal.prune_checkpoints(5)
        assert sizes(*reader.checkpoints()) == [5, 9]
        journal.prune_checkpoints(1_000)
        assert sizes(*reader.checkpoints()) == [9]
    with reopen(path) as journal:
        assert journal.size == 9


def test_more_rows_than_are_read_at_once_come_in_order(path):
    with make_journal(path) as journal, JournalReader(path) as reader:
        for _ in range(3):
            journal.append(repeated(800))
        assert [decode(raw).seq for raw in reader.entries(5, 2_300)] == list(range(5, 2_300))
        assert [seq for seq, _, _ in reader.rows()] == list(range(2_401))


@pytest.mark.parametrize("again", [False, True])
def test_the_frontier_of_any_size_is_at_hand(path, again):
    with make_journal(path) as journal:
        journal.append(repeated(700))
    with reopen(path) as journal:
        if not again:
            journal.append(repeated(100))
        leaves = journal.leaf_hashes(0, journal.size)
        for size in (0, 1, 255, 256, 257, 511, 512, 700, journal.size):
            assert journal.frontier(size).peaks == Frontier(leaves[:size]).peaks
        with pytest.raises(ValueError):
            journal.frontier(journal.size + 1)
