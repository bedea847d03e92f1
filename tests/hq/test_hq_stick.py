"""What head office makes of sticks: every terminal's folder by itself, to the last byte, and what goes back."""

import errno
import os
import re
import shutil
from pathlib import Path

import pytest
from fakes import NOON, Clock, Terminal, cosigned_time
from stick_fakes import export, place, write

from kiosk.hq.clerk import Clerk
from kiosk.hq.enrol import change
from kiosk.hq.keyring import open_signer
from kiosk.hq.office import Office
from kiosk.hq.stick import ANSWERED, SAID, import_stick
from kiosk.hq.upload import stick_texts
from kiosk.hq.witness import Witness
from kiosk.ledger.files import PlainFiles


@pytest.fixture
def stick(tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    return stick


@pytest.fixture
def terminal(hq):
    return hq.enrol(Terminal()).open().grow(299)


def office_of(hq):
    if getattr(hq, "stick_office", (None, None))[0] is not hq.store:
        clock = Clock()
        office = Office(hq.store, Witness(open_signer(hq.folder), clock), clock, Clerk(hq.store, clock))
        hq.stick_office = (hq.store, office)
    return hq.stick_office[1]


def take(hq, stick, files=None):
    return list(import_stick(office_of(hq), files or PlainFiles(stick)))


def one(hq, stick, files=None):
    (told,) = take(hq, stick, files)
    return told


def stored(hq, terminal):
    from kiosk.hq.tables import StoredEntry

    rows = StoredEntry.select().where(StoredEntry.log == hq.log(terminal).id).order_by(StoredEntry.seq)
    return [bytes(row.content) for row in rows.execute(hq.store.database)]


def test_a_whole_ledger_comes_in_a_pocket(hq, terminal, stick):
    own = write(stick, terminal)
    told = one(hq, stick)
    assert (told.name, told.said, told.code, told.new, told.held) == (terminal.origin, "taken", "", 300, 300)
    assert stored(hq, terminal) == terminal.entries
    answer = (own / "checkpoint.hq").read_text()
    assert cosigned_time(answer, terminal.note(), hq.vkey) == NOON // 1000
    assert told.answered == "written" and hq.get(terminal).text == answer
    assert sorted(path.name for path in own.iterdir()) == ["checkpoint", "checkpoint.hq", "tile"]


def test_only_what_is_new_is_added_wherever_the_rest_came_from(hq, terminal, stick):
    hq.post(terminal, terminal.batch(0, 257))
    write(stick, terminal)
    assert (one(hq, stick).new, stored(hq, terminal) == terminal.entries) == (43, True)
    told = one(hq, stick)
    assert (told.said, told.new, told.answered) == ("known", 0, "written")
    terminal.grow(5)
    assert hq.post(terminal, terminal.batch(300)).status_code == 200  # and the network goes on from there


def test_a_round_of_many_terminals_each_by_itself(hq, terminal, stick):
    others = [
        Terminal(f"power.example/kiosk/420100/00{at}/1", bytes([at]) * 32).open().grow(at) for at in range(10, 14)
    ]
    for other in others[:3]:
        hq.enrol(other)
    for each in (terminal, *others):
        write(stick, each)
    (stick / place(others[0]) / "tile/0/000.p/11").write_bytes(b"torn")
    (stick / place(others[1]) / "checkpoint").unlink()
    (stick / "prepaid-kiosk/v1/notes.txt").write_text("mine")
    (stick / "photos").mkdir()
    told = {each.log_id if "/" in each.name else each.name: each for each in take(hq, stick)}
    found = [(told[each.hash].said, told[each.hash].code) for each in (terminal, *others)]
    assert found == [("taken", ""), ("damaged", "S-615"), ("unfinished", "S-613"), ("taken", ""), ("unknown", "S-602")]
    assert [hq.log(each).size for each in (terminal, *others[:3])] == [300, 0, 0, 13]


@pytest.mark.parametrize("above", ["", "prepaid-kiosk", "prepaid-kiosk/v1", "folder"])
def test_the_folder_may_be_named_at_any_height(hq, terminal, stick, above):
    own = write(stick, terminal)
    assert one(hq, own if above == "folder" else stick / above).said == "taken"


def test_letters_of_the_folders_names_do_not_matter(hq, terminal, stick):
    write(stick, terminal)
    (stick / "prepaid-kiosk/v1" / terminal.hash).rename(stick / "prepaid-kiosk/v1" / terminal.hash.upper())
    (stick / "prepaid-kiosk/v1").rename(stick / "prepaid-kiosk/V1")
    (stick / "prepaid-kiosk").rename(stick / "PREPAID-KIOSK")
    assert one(hq, stick).said == "taken"


# nothing is believed


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_byte_of_every_file_matters(hq, stick, step):
    """One byte after the other, over a stick whose records head office has half: nothing is kept, ever."""
    terminal = hq.enrol(Terminal()).open().grow(3)
    hq.post(terminal, terminal.batch(0, 2))
    files = export(terminal)
    own = write(stick, terminal)
    for name, good in files.items():
        for at in range(0, len(good), step):
            bent = bytearray(good)
            bent[at] ^= 1
            (own / name).write_bytes(bent)
            told = one(hq, stick)
            assert told.code in ("S-615", "S-602"), (name, at, told)
            assert hq.log(terminal).size == 2 and not (own / "checkpoint.hq").exists()
        (own / name).write_bytes(good)
    assert not hq.log(terminal).quarantined and hq.alarms() == []
    assert one(hq, stick).said == "taken"


@pytest.mark.parametrize("height", [2, 4])
def test_what_is_here_already_is_looked_at_too(hq, stick, height):
    terminal = hq.enrol(Terminal()).open().grow(3)
    hq.post(terminal, terminal.batch(0, height))
    own = write(stick, terminal)
    path = own / "tile/entries/000.p/4"
    path.write_bytes(path.read_bytes().replace(b"log.opened", b"log.opENED"))
    told = one(hq, stick)
    assert (told.said, told.new) == ("damaged", 0) and not (own / "checkpoint.hq").exists()


BENT = {
    "a tile is missing": lambda own: (own / "tile/1/000.p/1").unlink(),
    "a bundle is missing": lambda own: (own / "tile/entries/000").unlink(),
    "a bundle is cut": lambda own: (own / "tile/entries/000").write_bytes(b""),
    "a bundle is a link": lambda own: (
        (own / "tile/entries/000").rename(own / "x"),
        (own / "tile/entries/000").symlink_to(own / "x"),
    ),
    "the tiles are a link": lambda own: ((own / "tile").rename(own / "x"), (own / "tile").symlink_to(own / "x")),
    "a bundle is a pipe": lambda own: ((own / "tile/entries/000").unlink(), os.mkfifo(own / "tile/entries/000")),
    "a bundle is a folder": lambda own: ((own / "tile/entries/000").unlink(), (own / "tile/entries/000").mkdir()),
    "a bundle is huge": lambda own: os.truncate(own / "tile/entries/000", 1 << 40),
    "the tiles are a file": lambda own: (shutil.rmtree(own / "tile"), (own / "tile").write_text("")),
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
def test_a_bent_folder_is_refused(hq, terminal, stick, bend):
    bend(write(stick, terminal))
    told = one(hq, stick)
    assert (told.said, told.code, hq.log(terminal).size) == ("damaged", "S-615", 0)


@pytest.mark.parametrize("lies", ["nothing", "link", "huge", "folder"])
def test_a_checkpoint_that_is_none_is_unfinished(hq, terminal, stick, lies):
    path = write(stick, terminal) / "checkpoint"
    path.unlink()
    if lies == "link":
        path.symlink_to(stick)
    elif lies == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    elif lies == "folder":
        path.mkdir()
    assert one(hq, stick).said == "unfinished"


def test_records_signed_with_another_key_are_not_taken(hq, terminal, stick):
    thief = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2").open().grow(400)
    write(stick, thief)
    told = one(hq, stick)
    assert (told.said, told.code, hq.log(terminal).contact_ms) == ("forged", "S-615", 0)


@pytest.mark.parametrize("here", [0, 200])
def test_other_records_with_their_own_tiles_under_a_true_checkpoint(hq, terminal, stick, here):
    """Whoever rewrites entries can make the tiles fit; what the terminal signed they do not."""
    if here:
        hq.post(terminal, terminal.batch(0, here))
    twin = Terminal().open().grow(298).append(version="2", unclean=True)
    write(stick, twin, checkpoint=terminal.note().encode())
    told = one(hq, stick)
    assert (told.said, told.code, hq.log(terminal).size) == ("damaged", "S-615", here)
    assert not hq.log(terminal).quarantined


def test_a_renamed_folder_is_refused(hq, terminal, stick):
    other = hq.enrol(Terminal("power.example/kiosk/420100/0008/1")).open()
    write(stick, terminal)
    (stick / place(terminal)).rename(stick / place(other))
    assert (one(hq, stick).said, hq.log(terminal).size) == ("exchanged", 0)


def test_an_empty_stick_and_one_with_other_things(hq, stick):
    assert take(hq, stick) == []
    (stick / "prepaid-kiosk").write_text("a file")
    assert take(hq, stick) == []


# steps 1 to 6


def test_an_old_stick_changes_nothing_and_gets_no_answer(hq, terminal, stick):
    hq.post(terminal, terminal.batch())
    own = write(stick, terminal, 200)
    told = one(hq, stick)
    assert (told.said, told.code, told.held, told.new) == ("old", "", 300, 0)
    assert not (own / "checkpoint.hq").exists()  # the answer would be larger than the folder's checkpoint


def test_a_blocked_terminal(hq, terminal, stick):
    write(stick, terminal)
    change(hq.store, terminal.origin, blocked=True)
    assert (one(hq, stick).code, hq.log(terminal).size) == ("S-603", 0)


@pytest.mark.parametrize("size", [100, 400])
def test_a_fork_is_a_quarantine_with_evidence(hq, terminal, stick, size):
    twin = Terminal().open()
    twin.append(version="2", unclean=True).grow(500)
    hq.post(terminal, terminal.batch())
    own = write(stick, twin, size)
    told = one(hq, stick)
    if size > 300:  # its entries do not make one ledger with ours: nothing is proven yet, and nothing is kept
        assert hq.log(terminal).size == 300 and (told.said, told.code) == ("contrary", "S-604")
        assert not hq.log(terminal).quarantined
        write(stick, twin, 250)
        shutil.rmtree(own)
        write(stick, twin, 250)
        told = one(hq, stick)
    assert (told.said, told.code) == ("quarantined", "L-504")
    assert hq.log(terminal).quarantined and hq.alarms() == ["quarantine"]
    assert len(hq.evidence(terminal)) == 1 and not (own / "checkpoint.hq").exists()


def test_a_restored_head_office_is_filled_again_from_a_stick(hq, terminal, stick):
    hq.post(terminal, terminal.batch(0, 100))
    hq.backup()
    hq.post(terminal, terminal.batch(100, 250))
    cosigned = hq.get(terminal).text
    hq.restore()
    own = write(stick, terminal, 300, cosigned)
    told = one(hq, stick)
    assert (told.said, told.new) == ("taken", 200) and hq.alarms() == ["floor"]
    assert (own / "checkpoint.hq").read_text() != cosigned


def test_a_stick_older_than_what_a_restored_head_office_had_cosigned(hq, terminal, stick):
    hq.post(terminal, terminal.batch(0, 100))
    hq.backup()
    hq.post(terminal, terminal.batch(100))
    cosigned = hq.get(terminal).text
    hq.restore()
    hq.floor(terminal, cosigned)
    own = write(stick, terminal, 200)
    told = one(hq, stick)
    assert (told.said, told.code, told.new, told.held) == ("restoring", "", 100, 200)
    assert not (own / "checkpoint.hq").exists()


def test_a_history_other_than_the_forgotten_one_is_found_by_the_stick_itself(hq, terminal, stick):
    """Head office forgot what it cosigned; the disk was put back and went on otherwise; the stick tells of both."""
    hq.post(terminal, terminal.batch(0, 100))
    hq.backup()
    hq.post(terminal, terminal.batch(100, 250))
    cosigned = hq.get(terminal).text
    hq.restore()
    twin = Terminal().open().grow(99)
    twin.append(version="2", unclean=True).grow(250)
    write(stick, twin, cosigned=cosigned)
    told = one(hq, stick)
    assert (told.code, hq.log(terminal).size, hq.log(terminal).quarantined) == ("L-504", 100, True)


def test_a_bent_answer_on_the_stick_is_replaced_by_a_true_one(hq, terminal, stick):
    for bent in ("", "hello\n", "\0" * 300):
        own = write(stick, terminal, cosigned=None, **{"checkpoint.hq": bent.encode()})
        assert one(hq, stick).said in ("taken", "known")
        cosigned_time((own / "checkpoint.hq").read_text(), terminal.note(), hq.vkey)


# the stick while it is read and written


class Failing(PlainFiles):
    """Fails at the n-th operation and ever after; ``only`` writing ones, where given."""

    def __init__(self, root, cut_at, code=errno.EIO, writing_only=False):
        super().__init__(root)
        self.ops, self.cut_at, self.code, self.writing_only = 0, cut_at, code, writing_only

    def _op(self, writing):
        self.ops += 1
        if self.ops > self.cut_at and (writing or not self.writing_only):
            raise OSError(self.code, "the medium says no")

    def names(self, path):
        self._op(False)
        return super().names(path)

    def read(self, path, limit):
        self._op(False)
        return super().read(path, limit)

    def write(self, path, content):
        self._op(True)
        super().write(path, content)

    def rename(self, old, new):
        self._op(True)
        super().rename(old, new)

    def flush(self, path):
        self._op(True)
        super().flush(path)


def test_pulled_at_every_operation(hq, terminal, stick):
    """What was taken is taken whole, or not at all; and the next time all is well."""
    other = hq.enrol(Terminal("power.example/kiosk/420100/0008/1")).open().grow(2)
    write(stick, terminal)
    write(stick, other)
    whole = Failing(stick, 10**9)
    list(take(hq, stick, whole))
    hq.post(terminal.grow(1), terminal.batch(300))
    for cut in range(whole.ops):
        terminal.grow(1)
        shutil.rmtree(stick / place(terminal))
        own = write(stick, terminal)
        before = hq.log(terminal).size
        told = take(hq, stick, Failing(stick, cut))
        if [each.code for each in told] == ["", ""]:
            break
        assert any(each.code == "S-613" for each in told), cut
        assert hq.log(terminal).size in (before, len(terminal.entries))
        if (own / "checkpoint.hq").exists():
            cosigned_time((own / "checkpoint.hq").read_text(), terminal.note(), hq.vkey)
        assert [each.code for each in take(hq, stick)] == ["", ""], cut
        assert stored(hq, terminal) == terminal.entries
    assert cut > 15 and not hq.log(terminal).quarantined


@pytest.mark.parametrize(
    ("code", "answered", "number"),
    [(errno.EROFS, "read-only", "S-612"), (errno.ENOSPC, "full", "S-611"), (errno.EIO, "failed", "S-613")],
)
def test_an_answer_that_cannot_be_written_takes_nothing_back(hq, terminal, stick, code, answered, number):
    write(stick, terminal)
    told = one(hq, stick, Failing(stick, 0, code, writing_only=True))
    assert (told.said, told.answered, told.code) == ("taken", answered, number)
    assert hq.log(terminal).size == 300
    assert one(hq, stick).answered == "written"


# the words


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_outcome_has_its_sentence(language):
    texts = stick_texts(language)
    assert [key for key in SAID if f"short.{key}" not in texts or f"said.{key}" not in texts] == []
    assert [key for key in ANSWERED if f"answered.{key}" not in texts] == []
    page = (Path(__file__).parents[2] / "kiosk/hq/templates/stick.html").read_text()
    assert [key for key in re.findall(r"s\('(page\.\w+)'", page) if key not in texts] == []


def test_both_languages_hold_the_same_sentences_with_the_same_values():
    chinese, english = stick_texts("zh-CN"), stick_texts("en")
    assert set(chinese) == set(english)
    differing = [key for key in chinese if chinese.placeholders(key) - {"name"} != english.placeholders(key) - {"name"}]
    assert differing == []
