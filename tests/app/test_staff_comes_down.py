"""Staff list and settings, from head office's repository to the terminal that may use them: by web and by stick."""

import io
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sync"))

from test_installer import Kiosk
from test_office_settings import TOML
from tuf_office import Calendar, Downlink, Publisher, Web

from kiosk.app import staff_command
from kiosk.app.in_force import Shelf
from kiosk.app.office_settings import SettingsRoad
from kiosk.app.pin_tries import Said
from kiosk.app.staff import open_staff, staff_in, staff_of
from kiosk.billing.staff import Person, StaffList
from kiosk.config import load_config
from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import make_key
from kiosk.ledger.pins import hashed
from kiosk.ledger.sealing import load_sealing_key, make_sealing_key, seal
from kiosk.model import targets
from kiosk.model.clock import SystemClock
from kiosk.model.errors import BatchRefused, ConfigFault
from kiosk.sale.arrivals import OtherList
from kiosk.sync.downlink.round import ON_STICK, take_from_stick

WHO = "420100/0007"
STAFF, OWN = targets.for_terminal(WHO, targets.STAFF), targets.for_terminal(WHO, targets.OWN_SETTINGS)
LI = Person("1001", ("attendant", "collector"), hashed("402917"), "李四", "Li Si", "0001:10023400567")
WANG = Person("2001", ("supervisor",), hashed("730518"), "王五", "Wang Wu")


class Scene:
    """Head office's repository, its web server, and this terminal: downlink and installer on one folder."""

    def __init__(self, folder):
        self.office, self.folder = Publisher(folder / "hq"), folder
        (folder / "kiosk.toml").write_text(TOML)
        (folder / "kiosk").mkdir()
        (folder / "passphrase").write_text("never use in a real system")
        self.own, self.other = self.opener("own", WHO), self.opener("other", "420100/0008")
        self.kiosk = Kiosk(folder / "kiosk")
        self.kiosk.opener = self.own
        self.downlink = Downlink(folder / "kiosk" / "downlink", self.office.first_root, Web(self.office.files))
        self.begin()

    def opener(self, name, terminal):
        make_sealing_key(self.folder / name, self.folder / "passphrase", terminal)
        return load_sealing_key(self.folder / name, self.folder / "passphrase", terminal)

    def begin(self):
        self.kiosk.begin()
        self.kiosk.installer._settings = SettingsRoad(self.folder / "kiosk.toml")

    def publish(self, **files):
        names = {"staff": STAFF, "settings": targets.SETTINGS, "own": OWN}
        names["eights"] = targets.for_terminal("420100/0008", targets.STAFF)
        self.office.repository.publish(
            {names[name]: content.encode() for name, content in files.items()}, self.office.keys
        )

    def sealed(self, version, *rows, to=None, inside=None):
        listed = StaffList(inside or version, rows)
        return seal((to or self.own).key, version, listed.text().encode()).text()

    def by_stick(self, files=None):
        stick = self.folder / "stick"
        shutil.rmtree(stick, ignore_errors=True)
        shutil.copytree(files or self.office.files, stick / ON_STICK)
        return take_from_stick(self.downlink.place, stick, Calendar())

    def staff(self):
        """The list in force."""
        digest = self.kiosk.memory.lists.get("staff", (0, b""))[1]
        return staff_in(digest, self.kiosk.shelf, self.own)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.mark.parametrize("road", ["web", "stick"])
def test_the_list_comes_by_either_road_and_is_in_force_by_its_entry(scene, road):
    scene.publish(staff=scene.sealed(1, LI, WANG), eights=scene.sealed(1, LI, to=scene.other))
    offer = scene.downlink.take() if road == "web" else scene.by_stick()
    assert list(offer.targets) == [STAFF], "another terminal's is not even fetched"
    (told,) = scene.kiosk.install()
    assert (told.name, told.content) == ("staff", OtherList(1)) and scene.kiosk.again == []
    assert scene.staff() == StaffList(1, (LI, WANG)) and scene.kiosk.look() == []
    shelf = (scene.folder / "kiosk" / "lists" / told.sha256.hex()).read_bytes()
    assert b"argon2id" not in shelf and "李四".encode() not in shelf, "on the disk it lies sealed"
    scene.begin()
    assert scene.kiosk.look() == [] and scene.staff().version == 1, "over a restart"


