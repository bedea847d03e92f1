"""The desk's window before a played world: each button does what it says, in both languages, nothing is cut off."""

import itertools
from pathlib import Path

import pytest
from PIL import Image
from played_world import reading, settle

from kiosk.desk.sight import TRIES
from kiosk.devices.acceptor.validator import Phase
from kiosk.model.card import PurchaseState
from kiosk.model.errors import DeviceFault
from kiosk.model.texts import load_texts
from kiosk.screens.window import ASSETS

LANGUAGES = ("zh-CN", "en")
OPEN = frozenset((500, 1000, 2000, 5000, 10_000))


def texts(language):
    return load_texts(ASSETS / "text", "desk", language)


def labels(desk):
    from kivy.uix.label import Label

    return [w for w in desk.walk(restrict=True) if isinstance(w, Label) and w.text.strip() and w.opacity]


def button(desk, key, nth=0):
    from kiosk.screens.widgets import Press

    text = desk.word(desk.language, key)
    found = [w for w in desk.walk(restrict=True) if isinstance(w, Press) and w.text == text]
    found.sort(key=lambda w: w.to_window(w.x, w.y)[0])
    return found[nth]


def tap(desk, widget):
    from kivy.base import EventLoop
    from kivy.tests.common import UnitTestTouch

    assert not widget.disabled
    touch = UnitTestTouch(*widget.to_window(*widget.center))
    touch.touch_down()
    EventLoop.idle()
    touch.touch_up()
    settle(desk)


def press(desk, key, nth=0):
    tap(desk, button(desk, key, nth))


# ---- cards


def test_the_button_and_the_card_itself_put_it_in_and_take_it_out(desk, world):
    press(desk, "card.into-slot", 1)
    assert world.calls == [("insert", world.cards[1])] and desk.places[1].inserted
    assert desk.word("zh-CN", "card.at-kiosk") in [w.text for w in labels(desk)]
    press(desk, "card.out")
    tap(desk, desk.places[0].ids.face)
    tap(desk, desk.places[0].ids.face)
    assert world.calls[1:] == [("pull",), ("insert", world.cards[0]), ("pull",)]
    assert world.inserted is None and not desk.places[0].inserted


def test_tearing_is_armed_on_the_card_in_the_slot_only_and_can_be_taken_back(desk, world):
    assert all(button(desk, "card.tear", n).disabled for n in (0, 1))
    press(desk, "card.into-slot")
    press(desk, "card.tear")
    assert world.calls[-1] == ("tear_write", 5)
    assert desk.word("zh-CN", "card.armed", bytes=5) in [w.text for w in labels(desk)]
    press(desk, "card.tear-armed")
    assert world.calls[-1] == ("tear_write", None) and not desk.places[0].armed


def test_a_card_that_died_under_a_write_is_taken_out_and_read_at_the_office(desk, world):
    press(desk, "card.into-slot")
    press(desk, "card.tear")
    world.cards[0].on_it = reading(7)
    world.slot.occupied = False
    settle(desk)
    assert world.calls[-1] == ("pull",) and world.inserted is None
    assert desk.word("zh-CN", "news.torn", card="华瑞泰电表") in desk.happened
    assert "tear" in desk.tried and not desk.places[0].armed
    assert desk.word("zh-CN", "card.empty", count=7) in [w.text for w in labels(desk)]


def test_the_meter_takes_what_the_card_brings_and_shows_it(desk, world):
    card = world.cards[1]
    card.on_it = reading(2, PurchaseState.PENDING, energy_centi_kwh=8928)
    desk.places[1].look_at_card()
    settle(desk)
    assert desk.now == "plug" and desk.places[1].waiting
    card.shows = {"count": 2, "remaining": 8928}
    card.written_back = reading(2)
    press(desk, "card.into-meter", 1)
    place = desk.places[1]
    assert world.calls == [("meter.insert", "chip of NXP", 0)]
    assert (place.remaining, place.meter_count, place.credited) == (8928, 2, 8928) and not place.waiting
    assert desk.happened.split("\n")[0] == desk.word("zh-CN", "news.meter-took", amount="89.28 度")
    desk.switch_language()
    assert desk.happened.split("\n")[0] == "The meter took 89.28 kWh"


