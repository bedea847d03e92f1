"""Answers taken apart: what contract 1 says passes, all else is D-303."""

from dataclasses import astuple

import pytest
from driver_bench import by_hand
from hypothesis import given
from hypothesis import strategies as st

from kiosk.drivers import answer
from kiosk.drivers.answer import HOUSE_CODES, DriverRefusal, open_answer
from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.drivers.items import KNOWN
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit
from kiosk.model.codes import CODES
from kiosk.model.errors import CardFault, CardRefused, DriverFault

SIX = (
    (0x0201, b"\x02"),
    (0x0202, b"420100"),
    (0x0203, b"1234567890"),
    (0x0204, b"0042"),
    (0x0206, b"\0\0\0\3"),
    (0x0209, b"\1"),
)
MORE = (
    (0x0205, b"\xde\xad"),
    (0x0207, b"\0\0\x27\x10"),
    (0x0208, b"\0\0\x49\xb3"),
    (0x020A, b"\0\0\x4e\x20"),
    (0x020B, b"\0\0\x93\x66"),
    (0x0301, b"\xff\xff\xff\x9c"),
    (0x0302, b"\0\0\0\2"),
    (0x0303, b"\0\0\0\0\0\1\0\0"),
    (0x0306, b"20260101000000"),
    (0x0401, b"\0\0\x27\x10"),
    (0x0501, b"20260215103000"),
    (0x0504, bytes(range(16))),
    (0x7F01, b"unknown"),
)
ABOUT = ((0x0101, b"00a7"), (0x0103, b"\x10\x11\x13"), (0x0105, b"\2"))


def refused(function, *arguments):
    with pytest.raises(DriverFault) as fault:
        function(*arguments)
    return fault.value.code, str(fault.value)


def opened(raw, command=Command.READ):
    return open_answer(command, raw)


def test_a_card_as_read():
    assert answer.reading(opened(by_hand(0x91, *SIX, *MORE))) == CardReading(
        kind=CardKind.PURCHASE,
        region="420100",
        customer="1234567890",
        meter="0042",
        count=3,
        state=PurchaseState.PENDING,
        amount_fen=10000,
        energy_centi_kwh=18867,
        sale=bytes(range(16)),
        written_at="20260215103000",
        remaining=-100,
        meter_count=2,
        total_bought=65536,
        written_back_at="20260101000000",
        hoard_limit=10000,
        pending_fen=20000,
        pending_centi_kwh=37734,
    )


def test_a_blank_card_says_six_times_that_it_does_not_know():
    six = ((0x0201, b"\0"), (0x0202, b""), (0x0203, b""), (0x0204, b""), (0x0206, bytes(4)), (0x0209, b"\0"))
    card = answer.reading(opened(by_hand(0x91, *six)))
    assert astuple(card)[:6] == (CardKind.BLANK, "", "", "", 0, PurchaseState.NONE)
    assert set(astuple(card)[6:]) == {None}


@pytest.mark.parametrize("at", range(6))
def test_none_of_the_six_may_be_left_out(at):
    code, text = refused(answer.reading, opened(by_hand(0x91, *SIX[:at], *SIX[at + 1 :])))
    assert code == "D-303"
    assert f"{SIX[at][0]:04X}" in text


@pytest.mark.parametrize(("di", "value"), [(0x0201, b"\4"), (0x0201, b"\7"), (0x0209, b"\4")])
def test_kinds_and_states_nobody_knows(di, value):
    changed = [(each, value if each == di else given) for each, given in SIX]
    assert refused(answer.reading, opened(by_hand(0x91, *changed)))[0] == "D-303"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        by_hand(0x91, *SIX)[:-1],
        by_hand(0x91, *SIX, SIX[0]),  # an item twice
        by_hand(0x91, (0x0206, b"\0")),
        by_hand(0x92, *SIX),  # another question's answer
        by_hand(0x11, *SIX),  # the question itself
        by_hand(0xD2, (0xFF01, b"\3")),
        by_hand(0xD1),  # an error without a code
        by_hand(0xD1, (0xFF01, b"\0")),
        by_hand(0xD1, (0xFF01, b"\x18")),
        by_hand(0xD1, (0xFF01, b"\3\3")),
        by_hand(0xD1, (0xFF01, b"\3"), (0xFF03, b"\1")),
    ],
)
def test_nonsense_is_d_303(raw):
    assert refused(opened, raw)[0] == "D-303"


