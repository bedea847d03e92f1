"""Program releases at the terminal: refused with a reason, unpacked whole or not at all, tried, taken up, given up."""

import os
import shutil
import sys
import tarfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest
from test_installer import Kiosk
from test_sent_vendors import tar_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sync"))

from tuf_office import Downlink, Publisher, Web

from kiosk.app.installer import Installer
from kiosk.app.programs import CHECK_MAX_S, UNWELL_S, WELL_S, Health, ProgramRoad
from kiosk.app.releases import Releases, Running, running
from kiosk.billing.program import Release, parse_release, release_in
from kiosk.hq.publish.program import program_tar
from kiosk.ledger.entry import Entry
from kiosk.ledger.installed import Listed
from kiosk.ledger.rows import FORMAT as LEDGER_FORMAT
from kiosk.ledger.rows import TABLES
from kiosk.model import targets
from kiosk.model.errors import BatchRefused, ConfigFault, LedgerFault
from kiosk.model.version import FORMAT, VERSION
from kiosk.sale.arrivals import NewList, OtherList, RefusedList
from kiosk.sale.entries import arrival
from kiosk.sale.matters import Matters
from kiosk.sync import state
from kiosk.sync.downlink.offer import Offer, write_offer

LOCK = b"kivy==2\n"
PATIENCE_S = 20


def tree_of(folder, name="0.2.0", lock=LOCK, format_=FORMAT, **files):
    """A tree that head office could publish; its `kiosk self-check` ends as ``kiosk/ends`` says."""
    (folder / "kiosk" / "model").mkdir(parents=True)
    (folder / "assets" / "text").mkdir(parents=True)
    (folder / "kiosk" / "model" / "version.py").write_text(f'VERSION = "{name}"\nFORMAT = {format_}\n')
    (folder / "kiosk" / "__main__.py").write_text("")
    (folder / "assets" / "text" / "a.toml").write_text("a = 1\n")
    (folder / "requirements.lock").write_bytes(lock)
    for path, text in files.items():
        (folder / path).write_text(text)
    return folder


class Nothing:
    def content(self, path):
        return None


class Place(Kiosk):
    """A terminal with an installer, releases, and a launcher that we play."""

    def __init__(self, folder, name="base", own=0):
        self.releases = Releases(folder / "releases", name)
        self.releases.folder.mkdir(exist_ok=True)
        (folder / "build" / "fonts").mkdir(parents=True, exist_ok=True)
        self.ends, self.own = "raise SystemExit(0)", own
        super().__init__(folder)

    def begin(self):
        super().begin()
        here = Running(self.own, VERSION, FORMAT, LOCK)
        self.road = ProgramRoad(here, self.releases, self.check, self.folder / "build")
        installer = self.installer
        parts = (installer._shelf, self.memory, installer._who, self.selling, self.vendors, installer._clock)
        self.installer = Installer(self.folder / "downlink", *parts, self.posted.append, None, self.road)

    def check(self, tree):
        return [sys.executable, "-c", f"tree = {str(tree)!r}\n{self.ends}"]

    def tar(self, version, **how):
        tree = self.folder / f"tree-{version}-{len(how)}"
        shutil.rmtree(tree, ignore_errors=True)
        return program_tar(Nothing(), tree_of(tree, **how), version)

    def offer_program(self, tar):
        digest = self.shelf.put(tar)
        shutil.copyfile(self.folder / "lists" / digest.hex(), self.folder / "downlink" / "files" / digest.hex())
        write_offer(self.folder / "downlink", Offer(3, 1, "", {targets.PROGRAM: digest.hex()}))
        return digest

    def found(self):
        """What the looks say in the end of the program that is offered."""
        over, until = threading.Event(), time.monotonic() + PATIENCE_S
        while not (found := self.look()) and time.monotonic() < until:
            over.wait(0.02)
        return found

    def is_there(self, version):
        return (self.releases.tree(version) / "kiosk" / "__main__.py").exists()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_release_is_unpacked_tried_and_handed_to_the_sale(place):
    digest = place.offer_program(place.tar(7))
    assert place.look() == [], "it is being tried"
    assert place.found() == [NewList("program", digest, OtherList(7))]
    tree = place.releases.tree(7)
    assert parse_release((tree / "program.txt").read_text()) == Release(7, "0.2.0", FORMAT, sha256(LOCK).hexdigest())
    assert (tree / "build").resolve() == place.folder / "build", "fonts are the machine's"
    assert running(tree).version == 7 and running(tree).lock == LOCK
    assert not place.releases.is_next(7), "it is not in force before the ledger says so"
    assert sorted(path.name for path in place.releases.folder.iterdir()) == ["7"]