def test_used_power_is_told_and_the_same_purchase_is_credited_once(desk, world):
    world.cards[0].shows = {"count": 1, "remaining": 2000}
    press(desk, "card.into-meter")
    world.cards[0].shows = {"count": 1, "remaining": 1500}
    press(desk, "card.use")
    assert world.calls[-1] == ("meter.insert", "chip of HRT", 500)
    assert desk.places[0].credited == 0 and desk.places[0].remaining == 1500
    assert desk.happened.split("\n")[0] == desk.word("zh-CN", "news.used", amount="¥5.00")


def test_a_meter_cannot_use_more_than_it_has(desk, world):
    world.cards[0].shows = {"count": 1, "remaining": 120}
    press(desk, "card.into-meter")
    press(desk, "card.use")
    assert world.calls[-1] == ("meter.insert", "chip of HRT", 120)


def test_a_card_goes_from_the_slot_to_the_meter_by_way_of_the_hand(desk, world):
    press(desk, "card.into-slot")
    press(desk, "card.into-meter")
    assert [call[0] for call in world.calls] == ["insert", "pull", "meter.insert"]


def test_a_card_nobody_can_read_is_shown_as_such(desk, world):
    world.cards[0].on_it = DeviceFault("C-107", "damaged")
    desk.places[0].look_at_card()
    settle(desk)
    assert desk.word("zh-CN", "card.unreadable") in [w.text for w in labels(desk)]


def test_what_does_not_work_is_told_and_the_desk_goes_on(desk, world):
    def no_reader(_card):
        raise DeviceFault("V-402", "no virtual reader")

    world.insert = no_reader
    press(desk, "card.into-slot")
    assert "no virtual reader" in desk.happened and not desk.places[0].inserted


# ---- money


@pytest.mark.parametrize(("nth", "fen"), list(enumerate((500, 1000, 2000, 5000, 10_000))))
def test_a_note_is_fed(desk, world, nth, fen):
    tap(desk, desk.ids.notes.children[::-1][nth])
    assert world.calls == [("feed", fen, True)]


def test_the_last_note_is_forged(desk, world):
    note = desk.ids.notes.children[0]
    assert note.forged and note.under == "假钞"
    tap(desk, note)
    assert world.calls == [("feed", 10_000, False)]
    desk.switch_language()
    assert note.under == "forged"


@pytest.mark.parametrize(("nth", "fen", "chinese", "english"), [(0, 50, "5 角", "¥0.5"), (1, 100, "1 元", "¥1")])
def test_a_coin_is_thrown_in(desk, world, nth, fen, chinese, english):
    world.coins_become(open_for_fen=frozenset((50, 100)))
    coin = desk.ids.coins.children[::-1][nth]
    assert coin.children[0].text == chinese
    tap(desk, coin)
    assert world.calls == [("throw", fen)] and desk.happened == "" and desk.sight.slot_open
    desk.switch_language()
    assert coin.children[0].text == english


def test_a_coin_falls_and_there_is_another(desk, world):
    from kivy.base import EventLoop

    coin = desk.ids.coins.children[0]
    depths = []
    coin.bind(depth=lambda _, depth: depths.append(depth))
    tap(desk, coin)
    while not depths or depths[-1] > 0:
        EventLoop.idle()
    assert max(depths) == 1.0


def test_a_closed_slot_says_so_and_the_coin_is_shown_to_come_back(desk, world):
    tap(desk, desk.ids.coins.children[0])
    world.coins_become(handed_back=((100, 1),))
    settle(desk)
    told = [desk.word("zh-CN", "news.coin-back", amount="¥1"), desk.word("zh-CN", "news.coin-closed")]
    assert desk.happened.split("\n") == told and "退回：¥1" in [w.text for w in labels(desk)]


def test_the_coin_box_is_counted_by_hand(desk, world):
    world.coins_become(box=((50, 3), (100, 2)))
    settle(desk)
    assert desk.counted_coins("en", desk.sight) == "Coin box: ¥3.50 (0.5×3 1×2)"
    assert desk.word("zh-CN", "news.coin", amount="¥3.50") in desk.happened


def test_a_mouth_that_closes_after_each_note_is_told_to_open_once(desk, world):
    world.kiosk.start()
    world.insert(world.cards[0])
    for box in ((), ((2000, 1),)):
        world.becomes(phase=Phase.DISABLED, open_for_fen=frozenset(), box=box)
        settle(desk)
        world.becomes(phase=Phase.IDLE, open_for_fen=OPEN)
        settle(desk)
    assert desk.happened.count(desk.word("zh-CN", "news.open")) == 1


