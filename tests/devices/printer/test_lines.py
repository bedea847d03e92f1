from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.printer.lines import break_lines


def measure(text):
    """Chinese two columns wide, the rest one."""
    return sum(2 if ord(each) > 0x2E7F else 1 for each in text)


def test_chinese_breaks_anywhere_but_not_before_a_full_stop():
    assert break_lines("钱记在这张卡名下。好", 16, measure) == ["钱记在这张卡名", "下。好"]


def test_an_opening_bracket_goes_with_what_it_opens_and_amounts_stay_whole():
    assert break_lines("在本机（终端 0007）插入", 8, measure) == ["在本机", "（终端", "0007）插", "入"]
    assert break_lines("还欠您¥50.00，好", 12, measure) == ["还欠您", "¥50.00，好"]


def test_brackets_and_stops_in_a_row_stay_together():
    assert break_lines("你说《「好」》。对", 14, measure) == ["你说", "《「好」》。对"]
    assert break_lines("说了「好。」对", 10, measure) == ["说了", "「好。」对"]


def test_latin_breaks_at_spaces_and_an_endless_word_is_cut():
    assert break_lines("put the card in", 8, measure) == ["put the", "card in"]
    assert break_lines("a 123456789012", 6, measure) == ["a 1234", "567890", "12"]


def test_a_newline_breaks_and_an_empty_text_is_one_empty_line():
    assert break_lines("a\nb", 9, measure) == ["a", "b"]
    assert break_lines("", 9, measure) == [""]


@given(st.text(alphabet="ab 12.¥，。（）终端机卡\n", max_size=60), st.integers(2, 20))
def test_no_line_is_too_wide_and_no_character_is_lost(text, width):
    lines = break_lines(text, width, measure)
    assert all(measure(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