def test_the_tar_is_always_the_same_and_what_it_was_made_of(place):
    assert place.tar(7) == place.tar(7)
    assert release_in(place.tar(8, name="1.2.3")).name == "1.2.3"


@pytest.mark.parametrize(
    ("how", "code"), [({"lock": b"kivy==3\n"}, "F-720"), ({"format_": FORMAT + 1}, "F-721"), ({}, "F-719")]
)
def test_what_could_not_run_or_not_be_gone_back_from_is_refused(tmp_path, how, code):
    place = Place(tmp_path, own=7)
    digest = place.offer_program(place.tar(8 if how else 7, **how))
    assert place.look() == [RefusedList(targets.PROGRAM, digest, code)]
    assert not place.is_there(8) and place.folder.joinpath("releases").exists()


def test_an_older_one_than_the_ledger_names_is_refused(place):
    place.commit(arrival(NewList("program", b"9" * 32, OtherList(9))))
    digest = place.offer_program(place.tar(8))
    assert place.look() == [RefusedList(targets.PROGRAM, digest, "F-719")] and not place.is_there(8)


def test_one_that_does_not_pass_its_own_check_is_refused_and_goes(place):
    place.ends = "raise SystemExit(1)"
    digest = place.offer_program(place.tar(7))
    assert place.found() == [RefusedList(targets.PROGRAM, digest, "F-722")]
    assert not place.is_there(7)


def test_a_check_without_end_is_ended(place, monkeypatch):
    place.ends = "import threading; threading.Event().wait()"
    digest = place.offer_program(place.tar(7))
    assert place.look() == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + CHECK_MAX_S + 1)
    assert place.look() == [RefusedList(targets.PROGRAM, digest, "F-722")]


def evil(**files):
    manifest = Release(7, "0.2.0", FORMAT, sha256(LOCK).hexdigest()).text().encode()
    return tar_of(**{"program/program.txt": manifest}, **files)


def link():
    member = tarfile.TarInfo("program/kiosk")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    return member


@pytest.mark.parametrize(
    "tar",
    [
        b"no tar at all",
        tar_of(**{"program/kiosk/a.py": b""}),
        tar_of(**{"program/program.txt": b"version 7"}),
        evil(**{"program/../../outside": b"1"}),
        evil(**{"/etc/outside": b"1"}),
        evil(**{"program/kiosk": link()}),
        evil(**{"program/build": b"1"}),
    ],
)
def test_an_archive_that_wants_out_or_says_nothing_is_refused(place, tar):
    digest = place.offer_program(tar)
    assert place.look() == [RefusedList(targets.PROGRAM, digest, "F-719")]
    assert not place.is_there(7) and not (place.folder / "outside").exists()


def test_a_terminal_that_nobody_would_start_again_takes_no_program(place):
    digest = place.offer_program(place.tar(7))
    place.installer._programs = None
    assert place.look() == [] and digest.hex() not in str(place.memory.refused)


class PowerCut(BaseException):
    pass


def dying_at(patch, at):
    """The power goes at the ``at``-th step from now on; every step before is done."""
    left = [at]

    def dying(real):
        def step(*given, **more):
            left[0] -= 1
            if left[0] == 0:
                raise PowerCut
            return real(*given, **more)

        return step

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "symlink_to"), (os, "mkdir"), (Path, "unlink")):
        patch.setattr(owner, name, dying(getattr(owner, name)))
    return left


def test_the_power_may_go_at_any_step_of_unpacking(place, monkeypatch):
    tar, cuts = place.tar(7), 0
    for at in range(1, 200):
        shutil.rmtree(place.releases.folder)
        place.releases.folder.mkdir()
        with monkeypatch.context() as patch:
            left = dying_at(patch, at)
            try:
                place.road._unpacked(7, tar)
            except PowerCut:
                cuts += 1
            over = left[0] > 0
        whole = place.releases.tree(7)
        assert not whole.exists() or (whole / "assets" / "text" / "a.toml").read_text() == "a = 1\n"
        assert place.road._unpacked(7, tar) == whole and (whole / "build").is_symlink()
        if over:
            break
    assert cuts >= 12


def test_a_disk_that_is_full_holds_up_no_list_and_is_tried_again(place, monkeypatch):
    digest = place.offer_program(place.tar(7))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert place.look() == []
    assert place.found() == [NewList("program", digest, OtherList(7))]


