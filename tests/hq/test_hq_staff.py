"""``kiosk hq staff`` and ``publish staff``: PINs are asked for, hashes stay here, each terminal gets its own."""

import io
import itertools

import pytest
from test_publish import Staff

from kiosk.billing.staff import parse_staff
from kiosk.hq.enrol import change, enrol
from kiosk.hq.happenings import Happenings
from kiosk.hq.staff import ROSTER
from kiosk.hq.store import Store
from kiosk.ledger.entry import Entry
from kiosk.ledger.keys import make_key
from kiosk.ledger.pins import matches
from kiosk.ledger.sealing import load_sealing_key, make_sealing_key, parse_sealed
from kiosk.model import targets

LI = ("staff", "add", "1001", "--zh", "李四", "--en", "Li Si", "--roles", "collector,attendant")


class Office(Staff):
    """A head office that publishes, and terminals whose sealing keys lie in its hand."""

    def __init__(self, folder, capsys, monkeypatch):
        super().__init__(folder, capsys)
        self._monkeypatch, self._numbers = monkeypatch, itertools.count()
        (folder / "passphrase").write_text("never use in a real system")
        self.well("publish", "init", "--root-keys", folder / "safe")

    def types(self, *lines):
        self._monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    def terminal(self, number):
        """One in service, with a sealing key that was brought by hand. Its opener."""
        name = f"power.example/kiosk/420100/{number}/1"
        path, passphrase = self.folder / f"{number}-{next(self._numbers)}.pem", self.folder / "passphrase"
        store = Store(f"sqlite:///{(self.data / 'hq.db').absolute()}", self.data)
        if not any(log.origin == name for log in store.logs()):
            enrol(store, str(make_key(self.folder / f"{number}-sign.pem", passphrase, name).vkey), 1)
        make_sealing_key(path, passphrase, f"420100/{number}")
        opener = load_sealing_key(path, passphrase, f"420100/{number}")
        self.file(f"{number}.key", f"{opener.key}\n")
        self.key = ["--key", self.folder / f"{number}.key"]
        return opener

    def sent(self, opener):
        """The list that a terminal finds."""
        content = self.repository.content(targets.for_terminal(opener.key.terminal, targets.STAFF))
        sealed = parse_sealed(content.decode())
        listed = parse_staff(opener.open(sealed).decode())
        assert listed.version == sealed.version
        return listed


@pytest.fixture
def office(tmp_path, capsys, monkeypatch):
    office = Office(tmp_path, capsys, monkeypatch)
    office.types("402917", "402917")
    office.well(*LI)
    return office


def test_a_person_is_added_with_a_pin_that_is_typed_twice(office):
    text = (office.data / ROSTER).read_text()
    (li,) = parse_staff(text).rows
    assert (li.number, li.roles, li.zh, li.en, li.card) == ("1001", ("attendant", "collector"), "李四", "Li Si", "")
    assert matches("402917", li.pin) and "402917" not in text
    assert (office.data / ROSTER).stat().st_mode & 0o077 == 0
    said = office.well("staff", "list")
    assert (
        "1001  李四 | Li Si  attendant, collector" in said
        and "$argon2id" not in said
        and "version 1, 1 persons" in said
    )


@pytest.mark.parametrize("typed", [("402917", "402918"), ("123456", "123456"), ("40291", "40291"), ("", "")])
def test_a_pin_that_differs_or_is_easy_changes_nothing(office, typed):
    before = (office.data / ROSTER).read_text()
    office.types(*typed)
    code, said = office.does("staff", "pin", "1001")
    assert code == 1 and "F-717" in said and (office.data / ROSTER).read_text() == before


def test_the_staff_number_is_no_pin(office):
    office.types("482615", "482615")
    code, said = office.does("staff", "add", "482615", "--zh", "赵", "--en", "Zhao", "--roles", "technician")
    assert code == 1 and "F-717" in said


@pytest.mark.parametrize(
    "words",
    [
        LI,
        ("staff", "add", "12", "--zh", "赵", "--en", "Zhao", "--roles", "technician"),
        ("staff", "add", "1002", "--zh", "赵", "--en", "Zhao", "--roles", "boss"),
        ("staff", "add", "1002", "--zh", "赵|钱", "--en", "Zhao", "--roles", "technician"),
        ("staff", "add", "1002", "--zh", "赵", "--en", "Zhao", "--roles", "technician", "--card", "a b"),
        ("staff", "remove", "9999"),
        ("staff", "roles", "9999", "--roles", "technician"),
        ("staff", "pin", "9999"),
    ],
)
def test_what_cannot_stand_on_the_list_is_refused(office, words):
    office.types("402918", "402918")
    code, said = office.does(*words)
    assert code == 1 and "F-717" in said
    assert parse_staff((office.data / ROSTER).read_text()).version == 1


def test_roles_card_pin_and_the_end_of_a_person(office):
    office.well("staff", "roles", "1001", "--roles", "supervisor")
    office.well("staff", "card", "1001", "--card", "0001:10023400567")
    office.types("730518", "730518")
    office.well("staff", "pin", "1001")
    (li,) = (listed := parse_staff((office.data / ROSTER).read_text())).rows
    assert (listed.version, li.roles, li.card) == (4, ("supervisor",), "0001:10023400567") and matches("730518", li.pin)
    office.well("staff", "card", "1001", "--card", "-")
    assert "已删除" in office.well("staff", "remove", "1001")
    assert parse_staff((office.data / ROSTER).read_text()).rows == ()
    office.terminal("0007")
    code, said = office.does("publish", "staff", *office.key)
    assert code == 1 and "nobody is on the staff list" in said