def test_the_protocols_stand_beside_the_money(desk):
    assert "CCNET · ccTalk" in [w.text for w in labels(desk)]


def test_a_closed_mouth_says_so(desk, world):
    world.takes_notes = False
    tap(desk, desk.ids.notes.children[-1])
    assert desk.happened == desk.word("zh-CN", "news.closed")


def test_what_came_back_is_shown_until_the_next_note(desk, world):
    world.becomes(handed_back=((5000, 1),))
    settle(desk)
    assert "退回：¥50" in [w.text for w in labels(desk)]
    tap(desk, desk.ids.notes.children[-1])
    assert "退回：无" in [w.text for w in labels(desk)]


def test_the_cash_box_is_counted_by_hand(desk, world):
    world.becomes(box=((1000, 1), (2000, 2)))
    settle(desk)
    assert desk.counted("en", desk.sight) == "Cash box: ¥50 (10×1 20×2)"


def test_a_note_jams_and_is_freed_by_the_same_button(desk, world):
    press(desk, "money.jam")
    world.becomes(phase=Phase.JAM_IN_VALIDATOR)
    settle(desk)
    assert desk.now == "plug" and desk.word("zh-CN", "news.phase-jam_in_validator") in desk.happened
    press(desk, "money.clear")
    assert world.calls == [("acceptor.jam",), ("acceptor.clear_jam",)]


def test_nothing_jams_while_nothing_moves(desk, world):
    world.jams = False
    press(desk, "money.jam")
    assert desk.happened == desk.word("zh-CN", "news.no-jam")


def test_the_cash_box_goes_out_counted_and_comes_back(desk, world):
    press(desk, "money.box-out")
    assert desk.happened == desk.word("zh-CN", "news.box-out", amount="¥40")
    press(desk, "money.box-in")
    assert world.calls == [("acceptor.take_box",), ("acceptor.put_box",)]


# ---- printer


def test_paper_cover_and_tearing_off(desk, world):
    for key in ("tear-off", "paper-out", "paper-in", "cover-open", "cover-close"):
        press(desk, f"printer.{key}")
    done = [name.removeprefix("printer.") for (name,) in world.calls]
    assert done == ["tear_off", "paper_out", "refill", "cover_open", "cover_close"]
    assert desk.tried == {"paper"}


def test_a_new_slip_is_shown_and_enlarged_by_a_click(desk, world, window, tmp_path):
    from kiosk.desk.window import Slip

    for number in (1, 2):
        path = tmp_path / f"receipt-{number}.png"
        Image.new("1", (576, 900), 1).save(path)
        world.slips.append(path)
        settle(desk)
        assert desk.slip == str(path) and "buy" in desk.tried
    picture = next(w for w in desk.walk() if type(w).__name__ == "PaperSlip")
    assert picture.texture is not None
    tap(desk, picture)
    large = [w for w in window.children if isinstance(w, Slip)]
    assert [w.children[0].source for w in large] == [desk.slip]


# ---- power


def test_the_plug_is_pulled_and_put_in_by_the_same_large_button(desk, world):
    assert desk.now == "plug"
    press(desk, "power.plug")
    assert desk.now == "card" and desk.word("zh-CN", "power.on") in " ".join(w.text for w in labels(desk))
    press(desk, "power.pull")
    assert world.calls == [("kiosk.start",), ("kiosk.pull_plug",)]


def test_head_office_goes_and_comes(desk, world):
    press(desk, "power.office-start")
    press(desk, "power.office-stop")
    assert world.calls == [("office.start",), ("office.stop",)]
    assert "http://127.0.0.1:51234/" in [w.text for w in labels(desk)]


# ---- the words


