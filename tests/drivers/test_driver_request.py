"""Requests: the table of contract 1 §2, typed once more, and one PURCHASE to the byte."""

import pytest

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import unpack_items
from kiosk.drivers.request import NEEDS, WRITING, purchase_values, request
from kiosk.model.card import WriteOrder

VALUES = {
    0x0202: "420100",
    0x0203: "1234567890",
    0x0204: "0042",
    0x0206: 3,
    0x0207: 10000,
    0x0208: 18867,
    0x0401: 50,
    0x0412: "20260301000000",
    0x0501: "20260215103000",
    0x0502: "T1",
    0x0503: "张三",
    0x0504: bytes(range(16)),
    0x0505: 1,
}
MUST = {
    0x10: "",
    0x11: "",
    0x12: "0202 0203 0204 0501 0502",
    0x13: "0203 0204 0206 0207 0208 0501 0502 0504",
    0x14: "0202 0203 0204 0206 0501 0502",
    0x15: "0203 0204 0206 0501 0502",
    0x16: "0202 0501 0502 0401",
    0x17: "0501 0502",
    0x18: "0203 0204 0206 0207 0208 0501 0502",
}
MAY = {
    0x10: "",
    0x11: "",
    0x12: "0401 0412 0503",
    0x13: "0202 0401 0412 0503",
    0x14: "0401 0412 0503",
    0x15: "0505 0503",
    0x16: "0204 0412 0503",
    0x17: "0202 0503",
    0x18: "0503",
}
WHOLE = {0x12: "0206 0207 0208 0504", 0x14: "0207 0208 0504"}
PURCHASE = """
68 13 00 64
02 03 00 0A 31 32 33 34 35 36 37 38 39 30  02 04 00 04 30 30 34 32
02 06 00 04 00 00 00 03  02 07 00 04 00 00 27 10  02 08 00 04 00 00 49 B3
05 01 00 0E 32 30 32 36 30 32 31 35 31 30 33 30 30 30  05 02 00 02 54 31
05 04 00 10 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F  02 02 00 06 34 32 30 31 30 30
DA 16
"""


def items(text):
    return {int(di, 16): VALUES[int(di, 16)] for di in text.split()}


def order(**changes):
    given = dict(sale=bytes(range(16)), customer="1234567890", meter="0042", region="420100", count=3)
    return WriteOrder(**(given | dict(amount_fen=10000, energy_centi_kwh=18867) | changes))


def test_a_purchase_to_the_byte():
    values = purchase_values(order(), "20260215103000", "T1")
    assert request(Command.PURCHASE, values).encode() == bytes.fromhex(PURCHASE)


def test_a_card_without_a_region_is_not_asked_for_one():
    assert DI.REGION not in purchase_values(order(region=""), "20260215103000", "T1")


def test_describe_and_read_to_the_byte():
    assert request(Command.DESCRIBE).encode() == bytes.fromhex("68 10 00 00 10 16")
    assert request(Command.READ, {}).encode() == bytes.fromhex("68 11 00 00 11 16")


@pytest.mark.parametrize("command", Command)
def test_what_a_command_must_have_is_enough_and_none_of_it_too_much(command):
    needed = items(MUST[command])
    assert set(unpack_items(request(command, needed).data)) == set(needed)
    for di in needed:
        with pytest.raises(ValueError, match=command.name):
            request(command, {each: value for each, value in needed.items() if each != di})


@pytest.mark.parametrize("command", Command)
def test_what_a_command_may_have_is_taken_and_nothing_else(command):
    needed, free, whole = items(MUST[command]), items(MAY[command]), items(WHOLE.get(command, ""))
    assert set(unpack_items(request(command, needed | free | whole).data)) == set(needed | free | whole)
    for di in VALUES.keys() - needed.keys() - free.keys() - whole.keys():
        with pytest.raises(ValueError, match=f"{di:04X} has no place here"):
            request(command, {**needed, di: VALUES[di]})


@pytest.mark.parametrize("command", WHOLE)
def test_a_purchase_comes_whole_or_not_at_all(command):
    for di in WHOLE[command].split():
        with pytest.raises(ValueError, match="only a part of a purchase"):
            request(Command(command), items(MUST[command]) | items(di))


def test_set_wants_at_least_one_setting():
    with pytest.raises(ValueError, match="none of the 04xx"):
        request(Command.SET, items("0202 0501 0502 0204"))


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ValueError, match=r"0203 is missing, 0206 is missing, 0501 is missing, 0208 has no place here"):
        request(Command.CLEAR, items("0204 0502 0208"))


def test_all_commands_but_two_can_leave_a_card_unknown():
    assert set(Command) - WRITING == {0x10, 0x11}
    assert set(NEEDS) == set(Command)


@pytest.mark.parametrize(
    "changes", [{"count": -1}, {"amount_fen": 1 << 32}, {"customer": ""}, {"meter": "x"}, {"sale": b"short"}]
)
def test_an_order_that_does_not_fit_the_items_is_refused_before_anything_is_sent(changes):
    with pytest.raises(ValueError, match="item"):
        request(Command.PURCHASE, purchase_values(order(**changes), "20260215103000", "T1"))


def test_more_than_a_frame_holds_is_a_value_error():
    needed = items(MUST[0x12])
    with pytest.raises(ValueError, match="2048"):
        request(Command.OPEN, needed | {DI.TERMINAL: "x" * 1000, DI.OPERATOR: "y" * 1000}).encode()
