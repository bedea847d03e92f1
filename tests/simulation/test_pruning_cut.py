"""The plug is pulled while old entries are deleted: all are there, or none of them and the entry that says so."""

from random import Random

import pytest

from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import HEAD_OFFICE, cosign, open_cosigned
from kiosk.ledger.prune import Pruning
from kiosk.model.errors import LedgerFault
from kiosk.simulation.booth import ORIGIN, SIGNER
from kiosk.simulation.clock import HandClock
from kiosk.simulation.database import connect
from kiosk.simulation.disk import Disk
from kiosk.simulation.power import Cut, Mains, PowerCut

OFFICE = KeySigner(SIGNER._key, "power.example/ledger-hq/1", HEAD_OFFICE)
DOOMED = frozenset({*range(3, 20), *range(30, 50)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def full(path):
    """A disk with a ledger of 61 entries, at rest."""
    disk = Disk(Mains(), Random(0))
    with Journal.create(path, SIGNER, ORIGIN, "", "a test", HandClock(), connect(disk)) as journal:
        for _ in range(6):
            journal.append([Draft("note.repeated", None, (), {"fen": n}) for n in range(10)])
    return disk


def pruned(path, disk):
    """Raises PowerCut where the disk's mains say so."""
    with Journal.open(path, SIGNER, HandClock(), None, connect(disk)) as journal:
        cosigned = open_cosigned(cosign(journal.checkpoint_note, OFFICE, 1_000), SIGNER.vkey, [OFFICE.vkey])
        journal.prune(Pruning(DOOMED, 56, cosigned))


def holes(path, disk):
    with Journal.open(path, SIGNER, HandClock(), None, connect(disk)) as journal:
        return journal.size, frozenset(seq for seq, raw, _ in journal.kept_rows() if not raw)


def test_a_cut_at_every_operation_leaves_all_or_nothing(path, full):
    whole = full.killed(Random(0), Mains())
    done = whole.mains.trace = []
    pruned(path, whole)
    trace = list(done)
    assert holes(path, whole) == (62, DOOMED)
    found = set()
    for at in range(len(trace)):
        for when in ("before", "within", "after"):
            disk = full.killed(Random(at), Mains(Cut(at, when)))
            with pytest.raises(PowerCut):
                pruned(path, disk)
            for part in range(2):
                left = holes(path, disk.cut(Random(f"{at}{when}{part}"), Mains()))
                assert left in ((61, frozenset()), (62, DOOMED)), (at, when, trace[at])
                found.add(left)
    assert len(found) == 2, "or no cut was late enough"


def test_a_full_disk_deletes_nothing(path, full):
    disk = full.killed(Random(0), Mains())
    disk.room = 100
    with pytest.raises(LedgerFault) as fault:
        pruned(path, disk)
    assert fault.value.code == "L-502"
    disk.room = None
    assert holes(path, disk) == (61, frozenset())
