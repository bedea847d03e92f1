"""Settings of head office: what it may set from afar, within which bounds, and that all mistakes are told together."""

import dataclasses
import typing

import pytest

from kiosk import config
from kiosk.billing.settings import MAY_SET, parse_settings
from kiosk.model.errors import ConfigFault

GOOD = """
version = 3
[terminal]
phone = "95598"
language = "en"
[head_office]
limit_kbit_s = 9
[ledger]
keep_days = 0
[visit]
amounts_fen = [2000, 5000]
note_ms = 5000
"""


def test_what_it_says_are_tables_of_kiosk_toml():
    settings = parse_settings(GOOD)
    assert settings.version == 3
    assert settings.tables["visit"] == {"amounts_fen": [2000, 5000], "note_ms": 5000}
    assert parse_settings("version = 4\n").tables == {}, "everything is as kiosk.toml says again"


def test_every_key_it_may_set_is_one_of_kiosk_toml():
    tables = typing.get_type_hints(config.Config)
    for table, keys in MAY_SET.items():
        assert set(keys) <= {field.name for field in dataclasses.fields(tables[table])}, table


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("terminal", ("domain", "region", "id", "folder", "utc_offset_minutes", "heat_max_c")),
        ("head_office", ("url", "vkey_file", "sell_in_quarantine")),
        ("downlink", ("root_file",)),
    ],
)
def test_what_belongs_to_the_machine_is_not_for_head_office(table, keys):
    for key in keys:
        with pytest.raises(ConfigFault, match=f"F-718.*{key}.*is not for head office to set"):
            parse_settings(f"version = 1\n[{table}]\n{key} = 1\n")
    for other in ("keys", "acceptor", "printer", "prices", "vendors", "reader", "token", "chip", "screen"):
        with pytest.raises(ConfigFault, match="is not for head office to set"):
            parse_settings(f"version = 1\n[{other}]\npath = 'x'\n")


@pytest.mark.parametrize(
    "line",
    [
        "[visit]\nvisit_ms = 0",
        "[visit]\nvisit_ms = 10000.0",
        "[visit]\nvisit_ms = true",
        "[visit]\namounts_fen = []",
        "[visit]\namounts_fen = [5000, 2000]",
        "[visit]\namounts_fen = [2000, 2000]",
        "[visit]\namounts_fen = 2000",
        "[visit]\ndenominations_fen = [-500]",
        "[terminal]\nphone = ''",
        "[terminal]\nphone = 'a\\nb'",
        '[terminal]\nphone = "a\\nb"',
        f"[terminal]\noperator_en = '{'x' * 61}'",
        "[terminal]\nlanguage = 'fr'",
        "[head_office]\nretry_min_ms = 61000",
        "[head_office]\nlimit_kbit_s = -1",
        "[ledger]\nkeep_days = 29",
        "visit = 5",
    ],
)
def test_what_could_keep_a_kiosk_from_selling_or_from_being_mended_is_refused(line):
    if "a\\nb'" in line:  # a literal text of TOML holds the two letters, not the line's end
        assert parse_settings(f"version = 1\n{line}\n").tables["terminal"]["phone"] == "a\\nb"
        return
    with pytest.raises(ConfigFault, match="F-718"):
        parse_settings(f"version = 1\n{line}\n")


def test_all_mistakes_are_told_together():
    with pytest.raises(ConfigFault) as fault:
        parse_settings("[visit]\nvisit_ms = 1\npages = 2\n[keys]\nkept = 'chip'\n")
    for said in ("'version'", "'visit_ms' must be", "'pages' is not", "[keys] is not"):
        assert said in str(fault.value)
    with pytest.raises(ConfigFault, match="F-718"):
        parse_settings("version = 1\n[visit\n")


def test_an_enrolments_settings_need_no_version():
    assert parse_settings("[visit]\n", needs_version=False).version == 0
    with pytest.raises(ConfigFault, match="version"):
        parse_settings("[visit]\n")
