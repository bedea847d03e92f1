"""Codes at head office: given out, asked with, confirmed, refused; and terminals that are blocked or retired."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fakes import NOON, ORIGIN

from kiosk.hq.carried import left_of
from kiosk.hq.enrol import change
from kiosk.hq.invite import asked, confirm, invite, refuse, tidy
from kiosk.hq.reports import fleet
from kiosk.ledger.enrolment import fingerprint, make_request, parse_code, read_answer
from kiosk.ledger.keys import KeySigner
from kiosk.model.errors import EnrolmentRefused

HOUR = 3_600_000
SEALING = bytes(1216)
PLACE = "power.example/kiosk/420100/0007"


def key(seed=b"NEVER USE"):
    return KeySigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest()), f"{PLACE}/1")


def ask(hq, digits, signer=None, place=PLACE):
    request = make_request(parse_code(digits), place, signer or key(), SEALING)
    return request, hq.client.post("/v1/enrol", content=request)


def refused(code, call, *arguments):
    with pytest.raises(EnrolmentRefused) as why:
        call(*arguments)
    assert why.value.code == code


def test_asked_confirmed_enrolled(hq):
    digits = invite(hq.store, PLACE, NOON)
    request, answer = ask(hq, digits)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/cbor"
    given = read_answer(answer.content, request, parse_code(digits))
    assert [str(vkey) for vkey in given.office] == [hq.vkey] and given.vkey.name == ORIGIN and given.prev == ""
    assert hq.client.get(f"/v1/logs/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint").status_code == 404
    (waiting,) = asked(hq.store)
    assert (waiting.state, waiting.fingerprint) == ("asked", fingerprint(request, answer.content))
    assert waiting.fingerprint in hq.client.get("/?lang=en").text, "the page shows it to compare"
    confirm(hq.store, digits[:4], waiting.fingerprint, "李四", NOON)
    assert [log.origin for log in hq.store.logs()] == [ORIGIN] and asked(hq.store) == []
    assert "confirm" not in hq.client.get("/?lang=en").text
    confirm(hq.store, digits[:4], waiting.fingerprint, "李四", NOON)
    assert hq.client.post("/v1/enrol", content=request).content == answer.content, "the same answer ever after"


def test_five_wrong_tries_end_a_code_whoever_made_them(hq):
    digits = invite(hq.store, PLACE, NOON)
    wrong = invite(hq.store, "power.example/kiosk/420100/0008", NOON)
    forged = make_request(parse_code(wrong), PLACE, key(), SEALING)
    body = forged.replace(wrong[:4].encode(), digits[:4].encode())
    for status in (400,) * 3:  # not even signed by its own key: no try of anybody who knows the number
        assert hq.client.post("/v1/enrol", content=body).status_code == status
    assert [row.tries for row in asked(hq.store)] == [0, 0]
    from kiosk.ledger.enrolment import Code

    for tries in range(1, 7):
        request = make_request(Code(digits[:4], b"k" * 32), PLACE, key(), SEALING)
        answer = hq.client.post("/v1/enrol", content=request)
        assert (answer.status_code, answer.text[:5]) == ((403, "E-906") if tries <= 5 else (429, "E-905"))
    assert ask(hq, digits)[1].status_code == 429
    assert [row.state for row in asked(hq.store, all_=True) if row.number == digits[:4]] == ["dead"]


def test_what_each_refusal_answers(hq):
    digits = invite(hq.store, PLACE, NOON, hours=1)
    assert ask(hq, digits, place="power.example/kiosk/420100/0008")[1].status_code == 404
    assert ask(hq, digits)[1].status_code == 200
    assert ask(hq, digits, key(b"another"))[1].status_code == 409
    late = invite(hq.store, "power.example/kiosk/420100/0008", NOON, hours=1)
    hq.clock.ms += HOUR
    assert ask(hq, late, place="power.example/kiosk/420100/0008")[1].status_code == 410
    assert hq.client.post("/v1/enrol", content=b"rubbish").status_code == 400
    assert hq.client.post("/v1/enrol", content=bytes(5_000)).status_code == 413


def test_a_person_refuses_and_takes_back(hq):
    digits = invite(hq.store, PLACE, NOON)
    ask(hq, digits)
    refuse(hq.store, digits[:4], "李四")
    refused("E-909", refuse, hq.store, digits[:4], "李四")
    refused("E-909", confirm, hq.store, digits[:4], asked(hq.store, all_=True)[0].fingerprint, "李四", NOON)
    refused("E-902", confirm, hq.store, "0000" if digits[:4] != "0000" else "0001", "", "李四", NOON)
    assert ask(hq, digits)[1].status_code == 409
    refused("E-909", invite, hq.store, "power.example/kiosk/42 0100/0007", NOON)
    assert tidy(hq.store, NOON + 1) == 1 and asked(hq.store, all_=True) == []


def test_the_next_epoch_gets_the_old_ones_debts_cash_and_last_cosigned_note(hq, terminal):
    terminal.append(
        "sale.opened", b"s" * 16, vendor="1a2b", customer="10086", meter="0007", region="420100", count=7, unit=1,
        price=5600, tariff=1, limit=5000, brought=0,
    )  # fmt: skip
    terminal.sell(b"s" * 16, 0, 0, [5000], count=7)
    hq.post(terminal, terminal.batch())
    cosigned = hq.get(terminal).text
    digits = invite(hq.store, PLACE, NOON)
    request, answer = ask(hq, digits)
    given = read_answer(answer.content, request, parse_code(digits))
    assert given.vkey.name == f"{PLACE}/2" and given.prev == cosigned
    assert [str(vkey) for vkey in given.keys] == [terminal.vkey]
    assert {(row.account, row.fen, row.bound) for row in given.brought} == {
        ("owed:1a2b:10086", -5000, 7),
        ("cash:box", 5000, None),
    }
    (waiting,) = asked(hq.store)
    confirm(hq.store, digits[:4], waiting.fingerprint, "李四", NOON)
    assert {row.state for row in fleet(hq.store, NOON, 7, 36 * HOUR).terminals} == {"retired", "new"}
    terminal.grow(1)
    assert hq.post(terminal, terminal.batch()).status_code == 200, "the true tail of the old epoch is taken"


def test_blocked_is_403_and_retired_is_not(hq, terminal):
    hq.post(terminal, terminal.batch())
    change(hq.store, ORIGIN, blocked=True)
    assert hq.post(terminal, terminal.batch()).status_code == 403 and hq.get(terminal).status_code == 403
    change(hq.store, ORIGIN, blocked=False)
    change(hq.store, ORIGIN, retired_ms=NOON)
    terminal.sell(b"s" * 16, 0, 0, [5000])
    assert hq.post(terminal, terminal.batch()).status_code == 200
    hq.app.state.clerk.settle(10)
    assert left_of(hq.store, hq.log(terminal)) == {"cash:box": 5000, "owed:1a2b:10086": -5000}
    hq.clock.ms += 1_000 * HOUR
    (row,) = fleet(hq.store, hq.clock.ms, 7, 36 * HOUR).terminals
    assert (row.state, row.held.owed_fen) == ("retired", 5000), "nobody expects a word of it, and its debts are shown"
    assert "Retired" in hq.client.get("/?lang=en").text


def test_a_second_terminal_of_the_same_name_gets_no_key_twice(hq):
    first = invite(hq.store, PLACE, NOON)
    ask(hq, first)
    confirm(hq.store, first[:4], asked(hq.store)[0].fingerprint, "李四", NOON)
    second = invite(hq.store, PLACE, NOON)
    assert ask(hq, second)[1].status_code == 503, "an epoch is one key"
