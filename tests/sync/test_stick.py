"""Records in a pocket: what a round gives, what it takes, and what it leaves alone."""

import os
import shutil

import pytest
from stick_bench import HQ, NOW, Medium, Terminal, answered, finished, put_on_disk, signer

from kiosk.ledger.files import PlainFiles
from kiosk.ledger.note import HEAD_OFFICE, Checkpoint, cosign, sign_checkpoint
from kiosk.ledger.verify import finish, verify_export


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path / "kiosk", size=300)
    yield terminal
    terminal.close()


def report(terminal, root):
    return finish(verify_export(root / terminal.name, [terminal.signer.vkey, HQ.vkey]))


# what it gives


def test_a_round_writes_everything_and_says_so(terminal, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    result = terminal.round(PlainFiles(stick))
    assert (result.taken.sentence, result.written.sentence, result.code) == ("ack-none", "written", "")
    assert result.carried and result.written.values == {"size": 300}
    assert report(terminal, stick).good and report(terminal, stick).size == 300
    assert [each.name for each in stick.iterdir()] == ["prepaid-kiosk"]


def test_it_tells_how_far_it_is(terminal):
    steps = [(step.step, step.done, step.total) for step in terminal.stick(Medium()).round()]
    assert steps == [
        ("look", 256, 300),
        ("look", 300, 300),
        ("write", 256, 300),
        ("write", 300, 300),
        ("check", 5, 5),
    ]


def test_the_next_round_writes_only_what_is_new(terminal):
    medium = Medium()
    terminal.round(medium)
    medium.writes = 0
    assert terminal.round(medium).written.sentence == "unchanged" and medium.writes == 0
    terminal.grow(300)
    assert terminal.round(medium).written.values == {"size": 600}
    # bundles and tiles 001 and 002, the upper tile, checkpoint
    assert medium.writes == 6 and terminal.carried(medium) == 600


def test_what_is_wrong_on_the_stick_is_found_and_written_anew(terminal, tmp_path):
    terminal.round(PlainFiles(tmp_path))
    (tmp_path / terminal.name / "tile/entries/000").write_bytes(b"decayed")
    (tmp_path / terminal.name / "tile/0/000").unlink()
    assert terminal.round(PlainFiles(tmp_path)).written.sentence == "written"
    assert report(terminal, tmp_path).good


def test_one_stick_serves_many_terminals(terminal, tmp_path):
    other = Terminal(tmp_path / "other", "power.example/kiosk/420100/0008/1", size=5)
    stranger = Terminal(tmp_path / "stranger", "gas.example/kiosk/420100/0007/1", size=2)
    medium = Medium()
    for each in (terminal, other, stranger, terminal):
        assert each.round(medium).code == ""
    assert [each.carried(medium) for each in (terminal, other, stranger)] == [300, 5, 2]
    other.close()
    stranger.close()


def test_a_stick_that_never_came_back_costs_nothing(terminal):
    lost = Medium()
    terminal.round(lost)
    terminal.grow(10)
    fresh = Medium()
    assert terminal.round(fresh).written.values == {"size": 310}
    assert terminal.carried(fresh) == 310


def test_what_head_office_answered_over_the_network_goes_onto_the_stick(terminal, tmp_path):
    terminal.knows(terminal.cosigned())
    terminal.grow(2)
    terminal.round(PlainFiles(tmp_path))
    assert (tmp_path / terminal.name / "checkpoint.hq").read_text() == terminal.state.cosigned_note
    assert report(terminal, tmp_path).cosigned.size == 300


# what it takes


def test_an_answer_is_recorded_like_one_over_the_network(terminal):
    medium = Medium()
    terminal.round(medium)
    note = terminal.cosigned()
    answered(terminal, medium, note)
    terminal.grow(7)
    result = terminal.round(medium)
    assert (result.taken.sentence, result.taken.values, result.code) == ("ack-new", {"size": 300}, "")
    assert (terminal.state.cosigned_size, terminal.state.cosigned_note) == (300, note)
    assert terminal.state.last_contact_ms == NOW and not terminal.state.stop_selling
    assert terminal.carried(medium) == 307
    assert terminal.round(medium).taken.sentence == "ack-known"


def test_an_older_answer_takes_nothing_back_and_is_replaced(terminal):
    old, medium = terminal.cosigned(), Medium()
    terminal.grow(5)
    terminal.knows(terminal.cosigned())
    answered(terminal, medium, old)
    assert terminal.round(medium).taken.sentence == "ack-known"
    assert terminal.state.cosigned_size == 305
    assert medium.read(f"{terminal.name}/checkpoint.hq", 9_999).decode() == terminal.state.cosigned_note


def forged(terminal):
    good, other = terminal.cosigned(), signer("power.example/ledger-hq/1", HEAD_OFFICE, "A THIEF")
    thief = signer(terminal.origin, seed="A THIEF")
    checkpoint = Checkpoint(terminal.origin, 900, bytes(32))
    foreign = sign_checkpoint(
        signer("power.example/kiosk/1/2/1"), Checkpoint("power.example/kiosk/1/2/1", 9, bytes(32))
    )
    return {
        "another head office's": cosign(terminal.reader.newest(), other, 5),
        "larger, by a thief": cosign(sign_checkpoint(thief, checkpoint), HQ, 5),
        "another terminal's": cosign(foreign, HQ, 5),
        "without head office": terminal.reader.newest(),
        "torn": good[:200],
        "empty": "",
    }


@pytest.mark.parametrize("what", ["another head office's", "larger, by a thief", "another terminal's", "torn", "empty"])
def test_a_forged_answer_is_not_believed_and_the_records_go_on_their_way(terminal, what):
    medium = answered(terminal, Medium(), forged(terminal)[what])
    result = terminal.round(medium)
    assert (result.taken.sentence, result.taken.code) == ("ack-bad", "S-605")
    assert result.carried and terminal.carried(medium) == 300
    assert f"{terminal.name}/checkpoint.hq" not in medium.tree
    assert terminal.state.cosigned_size == 0 and not terminal.state.stop_selling


def test_every_byte_of_an_answer_matters(terminal):
    good = terminal.cosigned().encode()
    for at in range(len(good)):
        bent = bytearray(good)
        bent[at] ^= 1
        medium = Medium()
        medium.write(f"{terminal.name}/checkpoint.hq", bytes(bent))
        assert terminal.stick(medium).take().code == "S-605", at
    assert terminal.state.cosigned_size == 0


# rolled back, or cloned


def rolled_back(tmp_path, terminal):
    """The same key on a disk from before, that went on in its own way."""
    return Terminal(tmp_path / "image", terminal.origin, size=200).grow(50, fen=7_000)


def test_an_answer_beyond_this_disk_stops_the_selling_and_nothing_is_touched(terminal, tmp_path):
    medium = Medium()
    terminal.round(medium)
    answered(terminal, medium)
    image, before = rolled_back(tmp_path, terminal), dict(medium.tree)
    result = image.round(medium)
    assert (result.taken.sentence, result.code, result.carried) == ("ack-stop", "L-503", False)
    assert image.state.stop_selling and image.state.problem_code == "L-503"
    assert image.state.evidence == terminal.cosigned()
    assert medium.tree == before
    image.close()


def test_an_answer_with_another_root_stops_the_selling(terminal, tmp_path):
    image = rolled_back(tmp_path, terminal)
    medium = answered(terminal, Medium(), cosign(image.reader.newest(), HQ, 5))  # of size 250, cosigned for the other
    assert terminal.round(medium).code == "L-503" and terminal.state.stop_selling
    image.close()


@pytest.mark.parametrize("more", [0, 400])
def test_records_that_only_the_stick_has_are_not_written_over(terminal, tmp_path, more):
    """This disk is behind the stick, or went on in another way: head office has not seen it, so nothing stops."""
    medium = Medium()
    terminal.round(medium)
    image, before = rolled_back(tmp_path, terminal), dict(medium.tree)
    image.grow(more)
    result = image.round(medium)
    assert (result.written.sentence, result.code) == ("holds-more", "S-616")
    assert result.written.values == {"size": 300, "have": 250 + more}
    assert medium.tree == before and not image.state.stop_selling
    assert terminal.carried(medium) == 300
    image.close()


# sticks that are something else


def test_without_a_stick_nothing_is_made_in_its_place(terminal, tmp_path):
    result = terminal.round(PlainFiles(tmp_path / "not-there"))
    assert (result.written.sentence, result.code) == ("not-written", "S-613")
    assert not (tmp_path / "not-there").exists()


@pytest.mark.parametrize("place", ["prepaid-kiosk", "prepaid-kiosk/v1", "{name}"])
@pytest.mark.parametrize("what", ["file", "link"])
def test_a_file_or_a_link_in_the_place_of_a_folder_is_left_alone(terminal, tmp_path, place, what):
    stick, elsewhere = tmp_path / "stick", tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = stick / place.format(name=terminal.name)
    path.parent.mkdir(parents=True)
    path.write_text("mine") if what == "file" else path.symlink_to(elsewhere)
    assert terminal.round(PlainFiles(stick)).code == "S-614"
    assert terminal.write(PlainFiles(stick)).code == "S-614"
    assert path.is_symlink() or path.read_text() == "mine"
    assert list(elsewhere.iterdir()) == []


def test_links_and_pipes_among_the_tiles_are_never_followed(terminal, tmp_path):
    stick, elsewhere = tmp_path / "stick", tmp_path / "elsewhere"
    stick.mkdir()
    elsewhere.mkdir()
    (elsewhere / "000").write_text("mine")
    terminal.round(PlainFiles(stick))
    own = stick / terminal.name
    for name in ("tile/0", "tile/entries"):
        shutil.rmtree(own / name)
        (own / name).symlink_to(elsewhere)
    (own / "checkpoint").unlink()
    os.mkfifo(own / "checkpoint")
    (own / "checkpoint.hq").symlink_to(elsewhere / "000")
    assert terminal.round(PlainFiles(stick)).carried
    assert report(terminal, stick).good
    assert [each.name for each in elsewhere.iterdir()] == ["000"] and (elsewhere / "000").read_text() == "mine"


def test_a_folder_with_other_things_in_it_is_left_alone(terminal):
    medium = Medium()
    medium.write(f"{terminal.name}/photo.jpg", b"mine")
    assert terminal.round(medium).code == "S-614"
    assert medium.read(f"{terminal.name}/photo.jpg", 9) == b"mine"


def test_another_terminals_records_under_our_name_are_left_alone(terminal, tmp_path):
    other, medium = Terminal(tmp_path / "other", "power.example/kiosk/420100/0008/1", size=5), Medium()
    other.round(medium)
    medium.tree = {path.replace(other.name, terminal.name): content for path, content in medium.tree.items()}
    before = dict(medium.tree)
    assert terminal.round(medium).code == "S-614" and medium.tree == before
    other.close()


def test_huge_files_are_not_read(terminal, tmp_path):
    terminal.round(PlainFiles(tmp_path))
    for name in ("checkpoint", "checkpoint.hq", "tile/0/000", "tile/entries/000"):
        with (tmp_path / terminal.name / name).open("wb") as file:
            file.truncate(1 << 40)  # a sparse terabyte
    assert terminal.round(PlainFiles(tmp_path)).carried and report(terminal, tmp_path).good


def test_media_without_capitals(terminal, tmp_path):
    """Some devices write short names in capitals: what they left is not taken for ours, and not deleted after all."""
    medium = Medium(capitals=False)
    terminal.round(medium)
    medium.tree = {path.replace("tile/entries", "TILE/ENTRIES"): content for path, content in medium.tree.items()}
    medium.tree = {path.replace("tile", "TILE"): content for path, content in medium.tree.items()}
    terminal.grow(20)
    assert terminal.round(medium).carried and terminal.carried(medium) == 320
    assert not any("TILE" in path for path in medium.tree)
    folder = tmp_path / "as others see it"
    folder.mkdir()
    put_on_disk(medium, folder)
    assert report(terminal, folder).good


def test_the_ledgers_own_damage_is_not_carried(terminal):
    terminal.reader.entries = lambda first, end: iter([b"\xa0"] * (min(end, 300) - first))
    medium = Medium()
    assert terminal.round(medium).code == "L-501"
    assert list(medium.tree) == [""]


def test_a_stopped_terminal_writes_nothing(terminal, tmp_path):
    medium, image = Medium(), rolled_back(tmp_path, terminal)
    image.stick(answered(terminal, Medium())).take()
    assert image.state.stop_selling
    assert image.write(medium).sentence == "not-written" and list(medium.tree) == [""]
    image.close()


def test_import_alone_and_export_alone(terminal):
    medium = Medium()
    assert terminal.write(medium).sentence == "written"
    answered(terminal, medium)
    terminal.grow(1)
    assert terminal.write(medium).sentence == "written"  # the answer stays, though nobody took it yet
    assert terminal.stick(medium).take().sentence == "ack-new"
    assert finished(terminal.stick(medium).write()).sentence == "unchanged"
