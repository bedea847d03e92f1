"""Settings of head office at the terminal: tried by the real loader, whole or not at all, by the ledger's word."""

import pytest

from kiosk.app.in_force import Shelf
from kiosk.app.office_settings import ENROLLED_TARGET, SettingsRoad, config_in_force
from kiosk.config import load_config
from kiosk.ledger.entry import Entry
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.sale.arrivals import NewList, OtherList
from kiosk.sale.books import Memory
from kiosk.sale.entries import arrival

TOML = """
[terminal]
domain = "power.example"
region = "420100"
id = "0007"
operator_zh = "示范电力"
operator_en = "Example Power"
place_zh = "一号楼"
place_en = "Building 1"
phone = "95598"
folder = "kiosk"
[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "secrets.toml"
[acceptor]
path = "/dev/ttyS0"
[printer]
path = "/dev/ttyS1"
[prices]
file = "prices.note"
vkey_file = "prices.vkey"
[vendors]
folders = []
[visit]
visit_ms = 50000
"""


class Place:
    def __init__(self, folder):
        self.toml = folder / "kiosk.toml"
        self.toml.write_text(TOML)
        self.folder = folder / "kiosk"
        self.folder.mkdir()
        self.shelf = Shelf(self.folder / "lists", self.folder / "spare")
        self.memory, self.road = Memory(), SettingsRoad(self.toml)

    def commit(self, draft):
        self.memory.see(Entry(0, 0, 1, draft.kind, None, (), draft.data))

    def installed(self, layer, text):
        """As the installer and the sale do it."""
        version = self.road.try_on(layer, text).version
        self.commit(arrival(NewList(f"settings/{layer}", self.shelf.put(text.encode()), OtherList(version))))

    def enrolled(self, text):
        (self.folder / "office-settings.toml").write_text(text)

    def start(self):
        """The settings in force, and the kinds that are to be recorded."""
        config, drafts = self.road.at_start(config_in_force(self.toml), self.memory, self.shelf)
        for draft in drafts:
            self.commit(draft)
        assert config == config_in_force(self.toml), "other programs find the same"
        return config, [(draft.kind, draft.data["name"]) for draft in drafts]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_without_any_everything_is_as_kiosk_toml_says(place):
    config, recorded = place.start()
    assert config == load_config(place.toml) and recorded == []
    assert not (place.folder / "settings").exists()


def test_what_is_for_this_terminal_counts_before_what_is_for_all_and_that_before_the_enrolments(place):
    place.enrolled("[visit]\nvisit_ms = 20000\nnote_ms = 3000\ndone_ms = 33000\n")
    place.installed("all", "version = 1\n[visit]\nvisit_ms = 30000\nnote_ms = 4000\n[head_office]\nlimit_kbit_s = 9\n")
    place.installed("own", "version = 1\n[visit]\nvisit_ms = 40000\n")
    config, recorded = place.start()
    visit = config.visit
    assert (visit.visit_ms, visit.note_ms, visit.done_ms) == (40_000, 4_000, 33_000)
    assert config.head_office.limit_kbit_s == 9 and config.terminal.id == "0007"
    assert recorded == [("settings.installed", "enrolled")]
    assert place.start()[1] == [], "recorded once"
    place.installed("own", "version = 2\n")
    assert place.start()[0].visit.visit_ms == 30_000, "taken back by a version that says nothing"


def test_what_an_enrolment_brought_and_is_wrong_is_recorded_and_changes_nothing(place):
    place.enrolled("[keys]\nkept = 'chip'\n")
    config, recorded = place.start()
    assert config == load_config(place.toml) and recorded == [("target.refused", ENROLLED_TARGET)]
    assert place.memory.refused[ENROLLED_TARGET] and place.start()[1] == [], "told once"
    place.enrolled("[visit]\nvisit_ms = 20000\n")
    assert place.start()[0].visit.visit_ms == 20_000


def test_what_the_real_loader_does_not_take_is_refused_whole(place):
    place.toml.write_text(TOML + "[head_office]\nretry_max_ms = 30000\n")
    text = "version = 1\n[visit]\nvisit_ms = 20000\n[head_office]\nretry_min_ms = 60000\n"
    with pytest.raises(ConfigFault, match=r"F-718.*do not fit this terminal.*retry_min_ms"):
        place.road.try_on("all", text)
    assert place.start()[0].visit.visit_ms == 50_000


def test_one_layer_is_tried_together_with_the_others(place):
    place.toml.write_text(TOML + "[head_office]\nretry_max_ms = 30000\n")
    place.installed("all", "version = 1\n[head_office]\nretry_max_ms = 3600000\n")
    place.start()
    assert place.road.try_on("own", "version = 1\n[head_office]\nretry_min_ms = 60000\n").version == 1


def test_a_layer_that_a_person_made_impossible_is_left_out_and_the_others_are_in_force(place, caplog):
    place.installed("all", "version = 1\n[head_office]\nretry_min_ms = 60000\n[visit]\nvisit_ms = 20000\n")
    place.installed("own", "version = 1\n[visit]\nnote_ms = 3000\n")
    place.start()
    place.toml.write_text(TOML + "[head_office]\nretry_max_ms = 30000\n")
    config, _ = place.start()
    assert (config.visit.visit_ms, config.visit.note_ms) == (50_000, 3_000)
    assert "(all) are left out" in caplog.text


def test_files_that_the_ledger_does_not_name_are_no_settings(place):
    place.installed("own", "version = 1\n[visit]\nvisit_ms = 40000\n")
    place.start()
    (place.folder / "settings" / "own.toml").write_text("version = 9\n[visit]\nvisit_ms = 600000\n")
    (place.folder / "settings" / "all.toml").write_text("version = 9\n[visit]\nnote_ms = 60000\n")
    config, _ = place.start()
    assert (config.visit.visit_ms, config.visit.note_ms) == (40_000, load_config(place.toml).visit.note_ms)
    (place.folder / "settings" / "own.toml").write_text("torn [")
    assert config_in_force(place.toml).visit.visit_ms == 50_000, "until the next start makes it again"
    assert place.start()[0].visit.visit_ms == 40_000


def test_a_kiosk_toml_that_is_just_being_edited_says_nothing_of_what_came_down(place):
    good = place.toml.read_text()
    place.toml.write_text(good + "[visit")
    with pytest.raises(LedgerFault, match="just now"):
        place.road.try_on("own", "version = 1\n")
    with pytest.raises(ConfigFault, match="F-718"):
        place.road.try_on("own", "nonsense")
    place.toml.write_text(good)
    assert place.road.try_on("own", "version = 1\n").version == 1


def test_a_torn_file_is_made_again_before_anything_is_tried_with_it(place):
    place.installed("all", "version = 1\n[visit]\nnote_ms = 3000\n")
    place.start()
    (place.folder / "settings" / "all.toml").write_text("torn [")
    place.enrolled("[visit]\nvisit_ms = 20000\n")
    config, recorded = place.start()
    assert recorded == [("settings.installed", "enrolled")]
    assert (config.visit.visit_ms, config.visit.note_ms) == (20_000, 3_000)
