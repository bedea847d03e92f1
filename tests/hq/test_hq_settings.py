"""hq.toml: what may stand there, and what is said of what may not."""

import pytest

from kiosk.hq.settings import FILE, HqSettings, load_settings
from kiosk.model.errors import ConfigFault

HOUR = 3_600_000


def write(folder, text, mode=0o644):
    (folder / FILE).write_text(text)
    (folder / FILE).chmod(mode)
    return load_settings(folder)


def test_none_is_the_defaults(tmp_path):
    assert load_settings(tmp_path) == HqSettings("", 36, 6)
    assert (HqSettings().limits.silent_after_ms, HqSettings().limits.gap_after_ms) == (36 * HOUR, 6 * HOUR)


def test_one_setting_is_the_database(tmp_path):
    given = write(tmp_path, 'database = "postgresql://hq@db.example/hq"\nsilent_after_hours = 48\n')
    assert (given.database, given.silent_after_hours, given.gap_after_hours) == ("postgresql://hq@db.example/hq", 48, 6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("databse = 'x'", "databse is not known"),
        ("database = 5", "database is not a text"),
        ("silent_after_hours = 0", "silent_after_hours is not a whole number of hours"),
        ("silent_after_hours = true", "silent_after_hours is not"),
        ("gap_after_hours = 1.5", "gap_after_hours is not"),
        ("gap_after_hours = 99999", "gap_after_hours is not"),
        ("database = ", "cannot be read"),
        ("a = 1\nb = 2", "a is not known; b is not known"),
    ],
)
def test_a_slip_is_told(tmp_path, text, said):
    with pytest.raises(ConfigFault) as caught:
        write(tmp_path, text)
    assert caught.value.code == "F-701" and said in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://hq:geheim@db/hq", "postgresql://db/hq?password=geheim"])
def test_a_password_is_for_its_owner_only(tmp_path, url):
    text = f'database = "{url}"\n'
    assert write(tmp_path, text, 0o600).database == url
    with pytest.raises(ConfigFault) as caught:
        write(tmp_path, text, 0o640)
    assert "chmod 600" in str(caught.value) and "geheim" not in str(caught.value)
