"""The form of each item, in both directions (contract 1 §1 and §3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.drivers.contract import DI, WIDTHS
from kiosk.drivers.frame import ItemFault
from kiosk.drivers.items import KNOWN, RAW, SIGNED, TIMES, decode_items, encode_items

ROW = bytes.fromhex("02 01 0000 00001388")  # 峰, step 1, 0.5 yuan


@pytest.mark.parametrize(
    ("di", "value", "text"),
    [
        (DI.COUNT, 3, "00 00 00 03"),
        (DI.AMOUNT, 0xFFFFFFFF, "FF FF FF FF"),
        (DI.REMAINING, -1, "FF FF FF FF"),
        (DI.REMAINING, -(1 << 31), "80 00 00 00"),
        (DI.TOTAL_BOUGHT, 1 << 32, "00 00 00 01 00 00 00 00"),
        (DI.KIND, 6, "06"),
        (DI.CUSTOMER, "0001234", "30 30 30 31 32 33 34"),
        (DI.REGION, "42010000", "34 32 30 31 30 30 30 30"),
        (DI.WHEN, "20260215103000", "32 30 32 36 30 32 31 35 31 30 33 30 30 30"),
        (DI.OPERATOR, "张", "E5 BC A0"),
        (DI.TERMINAL, "", ""),
        (DI.SALE, bytes(range(16)), "00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F"),
        (DI.TARIFF, ROW, "02 01 00 00 00 00 13 88"),
        (DI.LADDER, bytes.fromhex("0000000100000002"), "00 00 00 01 00 00 00 02"),
        (DI.TOKEN, "12345678901234567890", "31 32 33 34 35 36 37 38 39 30 31 32 33 34 35 36 37 38 39 30"),
        (DI.VENDOR_CODE, b"0A7F", "30 41 37 46"),
    ],
)
def test_values_and_their_bytes(di, value, text):
    raw = bytes.fromhex(text)
    assert encode_items({di: value}) == {di: raw}
    assert decode_items({di: raw}) == {di: value}


@pytest.mark.parametrize(
    ("di", "value"),
    [
        (DI.COUNT, -1),
        (DI.COUNT, 1 << 32),
        (DI.REMAINING, 1 << 31),
        (DI.KIND, 256),
        (DI.COUNT, "3"),
        (DI.COUNT, b"\0\0\0"),
        (DI.CUSTOMER, ""),
        (DI.CUSTOMER, 5),
        (DI.CUSTOMER, "1" * 21),
        (DI.REGION, "123456789"),
        (DI.METER, "12a"),
        (DI.METER, "１２"),
        (DI.WHEN, "2026021510300"),
        (DI.WHEN, "2026-02-15 1030"),
        (DI.WHEN, 20260215103000),
        (DI.SALE, bytes(15)),
        (DI.SALE, ""),
        (DI.TERMINAL, b"T1"),
        (DI.TERMINAL, "\ud800"),
        (DI.TERMINAL, "x" * 2049),
        (DI.SERIAL, b"\0" * 70_000),
        (DI.TARIFF, b""),
        (DI.TARIFF, ROW[:7]),
        (DI.TARIFF, ROW + ROW[:4] + b"\0\0\0\1"),  # (period, step) twice
        (DI.TARIFF, b"\2\1\0\1" + bytes(4)),  # reserved bytes are zero
        (DI.LADDER, bytes.fromhex("0000000200000001")),
        (DI.LADDER, bytes.fromhex("0000000200000002")),
        (0x7F01, b"x"),
        (0x7F01, 1),
    ],
)
def test_what_does_not_have_an_items_form_is_never_said(di, value):
    with pytest.raises(ValueError, match=f"{di:04X}"):
        encode_items({di: value})


@pytest.mark.parametrize(
    ("di", "raw"),
    [
        (DI.COUNT, bytes(3)),
        (DI.COUNT, b""),
        (DI.TOTAL_BOUGHT, bytes(4)),
        (DI.SALE, bytes(15)),
        (DI.WHEN, b""),
        (DI.WHEN, b"2026021510300A"),
        (DI.CUSTOMER, b"1" * 21),
        (DI.CUSTOMER, b"12 4"),
        (DI.REGION, b"123456789"),
        (DI.TOKEN, b"1" * 1025),
        (DI.TARIFF, bytes(7)),
        (DI.LADDER, bytes(5)),
        (DI.VENDOR_CODE, b"001"),
    ],
)
def test_an_answers_item_of_another_form_is_a_fault(di, raw):
    with pytest.raises(ItemFault, match=f"{di:04X}"):
        decode_items({di: raw})


def test_an_answer_may_say_unknown_and_what_nobody_knows_is_skipped():
    assert decode_items({DI.CUSTOMER: b"", DI.METER: b"", 0x7F01: b"\0", 0x0299: b""}) == {
        DI.CUSTOMER: "",
        DI.METER: "",
    }


def test_words_in_another_code_are_still_words():
    assert decode_items({DI.ERROR_TEXT: "no 卡".encode("gbk")}) == {DI.ERROR_TEXT: "no \\xbf\\xa8"}


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)) | st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=6))
def test_any_items_are_values_or_an_item_fault(items):
    try:
        values = decode_items(items)
    except ItemFault:
        return
    assert set(values) == set(items) & KNOWN


@given(st.data())
def test_every_number_comes_back(data):
    di = data.draw(st.sampled_from([di for di in WIDTHS if di not in RAW and di not in TIMES]))
    bits = 8 * WIDTHS[di]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if di in SIGNED else (0, (1 << bits) - 1)
    value = data.draw(st.integers(low, high))
    assert decode_items(encode_items({di: value})) == {di: value}
