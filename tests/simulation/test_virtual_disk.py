"""The disk in memory: what it keeps, what it may lose, and that the journal's own code meets it as any other disk."""

from random import Random

import pytest

from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.model.errors import LedgerFault
from kiosk.simulation.booth import ORIGIN, SIGNER
from kiosk.simulation.clock import HandClock
from kiosk.simulation.database import connect
from kiosk.simulation.disk import SECTOR, Disk
from kiosk.simulation.power import Cut, Mains, PowerCut

PAGE = bytes(range(1, 9)) * (SECTOR // 8) * 8  # eight sectors, no byte of them zero
STARTED = Draft("terminal.started", None, (), {"version": "0", "unclean": False})


def new_disk(cut=None):
    return Disk(Mains(cut), Random(1))


def file_on(disk, name="/f", size=len(PAGE)):
    inode = disk.find(name, make=True)
    disk.write(name, inode, 0, bytes(size))
    disk.sync(name, inode, folder=True)
    return inode


def left_after(disk, name="/f", tries=200):
    """What many cuts leave of a file; None where its name is gone."""
    found = (disk.cut(Random(n), Mains()).names.get(name) for n in range(tries))
    return [bytes(inode.now) if inode else None for inode in found]


def landed(content):
    return [any(content[at : at + SECTOR]) for at in range(0, len(content), SECTOR)]


def test_what_was_synced_is_there_after_any_cut():
    disk = new_disk()
    inode = file_on(disk)
    disk.write("/f", inode, 0, PAGE)
    disk.sync("/f", inode, folder=False)
    assert set(left_after(disk)) == {PAGE}


def test_what_was_not_synced_lands_in_any_sectors_or_none():
    disk = new_disk()
    inode = file_on(disk)
    disk.write("/f", inode, 0, PAGE)
    assert bytes(inode.now) == PAGE, "a program reads what it wrote"
    left = left_after(disk)
    assert bytes(len(PAGE)) in left and PAGE in left
    torn = [landed(content) for content in left if any(content) and content != PAGE]
    assert any(sectors != sorted(sectors, reverse=True) for sectors in torn), "sectors land in any order"
    assert all(
        content[at : at + SECTOR] in (bytes(SECTOR), PAGE[:SECTOR]) for content in left for at in range(0, 4096, SECTOR)
    )


def test_a_later_write_may_land_and_an_earlier_not():
    disk = new_disk()
    inode = file_on(disk)
    disk.write("/f", inode, 0, b"a" * SECTOR)
    disk.write("/f", inode, SECTOR, b"b" * SECTOR)
    left = {(content[:1], content[SECTOR : SECTOR + 1]) for content in left_after(disk)}
    assert left == {(a, b) for a in (b"a", b"\0") for b in (b"b", b"\0")}


def test_a_file_may_have_grown_by_zeros_that_nobody_wrote():
    disk = new_disk()
    inode = file_on(disk, size=SECTOR)
    disk.write("/f", inode, SECTOR, PAGE)
    left = left_after(disk)
    assert bytes(SECTOR) in left and bytes(SECTOR + len(PAGE)) in left


def test_names_need_a_sync_of_their_own():
    disk = new_disk()
    file_on(disk, "/old")
    inode = disk.find("/new", make=True)
    disk.write("/new", inode, 0, b"x")
    disk.sync("/new", inode, folder=False)
    disk.delete("/old", sync=False)
    assert {None, b"x"} <= set(left_after(disk, "/new")) and None in left_after(disk, "/old")
    assert any(content is not None for content in left_after(disk, "/old")), "a deleted file may be back"
    disk.sync_folder()
    assert set(left_after(disk, "/new")) == {b"x"} and set(left_after(disk, "/old")) == {None}


@pytest.mark.parametrize(("when", "kept"), [("before", {0}), ("within", range(1, 4096)), ("after", {4096})])
def test_a_write_is_cut_before_within_or_after(when, kept):
    disk = new_disk(Cut(3, when))  # made, written, synced: the fourth operation
    inode = file_on(disk)
    with pytest.raises(PowerCut):
        disk.write("/f", inode, 0, PAGE)
    written = len(bytes(inode.now).rstrip(b"\0"))
    assert written in kept and not disk.mains.on
    with pytest.raises(PowerCut):
        disk.sync("/f", inode, folder=False)


# the journal on it


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def disk(path):
    made = new_disk()
    Journal.create(path, SIGNER, ORIGIN, "", "a test", HandClock(), connect(made)).close()
    return made


def opened(path, disk):
    return Journal.open(path, SIGNER, HandClock(), None, connect(disk))


def test_nothing_of_a_journal_lies_on_the_real_disk_but_its_lock(path, disk):
    with opened(path, disk) as journal, JournalReader(path, connect(disk)) as reader:
        journal.append([STARTED])
        assert reader.size == journal.size == 2
    assert {file.name for file in path.parent.iterdir()} == {"journal.db.lock"}


def test_a_full_disk_is_told_and_there_is_room_again(path, disk):
    with opened(path, disk) as journal:
        disk.room = 100
        with pytest.raises(LedgerFault) as caught:
            journal.append([STARTED])
        assert caught.value.code == "L-502" and "full" in str(caught.value)
        disk.room = None
        assert journal.append([STARTED])[0].seq == 1


@pytest.mark.parametrize("fails", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_a_failing_sync_is_told_and_what_is_recorded_afterwards_is_not_built_on_it(path, disk, fails, seed):
    disk.random = Random(seed)
    with opened(path, disk) as journal:
        journal.append([STARTED])
        disk.failing_syncs = fails
        for _ in range(fails):
            with pytest.raises(LedgerFault) as caught:
                journal.append([STARTED])
            assert caught.value.code == "L-502"
        journal.append([STARTED])
        root = journal.root
        for n in range(8):
            with opened(path.with_name(f"{n}.db"), disk_at(path, disk, path.with_name(f"{n}.db"), n)) as found:
                assert (found.size, found.root) == (3, root)


def disk_at(path, disk, other, n):
    """The disk after a cut, its files under another name: the first journal still holds its lock."""
    left = disk.cut(Random(n), Mains())
    left.names = {name.replace(str(path), str(other)): inode for name, inode in left.names.items()}
    left.kept_names = dict(left.names)
    return left


@pytest.mark.parametrize("seed", range(30))
def test_entries_that_only_the_cache_holds_are_not_built_upon(path, disk, seed):
    """A sync failed and the process died: the next one still reads what never reached the disk."""
    disk.random = Random(seed)
    journal = opened(path, disk)
    journal.append([STARTED])
    disk.failing_syncs = 1
    with pytest.raises(LedgerFault):
        journal.append([STARTED])
    again = disk.killed(Random(seed), Mains())
    disk.mains.on = False
    journal.close()
    journal = opened(path, again)
    journal.append([STARTED])
    size, root = journal.size, journal.root
    found = again.cut(Random(seed), Mains())
    again.mains.on = False
    journal.close()
    with opened(path, found) as journal:
        assert journal.size >= size and journal.frontier(size).root() == root


def test_a_file_that_is_no_database_is_told_as_such(path, disk):
    for inode in disk.names.values():
        inode.now[:100] = b"#" * 100
    with pytest.raises(LedgerFault) as caught:
        opened(path, disk)
    assert caught.value.code == "L-501"


def test_a_cut_in_a_commit_ends_the_process_and_not_the_ledger(path, disk):
    journal = opened(path, disk)
    done = disk.mains.done
    disk.mains.cut = Cut(done + 2, "within")
    with pytest.raises(PowerCut):
        journal.append([STARTED])
    journal.close()
    for n in range(30):
        with opened(path, disk.cut(Random(n), Mains())) as found:
            assert found.size in (1, 2)


@pytest.mark.parametrize("size", [512, 4096])
def test_a_card_that_ruins_what_it_is_writing_takes_no_entry_with_it(path, disk, size):
    disk.ruins = size
    journal = opened(path, disk)
    journal.append([STARTED])
    root = journal.root
    disk.mains.cut = Cut(disk.mains.done + 1, "after")
    with pytest.raises(PowerCut):
        journal.append([STARTED])
    journal.close()
    for n in range(60):
        with opened(path, disk.cut(Random(n), Mains())) as found:
            assert found.size >= 2 and found.frontier(2).root() == root