def test_a_list_that_broke_off_on_its_way_goes_on_where_it_was(scene):
    people = [Person(f"{number}", LI.roles, LI.pin, LI.zh, LI.en) for number in range(1000, 1200)]
    scene.publish(staff=scene.sealed(1, *people))
    scene.downlink.web.break_after = 5_000
    with pytest.raises(BatchRefused, match="S-633"):
        scene.downlink.take()
    assert scene.kiosk.install() == []
    scene.downlink.web.asked.clear()
    scene.downlink.take()
    assert [asked for path, asked in scene.downlink.web.asked if path.endswith("staff.sealed")] == ["bytes=5000-"]
    scene.kiosk.install()
    assert len(scene.staff().rows) == 200


def test_what_is_forged_or_old_changes_nothing(scene, tmp_path):
    scene.publish(staff=scene.sealed(1, LI))
    old = scene.office.copy("old")
    scene.publish(staff=scene.sealed(2, LI, WANG))
    scene.downlink.take()
    scene.kiosk.install()
    forger = Scene.__new__(Scene)
    forger.office = Publisher(tmp_path / "forger")
    for version in range(3, 6):
        forger.publish(staff=scene.sealed(version, WANG))
    for files in (old, forger.office.files):
        scene.downlink.web.folder = files
        with pytest.raises(BatchRefused, match="S-631"):
            scene.downlink.take()
        with pytest.raises(BatchRefused, match="S-631"):
            scene.by_stick(files)
    assert scene.kiosk.install() == [] and scene.staff().version == 2


@pytest.mark.parametrize("wrong", ["old", "other", "inside", "nonsense", "changed", "list", "open"])
def test_a_list_that_cannot_be_used_is_refused_with_its_code_and_told_once(scene, wrong):
    """Head office's own mistakes, or who stole the keys for publishing and has no list."""
    scene.publish(staff=scene.sealed(5, LI))
    scene.downlink.take()
    scene.kiosk.install()
    good = scene.sealed(6, WANG)
    texts = {
        "old": scene.sealed(4, WANG),
        "other": scene.sealed(6, WANG, to=scene.other),
        "inside": scene.sealed(6, WANG, inside=9),
        "nonsense": "prepaid-kiosk/sealed/v1\n",
        "changed": good.replace("version 6", "version 7"),
        "list": seal(scene.own.key, 6, b'rdk = "112233"\n').text(),  # secrets under the list's name
        "open": StaffList(6, (WANG,)).text(),
    }
    scene.publish(staff=texts[wrong])
    scene.downlink.take()
    (told,) = scene.kiosk.install()
    assert (told.name, told.code) == (STAFF, "F-717")
    assert scene.staff().rows == (LI,) and scene.kiosk.look() == []


def test_a_terminal_without_a_sealing_key_says_so(scene):
    with pytest.raises(ConfigFault, match=r"F-717.*no sealing key"):
        open_staff(scene.sealed(1, LI), None)
    with pytest.raises(ConfigFault, match=r"F-717.*no staff list has come"):
        staff_in(b"", Shelf(scene.folder, scene.folder), scene.own)


@pytest.mark.parametrize("road", ["web", "stick"])
def test_settings_come_by_either_road_and_the_parts_are_made_anew(scene, road):
    scene.publish(settings="version = 1\n[visit]\nvisit_ms = 20000\n", own="version = 4\n[visit]\nvisit_ms = 30000\n")
    _ = scene.downlink.take() if road == "web" else scene.by_stick()
    found = {each.name: each.content for each in scene.kiosk.install()}
    assert found == {"settings/all": OtherList(1), "settings/own": OtherList(4)} and scene.kiosk.again
    assert scene.kiosk.memory.version("settings/own") == 4 and scene.kiosk.look() == []


