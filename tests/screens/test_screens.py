"""Every screen in both languages: nothing is cut off, every button is large enough and posts what it says."""

import itertools
import re
from dataclasses import replace

import pytest

from kiosk.model.clock import SystemClock
from kiosk.model.codes import CODES
from kiosk.sale import events as on
from kiosk.screens.samples import LANGUAGES, samples

NOW = SystemClock().monotonic_ms()
VIEWS = [(language, name, view) for language in LANGUAGES for name, view in samples(language, NOW)]
BY_NAME = {(language, name): view for language, name, view in VIEWS}
PIXELS_PER_MM = 1024 / 223.6  # a 10.1" panel of 1024 × 600


def labels(frame):
    from kivy.uix.label import Label

    return [w for w in frame.walk(restrict=True) if isinstance(w, Label) and w.text.strip() and w.opacity]


def buttons(frame):
    from kiosk.screens.widgets import Press

    presses = [w for w in frame.walk(restrict=True) if isinstance(w, Press) and w.opacity and w.width > 1]
    return {w.text: w for w in presses if w.parent.opacity}


@pytest.mark.parametrize(("language", "name", "view"), VIEWS, ids=[f"{lang}-{name}" for lang, name, _ in VIEWS])
def test_nothing_is_cut_off_and_every_button_is_at_least_20_mm_high(shown, language, name, view):
    frame, _, draw = shown
    draw(view)
    stage = frame.ids.stage
    for label in labels(frame):
        width, height = label.texture_size
        assert width <= label.width + 2 and height <= label.height + 2, f"{label.text!r} needs {width}x{height}"
        x, y = label.to_window(label.x, label.y)
        assert x >= -1 and x + label.width <= 1025 and y >= -1 and y + label.height <= 601, label.text
        assert "..." not in label.text
    for page in stage.children:
        for label in labels(page):
            _, y = label.to_window(label.x, label.y)
            assert y >= stage.y - 1 and y + label.height <= stage.top + 1, f"{label.text!r} leaves the page"
    for text, button in buttons(frame).items():
        assert button.height / PIXELS_PER_MM >= 20, text


def test_labels_of_a_page_do_not_lie_on_each_other(shown):
    frame, _, draw = shown
    for language, name, view in VIEWS:
        draw(view)
        page = frame.ids.stage.children[0]
        boxes = []
        for label in labels(page):
            x, y = label.to_window(*label.center)
            w, h = label.texture_size
            boxes.append((label.text, x - w / 2, y - h / 2, w, h))
        for (a, ax, ay, aw, ah), (b, bx, by, bw, bh) in itertools.combinations(boxes, 2):
            overlap = min(ax + aw, bx + bw) - max(ax, bx) > 4 and min(ay + ah, by + bh) - max(ay, by) > ah * 0.35
            assert not overlap or a == b, f"{language} {name}: {a!r} lies on {b!r}"