def test_between_the_entry_and_the_switch_the_power_went(place):
    digest = place.offer_program(place.tar(7))
    (new,) = place.found()
    place.commit(arrival(new))
    assert place.road.at_start(place.memory, place.shelf) == []
    assert place.road.take_up(place.memory) is True and place.releases.is_next(7)
    assert place.road.take_up(place.memory) is False, "the launcher did not start it: it had a reason"
    assert place.memory.lists["program"] == (7, digest)


def test_a_disk_that_does_not_take_the_switch_leaves_this_one_selling(place, monkeypatch):
    place.offer_program(place.tar(7))
    (new,) = place.found()
    place.commit(arrival(new))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert place.road.take_up(place.memory) is False


def test_a_new_one_that_cannot_say_that_it_is_well_tries_again():
    bed = Bed()
    faults = [LedgerFault("L-502", "full")]
    bed.road.came_up = lambda: (_ for _ in ()).throw(faults.pop()) if faults else bed.left.append("well")
    bed.now_s += WELL_S
    with pytest.raises(LedgerFault):
        bed.health.look()
    bed.health.look()
    assert bed.left == ["well"]


def test_what_the_launcher_did_is_recorded_once_and_the_release_is_left_alone(place):
    place.offer_program(place.tar(7))
    (new,) = place.found()
    place.commit(arrival(new))
    (place.releases.folder / "returned").write_text("7 start\n")
    (draft,) = place.road.at_start(place.memory, place.shelf)
    assert (draft.kind, draft.data) == ("program.returned", {"version": 7, "why": "start"})
    place.commit(draft)
    assert place.road.at_start(place.memory, place.shelf) == [], "the power went before the file was gone"
    assert place.road.take_up(place.memory) is False
    assert not (place.releases.folder / "returned").exists() and not place.is_there(7)
    place.road._unpacked(7, place.tar(7))
    assert place.road.take_up(place.memory) is False, "were it still there"
    place.begin()
    assert place.look() == [], "it is not tried again"
    digest = place.offer_program(place.tar(8))
    assert place.found() == [NewList("program", digest, OtherList(8))], "a mended one is"


def test_a_refused_one_that_people_installed_is_in_force(tmp_path):
    place = Place(tmp_path)
    digest = place.offer_program(place.tar(8, lock=b"kivy==3\n"))
    (refused,) = place.look()
    place.commit(arrival(refused))
    place.own = 8
    place.begin()
    (draft,) = place.road.at_start(place.memory, place.shelf)
    assert draft.data == {"version": 8, "sha256": digest} and draft.kind == "program.installed"


def test_the_switch_can_be_made_again(place):
    for _ in range(2):
        place.releases.use_next(7, {"printer", "coins"})
    assert place.releases.is_next(7) and not place.releases.is_next(8)
    assert place.releases.down_before == {"printer", "coins"}
    place.releases.use_next(8, ())
    assert place.releases.is_next(8) and place.releases.down_before == set()


def test_the_power_may_go_at_any_step_of_the_switch(place, monkeypatch):
    place.offer_program(place.tar(7))
    (new,) = place.found()
    place.commit(arrival(new))
    ends = set()
    for at in range(1, 20):
        place.releases.use_next(6, ())
        with monkeypatch.context() as patch:
            left = dying_at(patch, at)
            try:
                place.road.use_next(7, ())
            except PowerCut:
                ends.add(place.releases.is_next(7))
            over = left[0] > 0
        assert str((place.releases.folder / "current").readlink()) in ("6", "7"), "there is always one"
        place.road.take_up(place.memory)  # the next start, unless the launcher started it already
        assert place.releases.is_next(7)
        if over:
            break
    assert ends == {True, False} and at > 5


def test_old_releases_go_when_a_newer_one_has_come_up(tmp_path):
    releases = Releases(tmp_path, "7")
    for name in ("5", ".6", "7", "8", "notes"):
        (tmp_path / name).mkdir()
    assert not releases.is_proven
    releases.came_up()
    releases.tidy()
    assert releases.is_proven and sorted(path.name for path in tmp_path.iterdir()) == ["7", "8", "healthy", "notes"]


class Road:
    is_proven = False

    def __init__(self, before):
        self.down_before = frozenset(before)

    def came_up(self):
        self.is_proven = True


class Bed:
    def __init__(self, before=(), down=(), quiet=True):
        self.road, self.now_s, self.down, self.quiet, self.left = Road(before), 100.0, set(down), quiet, []
        self.health = Health(
            self.road, lambda: self.down, lambda: self.quiet, lambda: self.left.append(1), lambda: self.now_s
        )

    def after(self, seconds):
        self.now_s += seconds
        self.health.look()
        return self.road.is_proven, bool(self.left)