def test_each_terminal_gets_the_list_sealed_to_it_and_nobody_can_read_it_on_the_road(office):
    seven, eight = office.terminal("0007"), office.terminal("0008")
    for number in ("0007", "0008"):
        office.well("publish", "staff", "--key", office.folder / f"{number}.key")
    assert office.sent(seven) == office.sent(eight) == parse_staff((office.data / ROSTER).read_text())
    for path in office.repository.folder.rglob("*"):
        assert not path.is_file() or (b"argon2id" not in path.read_bytes() and "李四".encode() not in path.read_bytes())
    assert "nothing new" in office.well("publish", "staff"), "keys are kept, and nothing is sealed again"
    office.well("staff", "roles", "1001", "--roles", "supervisor")
    office.well("publish", "staff")
    assert [office.sent(each).version for each in (seven, eight)] == [2, 2]


def test_a_terminal_with_a_new_disk_gets_a_higher_version_and_so_do_all(office):
    eight = office.terminal("0008")
    office.well("publish", "staff", *office.key)
    office.terminal("0007")
    office.well("publish", "staff", *office.key)
    new = office.terminal("0007")
    office.well("publish", "staff", *office.key)
    assert [office.sent(each).version for each in (new, eight)] == [2, 2]


def test_a_terminal_that_is_blocked_gets_none_any_more(office):
    office.terminal("0007")
    eight = office.terminal("0008")
    for number in ("0007", "0008"):
        office.well("publish", "staff", "--key", office.folder / f"{number}.key")
    store = Store(f"sqlite:///{(office.data / 'hq.db').absolute()}", office.data)
    change(store, "power.example/kiosk/420100/0007/1", blocked=True)
    assert "taken out" in office.well("publish", "staff")
    assert office.published() == [targets.for_terminal("420100/0008", targets.STAFF)]
    assert office.sent(eight).version == 1


def test_a_restored_list_is_raised_above_what_the_terminals_have(office):
    seven = office.terminal("0007")
    old = (office.data / ROSTER).read_text()
    for roles in ("supervisor", "technician"):
        office.well("staff", "roles", "1001", "--roles", roles)
    office.well("publish", "staff", *office.key)
    assert office.sent(seven).version == 3
    (office.data / ROSTER).write_text(old)
    office.well("publish", "staff")
    assert office.sent(seven).version == 4 and office.sent(seven).rows[0].roles == ("attendant", "collector")


def test_without_terminals_or_with_a_key_that_is_none_it_says_so(office):
    code, said = office.does("publish", "staff")
    assert code == 1 and "no terminal in service" in said
    code, said = office.does("publish", "staff", "--key", office.file("k", "nonsense"))
    assert code == 1 and "L-501" in said
    assert office.published() == []


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--settings", "[visit]\n"),
        ("--settings", "version = 1\n[head_office]\nurl = 'https://elsewhere'\n"),
        ("--own-settings", "version = 1\n[visit]\nvisit_ms = 1\n"),
    ],
)
def test_settings_that_a_terminal_would_refuse_are_not_published(office, option, text):
    path = office.file("wrong", text)
    code, said = office.does("publish", "put", option, f"420100/0007={path}" if "own" in option else path)
    assert code == 1 and "F-718" in said and office.published() == []


def test_settings_for_all_and_for_one_with_versions_that_rise(office):
    one, two = (
        office.file("one", "version = 1 # first\n"),
        office.file("two", "version = 2\n[visit]\nvisit_ms = 30000\n"),
    )
    assert "version 2" in office.well("publish", "put", "--settings", two, "--own-settings", f"420100/0007={one}")
    assert office.published() == [targets.SETTINGS, "terminals/420100/0007/settings.toml"]
    code, said = office.does("publish", "put", "--settings", one)
    assert code == 1 and "F-718" in said and "higher" in said


def test_head_office_sees_which_settings_a_terminal_installed():
    seen = Happenings()
    for seq, name in enumerate(("all", "own")):
        seen.take(Entry(seq, 0, 1, "settings.installed", None, (), {"name": name, "version": 3, "sha256": bytes(32)}))
    seen.take(Entry(2, 0, 1, "staff.installed", None, (), {"version": 5, "sha256": bytes(32)}))
    assert [event.what for event in seen.events] == ["settings all 3", "settings own 3", "staff 5"]


def test_no_code_is_given_out_while_the_settings_for_enrolments_have_a_mistake(office):
    words = ("enrol", "new", "--region", "420100", "--terminal", "0009")
    (office.data / "enrol").mkdir()
    (office.data / "enrol" / "settings.toml").write_text("[keys]\nkept = 'chip'\n")
    code, said = office.does(*words)
    assert code == 1 and "F-718" in said and "[keys]" in said
    (office.data / "enrol" / "settings.toml").write_text("[visit]\nvisit_ms = 20000\n")
    assert "0009" in office.well(*words)
