from pathlib import Path

import pytest

from kiosk.model.errors import ConfigFault
from kiosk.model.texts import Texts, load_texts

ASSETS = Path(__file__).parents[2] / "assets" / "text"
NAMES = sorted({path.name.split(".")[0] for path in ASSETS.glob("*.toml")})


def written(folder: Path, content: str) -> Path:
    (folder / "slip.en.toml").write_text(content, encoding="utf-8")
    return folder


def test_tables_become_dotted_keys_and_placeholders_are_filled(tmp_path):
    texts = load_texts(
        written(tmp_path, 'a = "x"\n[done]\ntitle = "paid {paid}"\n[done.deep]\nC-101 = "no"'), "slip", "en"
    )
    assert list(texts) == ["a", "done.title", "done.deep.C-101"]
    assert texts.text("done.title", paid="¥5") == "paid ¥5"
    assert (texts.name, texts.language, len(texts)) == ("slip", "en", 3)


def test_values_that_a_text_does_not_name_are_ignored():
    assert Texts("slip", "en", {"a": "call"}).text("a", phone="123") == "call"


def test_an_unknown_key_and_a_lacking_value_are_key_errors():
    texts = Texts("slip", "en", {"a": "{x} and {y}"})
    with pytest.raises(KeyError, match=r"slip\.en\.toml has no 'b'"):
        texts.text("b")
    with pytest.raises(KeyError, match="needs y"):
        texts.text("a", x=1)
    assert "a" in texts
    assert "b" not in texts


def test_the_check_at_the_start_lists_everything_that_would_fail_later():
    texts = Texts("slip", "en", {"a": "{x}", "b": "{x}{y}"})
    texts.check({"a": frozenset({"x", "z"})})
    with pytest.raises(KeyError) as caught:
        texts.check({"b": frozenset({"x"}), "c": frozenset(), "d": frozenset()})
    assert "no 'c'; no 'd'; 'b' would lack y" in str(caught.value)


@pytest.mark.parametrize("text", ["{x.y}", "{x[0]}", "{x:>5}", "{x!r}", "{}", "{0}", "{ x }", "{x", "x}"])
def test_braces_mean_a_plain_placeholder_and_nothing_else(text):
    with pytest.raises(ValueError, match="a: "):
        Texts("slip", "en", {"a": text})


@pytest.mark.parametrize("content", ["a = 1", "[a]\nb = ['x']", "a = ", 'a = "{x.y}"', None])
def test_a_broken_or_absent_file_is_a_config_fault(tmp_path, content):
    if content is not None:
        written(tmp_path, content)
    with pytest.raises(ConfigFault, match=r"F-701.*slip\.en\.toml"):
        load_texts(tmp_path, "slip", "en")


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_hold_the_same_keys_with_the_same_placeholders(name):
    chinese, english = load_texts(ASSETS, name, "zh-CN"), load_texts(ASSETS, name, "en")
    assert list(chinese) == list(english)
    assert {key: chinese.placeholders(key) for key in chinese} == {key: english.placeholders(key) for key in english}
    assert all(
        texts.text(key, **dict.fromkeys(texts.placeholders(key), "x")).strip()
        for texts in (chinese, english)
        for key in texts
    )


def test_the_receipts_texts_are_among_those_compared():
    assert "receipt" in NAMES