def test_a_new_program_is_well_when_its_devices_have_been_for_a_while():
    bed = Bed(before={"printer"}, down={"printer", "head-office"})
    assert bed.after(WELL_S - 1) == (False, False)
    assert bed.after(2) == (True, False)


def test_a_device_that_was_well_and_is_not_any_more_ends_it_between_two_visits():
    bed = Bed(down={"reader"}, quiet=False)
    assert bed.after(UNWELL_S + 1) == (False, False), "somebody is being served"
    bed.quiet = True
    assert bed.after(1) == (False, True)
    assert bed.after(1) == (False, True) and bed.left == [1]


def test_what_people_installed_need_not_show_anything():
    bed = Bed(down={"reader"})
    bed.road.is_proven = True
    bed.road.came_up = lambda: bed.left.append("well")
    bed.after(1)
    assert bed.after(UNWELL_S) == (True, True) and bed.left == ["well"]


def test_a_device_that_comes_late_is_in_time():
    bed = Bed(down={"acceptor"})
    assert bed.after(UNWELL_S - WELL_S) == (False, False)
    bed.down.clear()
    assert bed.after(WELL_S - 1) == (False, False)
    assert bed.after(1) == (True, False)


def test_the_attendants_list_has_one_line_of_it_until_a_better_one_is_there():
    matters = Matters()

    def see(seq, kind, **data):
        matters.see(Entry(seq, 0, 1, kind, None, (), data))
        return [(matter.what, matter.code) for matter in matters.list()]

    refused = {"name": targets.PROGRAM, "sha256": bytes(32)}
    assert see(1, "target.refused", code="F-720", **refused) == [("program", "F-720")]
    assert see(2, "target.refused", code="F-722", **refused) == [("program", "F-722")]
    assert see(3, "program.installed", version=8, sha256=bytes(32)) == []
    assert see(4, "program.returned", version=8, why="start") == [("program", "F-723")]
    assert see(5, "program.installed", version=9, sha256=bytes(32)) == []


def test_a_new_epoch_is_told_which_program_was_in_force():
    assert Listed.of(["program", 8, bytes(32)]).draft().kind == "program.installed"


def test_a_forged_an_old_and_a_half_sent_one_never_reach_the_terminal(tmp_path):
    """python-tuf's own client against head office's own repository."""
    office, place = Publisher(tmp_path / "hq"), Place(tmp_path)
    web = Web(office.files)
    down = Downlink(tmp_path / "downlink", office.first_root, web)
    office.repository.publish({targets.PROGRAM: place.tar(7)}, office.keys)
    old = office.copy("old")
    assert down.take().targets.keys() == {targets.PROGRAM}
    assert [each.content.version for each in place.found()] == [7]

    office.repository.publish({targets.PROGRAM: place.tar(8)}, office.keys)
    web.break_after = 500
    with pytest.raises(BatchRefused, match="S-633"):
        down.take()
    offered = down.take().targets
    assert [each.content.version for each in place.found()] == [8]

    web.folder = old
    with pytest.raises(BatchRefused, match="S-631"):
        down.take()
    web.folder = office.files
    office.repository.publish({targets.PROGRAM: place.tar(9)}, office.keys)
    (forged,) = [path for path in (office.files / "targets").rglob("*.program.tar") if release_in_file(path) == 9]
    content = bytearray(forged.read_bytes())
    content[-2000] ^= 1
    forged.write_bytes(content)
    with pytest.raises(BatchRefused, match="S-631"):
        down.take()
    assert [each.content.version for each in place.look()] == [8] and len(offered) == 1


def release_in_file(path):
    return release_in(path.read_bytes()).version


def test_format_stands_for_what_is_kept_on_the_disk():
    """Who changes a table so that the program before cannot go on with it gives FORMAT one more, and mends this."""
    kept = repr((LEDGER_FORMAT, TABLES, state._TABLE, state._WORK))
    assert (FORMAT, sha256(kept.encode()).hexdigest()[:16]) == (1, "6a1b6bb13a3c2380")


def test_the_version_is_that_of_the_tree_that_runs(tmp_path):
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION == running().told
    (tmp_path / "program.txt").write_text(Release(7, "x", 1, "0" * 64).text())
    assert running(tmp_path).told == f"{VERSION}+7"


def test_faults_of_the_disk_have_their_code(tmp_path):
    releases = Releases(tmp_path / "not-here" / "releases", "7")
    for step in (lambda: releases.use_next(8, ()), releases.came_up):
        with pytest.raises(LedgerFault, match="L-502"):
            step()
    with pytest.raises(ConfigFault, match="F-719"):
        parse_release("version 7\n")