def states(world, desk):
    """The desk as it looks in the course of an afternoon."""
    yield "fresh"
    world.kiosk.start()
    world.office.start()
    world.insert(world.cards[0])
    settle(desk)
    desk.arm(desk.places[0], armed=True)
    world.becomes(phase=Phase.IDLE, open_for_fen=OPEN)
    yield "money"
    pieces = tuple((fen, 20) for fen in sorted(OPEN))
    world.becomes(phase=Phase.STACKING, open_for_fen=frozenset(), box=pieces, handed_back=((10_000, 3),))
    world.coins_become(box=((50, 20), (100, 20)), handed_back=((100, 1),))
    world.slips.append(Path("none.png"))
    yield "note"
    desk.take_box()
    desk.take_paper()
    desk.lift_cover()
    world.becomes(phase=Phase.JAM_IN_STACKER)
    yield "jam"
    world.becomes(phase=Phase.REMOVED)
    world.pull()
    for card, value in zip(world.cards, (123_456, 123_456), strict=True):
        card.on_it = reading(12, PurchaseState.PENDING, amount_fen=123_456, energy_centi_kwh=88_888)
        card.shows = {"count": 12, "remaining": value}
    for place in desk.places:
        place.look_at_card()
        settle(desk)
        place.into_meter()
    yield "meters"
    world.becomes(phase=Phase.DISABLED)
    for line in ("armed", "closed", "no-jam", "coin-closed", "cover-close", "tear-off", "phase-jam_in_validator"):
        desk.tell(line, bytes=5)
    yield "lines"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_off_and_nothing_lies_on_anything(desk, world, language):
    desk.language = language
    for state in states(world, desk):
        settle(desk)
        boxes = []
        for label in labels(desk):
            if type(label.parent).__name__ == "CardFace":
                continue  # slides into its slot
            width, height = label.texture_size
            whole = natural(label)
            needs = f"{language} {state}: {label.text!r} needs {whole} of {label.size}"
            assert height <= label.height + 2 and width <= label.width + 2, needs
            assert whole[0] <= label.width + 1 and whole[1] <= label.height + 3, needs
            x, y = label.to_window(label.x, label.y)
            assert x >= -1 and x + label.width <= 761 and y >= -1 and y + label.height <= 901, label.text
            boxes.append((label.text, x, y, label.width, label.height))
        for (a, ax, ay, aw, ah), (b, bx, by, bw, bh) in itertools.combinations(boxes, 2):
            overlap = min(ax + aw, bx + bw) - max(ax, bx) > 4 and min(ay + ah, by + bh) - max(ay, by) > 4
            assert not overlap, f"{language} {state}: {a!r} lies on {b!r}"


def natural(label):
    """Pixels the text takes in one piece, as its own lines give it."""
    from kivy.core.text import Label

    bare = Label(text=label.text, font_size=label.font_size, bold=label.bold, line_height=label.line_height)
    bare.refresh()
    return bare.size


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_name_and_number_stay_on_the_card(desk, world, language):
    desk.language = language
    settle(desk)
    for place in desk.places:
        for label in place.ids.face.children:
            assert label.texture_size[0] <= label.width, label.text


def test_both_languages_hold_the_same_sentences_with_the_same_values():
    chinese, english = (texts(language) for language in LANGUAGES)
    assert set(chinese) == set(english)
    assert [key for key in chinese if chinese.placeholders(key) != english.placeholders(key)] == []


def test_every_hint_and_every_kind_of_news_has_its_sentence():
    import re

    from kiosk.desk import sight, window
    from kiosk.desk.sight import TOLD_PHASES

    words = texts("en")
    source = Path(sight.__file__).read_text() + Path(window.__file__).read_text()
    told = set(re.findall(r'(?:News|tell)\("([a-z-]+)"', source)) | {f"phase-{p.name.lower()}" for p in TOLD_PHASES}
    hints = re.findall(r'return "([a-z]+)"', source)
    assert len(told) > 15 and len(hints) > 4
    assert [key for key in told if f"news.{key}" not in words] == []
    assert [key for key in hints if f"now.{key}" not in words] == []
    assert [key for key in TRIES if f"try.{key}" not in words] == []


def test_the_language_button_names_the_other_language(desk):
    press(desk, "desk.other-language")
    assert desk.language == "en"
    press(desk, "desk.other-language")
    assert desk.language == "zh-CN"


def test_the_next_thing_to_do_is_framed(desk, world):
    world.kiosk.start()
    settle(desk)
    assert desk.now == "card" and all(place.lit for place in desk.places)
    press(desk, "card.into-slot")
    assert desk.now == "kiosk" and not any(place.lit for place in desk.places)


def test_the_app_builds_a_desk_that_looks_around_by_itself(window, world):
    from kivy.base import EventLoop

    from kiosk.desk.window import DeskApp

    app = DeskApp(world)
    app.root = app.build()
    world.kiosk.start()
    while not app.root.sight.kiosk_on:
        EventLoop.idle()
    app.on_stop()
    world.kiosk.pull_plug()
    looked = app.root.sight
    for _ in range(10):
        EventLoop.idle()
    assert looked is app.root.sight and looked.kiosk_on
