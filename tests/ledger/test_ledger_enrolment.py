"""The code, the request, the answer, the fingerprint: what a listener, a forger and a slip of the finger get."""

import pytest
from ledger_story import OFFICE, terminal_signer

from kiosk.ledger.brought import Brought, Doubt
from kiosk.ledger.enrolment import (
    Answer,
    fingerprint,
    is_proven,
    make_answer,
    make_request,
    new_digits,
    parse_code,
    read_answer,
    read_request,
    same_fingerprint,
)
from kiosk.ledger.installed import Listed
from kiosk.ledger.note import HEAD_OFFICE, Vkey
from kiosk.model.errors import EnrolmentRefused

PLACE = "power.example/kiosk/420100/0007"
DIGITS = new_digits("4821")
CODE = parse_code(DIGITS)
KEY = terminal_signer(f"{PLACE}/1")
SEALING = bytes(range(256)) * 4 + bytes(192)
REQUEST = make_request(CODE, PLACE, KEY, SEALING)
ROWS = (
    Brought(1, "owed:0001:10086", -5000, ("0001", "10086", "70001"), "420100", 8928, bound=7),
    Brought(1, "owed:0001:10087", -2000, ("0001", "10087", "70002"), "420100", 3571, doubt=Doubt(b"s" * 16, 4, "v-1")),
    Brought(1, "cash:box", 12000),
)
LISTS = (Listed("price", 7, b"p" * 32), Listed("vendor/rdk", 3, b"v" * 32))
ANSWER = Answer(
    Vkey(f"{PLACE}/2", 1, KEY.vkey.key),
    (Vkey(OFFICE, HEAD_OFFICE, bytes(32)),),
    (KEY.vkey,),
    "",
    ROWS,
    b"[x]",
    b"{}",
    LISTS,
)
RAW = make_answer(ANSWER, REQUEST, CODE.key)


def refused(code, call, *arguments):
    with pytest.raises(EnrolmentRefused) as why:
        call(*arguments)
    assert why.value.code == code
    return str(why.value)


def test_a_code_is_twenty_digits_and_is_typed_with_or_without_gaps():
    assert len(DIGITS.replace(" ", "")) == 20 and DIGITS.startswith("4821 ")
    plain = parse_code(DIGITS.replace(" ", "-"))
    assert (plain.number, plain.key) == ("4821", CODE.key)
    assert new_digits("4821") != DIGITS


def test_every_wrong_digit_and_every_two_exchanged_are_a_slip():
    digits = DIGITS.replace(" ", "")
    for place in range(20):
        wrong = digits[:place] + str((int(digits[place]) + 1) % 10) + digits[place + 1 :]
        refused("E-901", parse_code, wrong)
    for place in range(19):
        if digits[place] != digits[place + 1]:
            refused("E-901", parse_code, digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :])
    for wrong in ("", "12", digits + "0", "x" * 20, "１" * 20):
        assert digits not in refused("E-901", parse_code, wrong)


def test_a_request_says_who_asks_and_shows_no_code():
    request = read_request(REQUEST)
    assert (request.number, request.place, request.key) == ("4821", PLACE, KEY.vkey.key)
    assert request.sealing == SEALING
    refused("E-909", read_request, make_request(CODE, PLACE, KEY, SEALING[1:]))
    assert is_proven(REQUEST, CODE.key)
    assert DIGITS.replace(" ", "")[4:].encode() not in REQUEST and CODE.key not in REQUEST


def test_another_code_proves_nothing():
    other = parse_code(new_digits("4821"))
    assert not is_proven(REQUEST, other.key)
    refused("E-907", read_answer, RAW, REQUEST, other)


@pytest.mark.parametrize("place", range(0, len(REQUEST), 7))
def test_no_byte_of_a_request_can_be_changed(place):
    forged = REQUEST[:place] + bytes([REQUEST[place] ^ 1]) + REQUEST[place + 1 :]
    try:
        read_request(forged)
    except EnrolmentRefused:
        return
    assert not is_proven(forged, CODE.key)


def test_a_listener_cannot_put_his_own_key_into_it():
    forger = terminal_signer(f"{PLACE}/1", b"NEVER USE IN A REAL SYSTEM forger")
    forged = make_request(parse_code(new_digits("4821")), PLACE, forger, SEALING)
    assert not is_proven(forged, CODE.key)
    spliced = REQUEST[:32] + forged[32:]
    assert not is_proven(spliced, CODE.key)


def test_an_answer_comes_back_as_it_was_meant():
    assert read_answer(RAW, REQUEST, CODE) == ANSWER


@pytest.mark.parametrize("place", range(0, len(RAW), 11))
def test_no_byte_of_an_answer_can_be_changed(place):
    forged = RAW[:place] + bytes([RAW[place] ^ 1]) + RAW[place + 1 :]
    refused("E-907", read_answer, forged, REQUEST, CODE)


def test_an_answer_to_another_request_is_none():
    again = make_request(CODE, PLACE, KEY, SEALING)
    assert again != REQUEST
    refused("E-907", read_answer, RAW, again, CODE)
    refused("E-907", read_answer, b"", REQUEST, CODE)


def test_the_fingerprint_is_the_same_at_both_ends_and_for_nothing_else():
    shown = fingerprint(REQUEST, RAW)
    assert len(shown) == 24 and shown == fingerprint(bytes(REQUEST), bytes(RAW))
    assert same_fingerprint(shown, shown.replace(" ", "")) and not same_fingerprint(shown, shown[:-1])
    assert fingerprint(make_request(CODE, PLACE, KEY, SEALING), RAW) != shown
    assert fingerprint(REQUEST, RAW + b"x") != shown


@pytest.mark.parametrize("raw", [b"", b"x" * 97, b"x" * 5_000, REQUEST[:-1], REQUEST + b"x"])
def test_what_is_no_request_is_told_apart(raw):
    refused("E-909", read_request, raw)


@pytest.mark.parametrize(
    "row",
    [
        *(["price", 7], ["price", 7, "p" * 32], ["price", True, b"p" * 32], "price"),
        *(["price", 0, b"p" * 32], ["price", 7, b"p"], ["prices", 7, b"p" * 32], ["vkeys", 7, b"p" * 32]),
        *(["vendor", 7, b"p" * 32], ["price/x", 7, b"p" * 32], ["price", 2**63, b"p" * 32]),
    ],
)
def test_what_is_no_list_in_force_is_told_apart(row):
    with pytest.raises(ValueError, match="list"):
        Listed.of(row)
