"""The stick is pulled at every single operation, is full at every write, or lies: nothing lost, nothing believed."""

import errno

import pytest
from stick_bench import FOLDER, Medium, Terminal, answered, finished

from kiosk.model.errors import LedgerFault

SMALL, LARGE = 255, 258  # over a tile's edge: partial ones go, a full one and two new ones come


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path / "kiosk", size=SMALL)
    yield terminal
    terminal.close()


def first_round(terminal):
    return Medium()


def a_renewal(terminal):
    medium = Medium()
    terminal.round(medium)
    answered(terminal, medium)
    for folder in [path for path, content in medium.tree.items() if content is FOLDER]:
        medium.flush(folder)
    terminal.grow(LARGE - SMALL)
    return Medium(medium.tree)


def a_renewal_without_capitals(terminal):
    tree = {path.replace("/tile", "/TILE"): content for path, content in a_renewal(terminal).tree.items()}
    return Medium(tree, capitals=False)


def nothing_believed(terminal, medium):
    """What lies there is unfinished, or whole to the last byte: a stranger finds nothing in between."""
    assert terminal.carried(medium) in (None, SMALL, LARGE)


@pytest.mark.parametrize(
    "begin", [first_round, a_renewal, pytest.param(a_renewal_without_capitals, marks=pytest.mark.slow)]
)
def test_pulled_at_every_operation(terminal, begin):
    stick = begin(terminal)
    whole = Medium(stick.tree, capitals=stick.capitals)
    size = terminal.reader.size
    assert terminal.write(whole).sentence == "written"
    known = terminal.state
    for cut in range(whole.ops):
        pulled = Medium(stick.tree, cut_at=cut, capitals=stick.capitals)
        assert terminal.write(pulled).code == "S-613", cut
        for seed in (0, 1, cut + 2):  # only what was safe is left; all of it and a torn file; any of it
            left = pulled.left(seed)
            nothing_believed(terminal, left)
            assert terminal.write(left).code == "", (cut, seed)
            assert terminal.carried(left) == size, (cut, seed)
    assert terminal.state == known


def test_pulled_while_the_answer_is_taken(terminal):
    stick = answered(terminal, Medium())
    whole = Medium(stick.tree)
    assert terminal.stick(whole).take().sentence == "ack-new"
    terminal.folder.joinpath("sync.db.stick").unlink()
    for cut in range(whole.ops):
        assert terminal.stick(Medium(stick.tree, cut_at=cut)).take().code == "S-613"
        assert terminal.state.cosigned_size == 0
    assert terminal.stick(Medium(stick.tree)).take().sentence == "ack-new"


@pytest.mark.parametrize("begin", [first_round, a_renewal])
def test_full_at_every_write(terminal, begin):
    stick = begin(terminal)
    whole = Medium(stick.tree)
    terminal.write(whole)
    full = 0
    for cut in range(whole.ops):
        medium = Medium(stick.tree, cut_at=cut, code=errno.ENOSPC)
        outcome = terminal.write(medium)
        assert outcome.code == "S-611" or terminal.carried(medium.left(0)) == terminal.reader.size, cut
        nothing_believed(terminal, medium)
        full += outcome.code == "S-611"
        medium.cut_at = None  # somebody makes room
        assert terminal.write(medium).code == "" and terminal.carried(medium) == terminal.reader.size
    assert full > 10


def test_a_last_flush_that_failed_is_done_again(terminal):
    """All is there for whoever looks now; but not for who looks after a pull."""
    whole = Medium()
    terminal.write(whole)
    stick = Medium(cut_at=whole.ops - 5)  # the flush after the rename
    assert terminal.write(stick).code == "S-613"
    assert f"{terminal.name}/checkpoint" in stick.tree and f"{terminal.name}/checkpoint" not in stick.safe
    stick.cut_at = None
    assert terminal.write(stick).sentence == "unchanged" and terminal.carried(stick.left(0)) == SMALL


def test_a_stick_that_is_seen_to_be_too_small_keeps_what_it_carries(terminal):
    stick = a_renewal(terminal)
    stick.bytes_free, before = 200_000, dict(stick.tree)
    assert terminal.write(stick).code == "S-611"
    assert stick.tree == before and terminal.carried(stick) == SMALL


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_write_protected_stick(terminal, code):
    stick = a_renewal(terminal)
    before = dict(stick.tree)
    stick.cut_at, stick.code = 0, code
    result = terminal.round(stick)
    assert (result.taken.sentence, result.code) == ("ack-new", "S-612")  # what it brought is taken all the same
    assert stick.tree == before and terminal.state.cosigned_size == SMALL


def test_a_write_protected_stick_that_has_everything_is_good_enough(terminal):
    stick = Medium()
    terminal.write(stick)
    stick.cut_at, stick.code = stick.ops, errno.EROFS
    assert terminal.round(stick).written.sentence == "unchanged"


def test_a_stick_that_lies_about_what_it_holds(terminal):
    """Counterfeit sticks take more than they have, and give back something else."""
    for bad in ("tile/entries/000.p/255", "tile/0/000.p/255", "checkpoint"):
        stick = Medium()
        stick.bad = lambda path, content, bad=bad: (
            bytes(len(content)) if path.endswith((bad, f"{bad}.new")) else content
        )
        assert terminal.write(stick).code == "S-615"
        if bad != "checkpoint":
            assert terminal.carried(stick) is None
        else:
            with pytest.raises(LedgerFault):
                terminal.carried(stick)


def test_the_screen_may_stop_asking_at_any_step(terminal):
    """A generator that is closed half-way is a stick pulled half-way."""
    stick = Medium()
    steps = terminal.stick(stick).round()
    while next(steps).step != "write":
        pass
    steps.close()
    assert terminal.carried(stick) is None
    assert finished(terminal.stick(stick).round()).carried


def test_two_sticks_in_turn_and_one_is_lost(terminal):
    """Records carried away on a stick, and the stick is lost: the next one carries all again."""
    for round_ in range(4):
        stick = Medium()
        terminal.grow(40)
        assert terminal.round(stick).carried
        assert terminal.carried(stick) == SMALL + 40 * (round_ + 1)
    assert terminal.state.cosigned_size == 0  # nobody at head office saw any of them