@pytest.mark.parametrize(
    "text",
    [
        "version = 2\n[visit]\nvisit_ms = 1\n",
        "version = 2\n[acceptor]\npath = '/dev/null'\n",
        "version = 2\n[head_office]\nurl = 'https://elsewhere'\n",
        "version = 2\n[visit\n",
        "version = 1\n[visit]\nvisit_ms = 40000\n",  # older than what is in force
    ],
)
def test_settings_with_a_mistake_are_refused_whole_and_the_old_ones_stay(scene, text):
    scene.publish(settings="version = 1\n[visit]\nvisit_ms = 20000\n")
    scene.publish(settings="version = 2\n[visit]\nvisit_ms = 25000\n")
    scene.downlink.take()
    scene.kiosk.install()
    scene.publish(settings=text if "40000" in text else text.replace("version = 2", "version = 3"))
    scene.downlink.take()
    (told,) = scene.kiosk.install()
    assert (told.name, told.code) == (targets.SETTINGS, "F-718")
    assert scene.kiosk.memory.version("settings/all") == 2 and scene.kiosk.look() == []


class Machine:
    """A terminal's folder with a ledger that says which list is in force."""

    def __init__(self, folder, *rows):
        (folder / "kiosk.toml").write_text(TOML)
        self.kiosk = folder / "kiosk"
        self.kiosk.mkdir()
        (folder / "passphrase").write_text("never use in a real system")
        make_sealing_key(self.kiosk / "sealing-key.pem", folder / "passphrase", WHO)
        opener = load_sealing_key(self.kiosk / "sealing-key.pem", folder / "passphrase", WHO)
        name = "power.example/kiosk/420100/0007/1"
        key = make_key(self.kiosk / "signing-key.pem", folder / "passphrase", name)
        shelf = Shelf(self.kiosk / "lists", self.kiosk / "spare")
        with Journal.create(self.kiosk / "ledger.db", key, name, "", "new", SystemClock()) as journal:
            for version in (1, 2):
                digest = shelf.put(seal(opener.key, version, StaffList(version, rows).text().encode()).text().encode())
                journal.append([Draft("staff.installed", None, (), {"version": version, "sha256": digest})])
        self.config = folder / "kiosk.toml"


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    machine = Machine(tmp_path, LI, WANG)

    def run(*words, typed="", language="en"):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        code = staff_command.main([*words, "--config", str(machine.config), "--language", language])
        said = capsys.readouterr()
        return code, said.out + said.err

    run.machine = machine
    return run


def test_the_command_tells_who_and_what_they_may_do(command):
    code, said = command("check", "1001", typed="402917")
    assert (code, said) == (0, "The PIN of 1001 Li Si is right. Roles: attendant, collector.\n")
    assert command("check", LI.card, typed="402917", language="zh-CN") == (
        0,
        "1001 李四 密码正确。岗位：值守员、收款员。\n",
    )
    code, said = command("list")
    assert code == 0 and "version 2, 2 persons" in said and "2001  Wang Wu  supervisor" in said and "argon2" not in said


def test_the_command_counts_wrong_pins_and_locks(command):
    for _ in range(2):
        code, said = command("check", "1001", typed="402918")
        assert code == 1 and "wrong" in said
    assert "30 s" in command("check", "1001", typed="402918")[1]
    code, said = command("check", "1001", typed="402917")
    assert code == 1 and "was not looked at" in said
    assert command("check", "2001", typed="730518")[0] == 0
    assert command("check", "9999", typed="402917")[0] == 1


@pytest.mark.parametrize("words", [("check",), ("list", "1001")])
def test_the_command_asked_wrongly(command, words):
    assert command(*words)[0] == 2


def test_the_command_without_a_list_or_with_a_damaged_one(command):
    for path in (command.machine.kiosk / "lists").iterdir():
        path.write_text("torn")
    code, said = command("check", "1001", typed="402917")
    assert code == 2 and "F-717" in said


def test_the_service_pages_find_a_person_by_number_or_card_and_only_with_the_pin(command):
    staff = staff_of(load_config(command.machine.config), SystemClock())
    person, verdict = staff.verify("1001", "402917")
    assert person == LI and verdict.said is Said.RIGHT
    person, verdict = staff.verify(LI.card, "402918")
    assert person is None and verdict.said is Said.WRONG