@pytest.mark.parametrize(
    ("name", "key", "event"),
    [
        ("account", "account.buy", on.Continue()),
        ("account", "account.leave", on.Cancel()),
        ("cash-half", "cash.finish", on.Finish()),
        ("cash-first", "cash.leave", on.Cancel()),
        ("refused-C-101", "refused.close", on.Cancel()),
        ("done", "done.close", on.Cancel()),
        ("done-owed-voucher", "done.voucher-take", on.TakeVoucher()),
        ("done-keypad-owed", "done.voucher-take", on.TakeVoucher()),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_button_posts_what_it_says(shown, words, tap, language, name, key, event):
    frame, posted, draw = shown
    draw(BY_NAME[language, name])
    tap(buttons(frame)[words[language].text(key)])
    assert posted == [event]


def test_the_first_screen_switches_the_language(shown, tap):
    frame, posted, draw = shown
    draw(BY_NAME["zh-CN", "attract"])
    tap(buttons(frame)["English"])
    draw_again = posted[:]
    draw(BY_NAME["en", "attract"])
    tap(buttons(frame)["中文"])
    assert draw_again == [on.ChooseLanguage("en")] and posted == [on.ChooseLanguage("zh-CN")]


@pytest.mark.parametrize("name", ["account", "cash-half", "put-back", "refused-C-101", "out-V-413", "done-owed"])
def test_who_cannot_read_a_page_switches_its_language_there(shown, tap, name):
    frame, posted, draw = shown
    for language, button, other in (("zh-CN", "English", "en"), ("en", "中文", "zh-CN")):
        draw(BY_NAME[language, name])
        tap(buttons(frame)[button])
        assert posted == [on.ChooseLanguage(other)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_why_no_note_is_taken_and_what_becomes_of_the_money_stand_under_it(shown, words, language):
    frame, _, draw = shown
    for name, key in (("cash-closed", "unpaid"), ("cash-jam", "paid"), ("cash-jam-moving", "moving")):
        view = BY_NAME[language, name]
        draw(view)
        told = words[language].text(f"notice.closed-{key}", code=view.code)
        assert told in [label.text.replace("\u00a0", " ") for label in labels(frame)]
    draw(BY_NAME[language, "cash-jam-lost"])
    assert words[language].text("notice.note-lost") in frame.ids.stage.children[0].advice.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("room_fen", "chinese", "english"),
    [
        (1000, "收 5 · 10 元\n硬币 0.5 · 1 元", "Takes 5 · 10\nCoins of 0.5 · 1 yuan"),
        (400, "收硬币 0.5 · 1 元", "Takes coins of 0.5 · 1 yuan"),
        (50, "", ""),  # one that rolls cannot be told from another
    ],
)
def test_the_notes_and_coins_that_still_fit_are_named(shown, room_fen, chinese, english):
    frame, _, draw = shown
    for language, told in zip(LANGUAGES, (chinese, english), strict=True):
        draw(replace(BY_NAME[language, "cash-half"], room_fen=room_fen))
        assert frame.ids.stage.children[0].accepts.replace("\u00a0", " ") == told


def test_a_kiosk_without_a_coin_acceptor_names_notes_only(shown, words):
    frame, _, draw = shown
    for name, key in (("attract", "attract.notes"), ("cash-half", "cash.accepts")):
        draw(BY_NAME["en", name])
        page = frame.ids.stage.children[0]
        before, page.facts = page.facts, replace(page.facts, coins_fen=())
        page.show(BY_NAME["en", name])
        page.facts = before
        notes = "5 · 10 · 20 · 50 · 100" if name == "attract" else "5 · 10 · 20 · 50"
        assert words["en"].text(key, notes=notes) in [label.text for label in labels(frame)]


def test_a_coin_that_came_late_hides_neither_the_credit_nor_the_digits(shown, words):
    frame, _, draw = shown
    for name, seen in (("done-coin-late", "¥50"), ("done-keypad-coin-late", "2371")):
        draw(BY_NAME["zh-CN", name])
        page = frame.ids.stage.children[0]
        assert seen in page.figure and "¥1。" in page.text, name


def test_the_words_beside_a_picture_are_those_on_the_screen(shown, words):
    from kiosk.screens.shots import words_shown

    _, _, draw = shown
    draw(BY_NAME["zh-CN", "put-back"])
    said = words_shown()
    assert words["zh-CN"].text("put-back.title") in said and words["zh-CN"].text("put-back.line", paid="¥50") in said
    assert words["zh-CN"].text("attract.title") not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_number_is_keyed_in_corrected_and_looked_up(shown, words, tap, language):
    frame, posted, draw = shown
    draw(BY_NAME[language, "attract-number"])
    tap(buttons(frame)[words[language].text("attract.number")])
    assert posted == [on.AskNumber()]
    draw(BY_NAME[language, "number"])
    say = words[language].text
    for key in ("1", "2", say("number.clear"), "3", "0", "9", say("number.erase"), "0", "1"):
        tap(buttons(frame)[key])
    draw(BY_NAME[language, "number-unknown"])  # told again, or simply shown again: what is keyed in stays
    assert frame.ids.stage.children[0].shown == "3001"
    tap(buttons(frame)[say("number.find")])
    assert posted == [on.GiveNumber("3001")]
    draw(BY_NAME[language, "attract-number"])
    draw(BY_NAME[language, "number"])
    assert frame.ids.stage.children[0].shown == ""


def test_a_number_has_no_more_than_twenty_digits(shown, tap):
    frame, _, draw = shown
    draw(BY_NAME["en", "attract"])
    draw(BY_NAME["en", "number"])
    for _ in range(21):
        tap(buttons(frame)["7"])
    assert frame.ids.stage.children[0].number == "7" * 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_digits_stand_on_the_last_page_in_groups_of_four(shown, language):
    frame, _, draw = shown
    draw(BY_NAME[language, "done-keypad"])
    assert "2371  6100  5011\n8319  4197" in [label.text for label in labels(frame)]


def test_an_amount_posts_its_fen_and_any_amount_posts_the_most(shown, tap):
    frame, posted, draw = shown
    draw(BY_NAME["en", "amount"])
    for text, button in buttons(frame).items():
        if text.startswith("[size"):
            tap(button)
    assert sorted(e.fen for e in posted) == [2000, 5000, 10_000, 20_000, 500_000]


def test_one_tap_gives_more_time_near_the_end_only(shown, tap):
    frame, posted, draw = shown
    now = SystemClock().monotonic_ms()
    draw(replace(BY_NAME["en", "account"], deadline_ms=now + 50_000, span_ms=60_000))
    assert not frame.counting
    draw(replace(BY_NAME["en", "account"], deadline_ms=now + 12_000, span_ms=60_000))
    assert frame.counting
    tap(next(b for t, b in buttons(frame).items() if t.startswith("More time")))
    assert posted == [on.MoreTime()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_vouchers_number_stands_large_and_nobody_is_offered_another(shown, words, language):
    frame, _, draw = shown
    for name in ("done-voucher", "done-voucher-failed", "done-owed", "done-doubt", "done"):
        draw(BY_NAME[language, name])
        large = [label.text for label in labels(frame) if label.font_size >= 60]
        assert ("0007-3f2a91c0de" in large) is name.startswith("done-voucher")
        assert words[language].text("done.voucher-take") not in buttons(frame)


def test_nothing_says_leave_once_money_is_in(shown, words):
    frame, _, draw = shown
    for name in ("cash-half", "cash-moving", "cash-jam", "put-back", "writing"):
        draw(BY_NAME["en", name])
        assert words["en"].text("cash.leave") not in buttons(frame)


def test_both_languages_hold_the_same_sentences_with_the_same_values(words):
    chinese, english = (words[language] for language in LANGUAGES)
    assert set(chinese) == set(english)
    assert [key for key in chinese if chinese.placeholders(key) != english.placeholders(key)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_for_customers(words, language):
    texts = words[language]
    for code in CODES:
        assert f"what.{code}" in texts or f"what.{code[0]}" in texts, code
        assert f"do.{code}" in texts or f"do.{code[0]}" in texts, code


def luminance(rgb):
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_text_and_ground_differ_by_ten_to_one():
    from pathlib import Path

    from kiosk.screens import app

    theme = (Path(app.__file__).parent / "theme.kv").read_text()
    colours = {m[1]: tuple(map(float, m[2].split(",")))[:3] for m in re.finditer(r"#:set (\w+) \(([^)]*)\)", theme)}
    for ground in ((1, 1, 1), colours["paper"]):
        for name in ("ink", "blue", "green", "amber", "red"):
            light, dark = sorted((luminance(ground), luminance(colours[name])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 10, name
    assert (luminance((1, 1, 1)) + 0.05) / (luminance(colours["quiet"]) + 0.05) >= 10
