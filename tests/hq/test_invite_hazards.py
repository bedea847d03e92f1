"""Codes among strangers: who knows no code spoils none that was used, and a thousand old ones hold up nobody."""

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.hq import invite as codes
from kiosk.hq.database import lock_everybody
from kiosk.ledger import enrolment
from kiosk.ledger.enrolment import fingerprint, make_request, parse_code
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.sealing import PUBLIC_BYTES
from kiosk.model.errors import EnrolmentRefused, KioskError

PLACE = "power.example/kiosk/420100/0007"
NOON = 1_795_491_600_000


def request(digits, place=PLACE):
    signer = KeySigner(Ed25519PrivateKey.generate(), f"{place}/1")
    return make_request(parse_code(digits), place, signer, bytes(PUBLIC_BYTES))


def ask(hq, raw):
    return hq.client.post("/v1/enrol", content=raw)


def a_wrong_code(digits):
    """Another one with the same number."""
    while (other := enrolment.new_digits(digits[:4])) == digits:
        pass
    return other


def test_wrong_tries_spoil_no_code_that_was_used(hq):
    """Its number is on the page, and anybody may ask: the terminal that waits for the comparison is not sent away."""
    digits = codes.invite(hq.store, PLACE, NOON)
    raw = request(digits)
    answer = ask(hq, raw)
    assert answer.status_code == 200
    for _ in range(codes.TRIES_MAX + 1):
        assert ask(hq, request(a_wrong_code(digits))).status_code == 403
    assert ask(hq, raw).content == answer.content, "an answer that was lost is given again"
    vkey = codes.confirm(hq.store, digits[:4], fingerprint(raw, answer.content), "李四", NOON)
    assert vkey.name == f"{PLACE}/1"


def test_an_open_code_dies_of_five_wrong_tries(hq):
    digits = codes.invite(hq.store, PLACE, NOON)
    for _ in range(codes.TRIES_MAX):
        assert ask(hq, request(a_wrong_code(digits))).status_code == 403
    assert ask(hq, request(digits)).status_code == 429


def test_old_enrolments_cost_a_new_one_nothing(hq, monkeypatch):
    """The intake waits for whoever answers a request: no fingerprint is made there, each takes a core 50 ms."""
    for number in range(5):
        assert ask(hq, request(codes.invite(hq.store, f"{PLACE}{number}", NOON), f"{PLACE}{number}")).status_code == 200
    raw = request(codes.invite(hq.store, PLACE, NOON))
    made = []
    monkeypatch.setattr(codes, "fingerprint", lambda *given: made.append(given) or "")
    assert ask(hq, raw).status_code == 200
    assert made == []


def test_the_number_of_an_epoch_is_given_out_once(hq):
    for epoch in (1, 2, 3):
        digits = codes.invite(hq.store, PLACE, NOON)
        raw = request(digits)
        answer = ask(hq, raw).content
        assert enrolment.read_answer(answer, raw, parse_code(digits)).vkey.name == f"{PLACE}/{epoch}"
        with pytest.raises(EnrolmentRefused, match="another fingerprint"):
            codes.confirm(hq.store, digits[:4], "0000 0000 0000 0000 0000", "李四", NOON)


def test_a_confirmation_and_the_books_of_the_old_epoch_do_not_wait_for_each_other(hq):
    """The clerk holds the old log's row and asks for everybody's lock; who confirms holds that, and wants the row."""
    digits = codes.invite(hq.store, PLACE, NOON)
    raw = request(digits)
    codes.confirm(hq.store, digits[:4], fingerprint(raw, ask(hq, raw).content), "李四", NOON)
    (old,) = hq.store.logs()
    digits = codes.invite(hq.store, PLACE, NOON)
    raw = request(digits)
    shown, went, over = fingerprint(raw, ask(hq, raw).content), [], threading.Event()

    def confirms():
        try:
            went.append(codes.confirm(hq.store, digits[:4], shown, "李四", NOON).name)
        except KioskError as fault:
            went.append(fault)
        finally:
            over.set()
            hq.store.close()

    with hq.store.turn(old.hash) as turn:
        thread = threading.Thread(target=confirms)
        thread.start()
        over.wait(1)  # it has gone as far as it can
        lock_everybody(turn.database)
    thread.join(20)
    assert went == [f"{PLACE}/2"]
    assert [bool(log.retired_ms) for log in hq.store.logs()] == [True, False]