@pytest.mark.parametrize("error", DriverError)
def test_an_error_answer_is_a_value_and_has_a_house_code(error):
    said = opened(by_hand(0xD1, (0xFF01, bytes((error,))), (0xFF02, b"why"), (0xFF03, b"\0")))
    assert said == DriverRefusal(error, "why", said.card_after)
    house = answer.to_error(said)
    assert house.code in CODES
    assert house.code == HOUSE_CODES[error]
    assert isinstance(house, {"C-1": CardRefused, "C-2": CardFault, "D-3": DriverFault}[house.code[:3]])
    assert f"{error:02X}" in str(house)


UNSAID = [0x03, 0x0F, 0x15]  # may come after the first byte was written
ALWAYS_UNKNOWN = [0x11, 0x12]


@pytest.mark.parametrize("error", DriverError)
@pytest.mark.parametrize("told", [None, 0, 2])
def test_the_card_after_an_error_of_a_writing_command(error, told):
    items = [(0xFF01, bytes((error,)))] + ([(0xFF03, bytes((told,)))] if told is not None else [])
    said = opened(by_hand(0xD3, *items), Command.PURCHASE)
    unknown = told == 2 or error in ALWAYS_UNKNOWN or (told is None and error in UNSAID)
    assert said.card_after == (CardAfter.UNKNOWN if unknown else CardAfter.UNCHANGED)
    assert said.card_unchanged is not unknown


def test_the_card_after_a_read_that_failed_is_as_before():
    assert opened(by_hand(0xD1, (0xFF01, b"\x0f"))).card_unchanged


def test_words_for_the_log_stay_on_one_line():
    said = opened(by_hand(0xD1, (0xFF01, b"\3"), (0xFF02, "没有卡\n[L-501] forged\x1b[2J".encode())))
    assert said.text == "没有卡�[L-501] forged�[2J"


def test_who_the_driver_is():
    said = answer.description(
        opened(by_hand(0x90, *ABOUT, (0x0102, b"1.2"), (0x0104, b"\x15\x3c"), (0x0106, b"\3")), Command.DESCRIBE)
    )
    assert astuple(said) == ("00A7", "1.2", frozenset((0x10, 0x11, 0x13)), frozenset((21, 60)), Unit.ENERGY, True)
    short = answer.description(opened(by_hand(0x90, *ABOUT, (0x0106, b"\2")), Command.DESCRIBE))
    assert (short.version, short.card_types, short.may_stack) == ("", frozenset(), False)


@pytest.mark.parametrize(
    "items",
    [
        ABOUT[1:],
        (ABOUT[0], ABOUT[2]),
        ABOUT[:2],
        (*ABOUT[:2], (0x0105, b"\3")),
        ((0x0101, b"00G7"), *ABOUT[1:]),
        ((0x0101, b"0\xb2\xb37"), *ABOUT[1:]),
    ],
)
def test_a_driver_that_does_not_say_who_it_is(items):
    assert refused(answer.description, opened(by_hand(0x90, *items), Command.DESCRIBE))[0] == "D-303"


def test_a_token_is_digits_and_there_is_one():
    said = opened(by_hand(0x93, (0x0507, b"01234567890123456789")), Command.PURCHASE)
    assert answer.token(said) == answer.TokenAnswer("01234567890123456789", None)
    assert refused(answer.token, {DI.TOKEN: ""})[0] == "D-303"
    assert refused(answer.token, {})[0] == "D-303"


ITEMS = st.dictionaries(st.sampled_from(sorted(KNOWN)), st.binary(max_size=20), max_size=8).map(dict.items)


@given(
    st.binary(max_size=40) | st.builds(lambda c, items: by_hand(c, *items), st.sampled_from((0x91, 0xD1)), ITEMS),
    st.sampled_from((answer.reading, answer.description, answer.token)),
)
def test_any_answer_is_understood_or_d_303(raw, understand):
    try:
        said = opened(raw)
        if isinstance(said, DriverRefusal):
            assert said.code in set(DriverError)
        else:
            understand(said)
    except DriverFault as fault:
        assert fault.code == "D-303"


@given(st.lists(st.sampled_from(SIX + MORE), unique=True), st.sampled_from((0, 1, 2, 3)))
def test_good_items_in_any_order_and_number(items, extra):
    missing = {di for di, _ in SIX} - {di for di, _ in items}
    values = opened(by_hand(0x91, *items, (0x7E00 + extra, b"x")))
    if missing:
        assert refused(answer.reading, values)[0] == "D-303"
    else:
        assert answer.reading(values).count == 3
