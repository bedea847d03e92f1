"""The signing key in a PKCS#11 token, against a real one (SoftHSM)."""

import threading
from dataclasses import replace

import pytest
from enrol_stage import PLACE, Clock

from kiosk.ledger.entry import Draft
from kiosk.ledger.hardware.token import TokenSigner, make_token_key
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.errors import LedgerFault

KEY, ORIGIN = b"key-of-this-test", f"{PLACE}/1"


@pytest.fixture
def place(tokens):
    made = tokens.make()
    make_token_key(made, KEY)
    return made


def refused(call, *arguments):
    with pytest.raises(LedgerFault) as fault:
        call(*arguments)
    assert fault.value.code == "L-505"
    assert "57203946" not in str(fault.value) and "57203946" not in repr(fault.value.__cause__)
    return str(fault.value)


def test_what_it_signs_verifies_with_the_key_it_shows(place):
    signer = TokenSigner(place, KEY, ORIGIN)
    for message in (b"", b"message", b"m" * 10_000):
        assert signer.vkey.verify(message, signer.sign(message))
    second = TokenSigner(place, KEY, ORIGIN)
    assert second.vkey == signer.vkey and second.sign(b"x") == signer.sign(b"x")
    signer.close()
    assert signer.vkey.verify(b"y", second.sign(b"y")), "who signs beside is not logged out for good"


def test_the_key_cannot_be_taken_out(place):
    import pkcs11
    from soft_token import PIN

    token = pkcs11.lib(str(place.module)).get_token(token_label=place.label)
    with token.open(user_pin=PIN) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=KEY)
        assert not key[pkcs11.Attribute.EXTRACTABLE] and key[pkcs11.Attribute.NEVER_EXTRACTABLE]
        assert key[pkcs11.Attribute.SENSITIVE] and key[pkcs11.Attribute.LOCAL]
        with pytest.raises(pkcs11.PKCS11Error):
            key[pkcs11.Attribute.VALUE]


def test_a_whole_ledger_signed_by_the_token_verifies(place, tmp_path):
    signer, path = TokenSigner(place, KEY, ORIGIN), tmp_path / "ledger.db"
    with Journal.create(path, signer, ORIGIN, "", "new", Clock()) as journal:
        for _ in range(20):
            journal.append([Draft("terminal.stopped", None, (), {"why": "test"})])
    with JournalReader(path) as log:
        assert finish(verify_journal(log, [signer.vkey])).good
    with Journal.open(path, TokenSigner(place, KEY, ORIGIN), Clock()) as journal:
        assert journal.size == 21


def test_many_threads_sign_with_one_token(place):
    signer, good = TokenSigner(place, KEY, ORIGIN), []

    def work(number):
        message = str(number).encode()
        good.append(signer.vkey.verify(message, signer.sign(message)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert good == [True] * 16


def test_what_does_not_fit_is_told_without_the_pin(place, tmp_path):
    wrong = tmp_path / "pin"
    wrong.write_text("00000000")
    wrong.chmod(0o600)
    refused(TokenSigner, place, b"another key id..", ORIGIN)
    refused(TokenSigner, replace(place, label="no such token"), KEY, ORIGIN)
    refused(TokenSigner, replace(place, module=tmp_path / "none.so"), KEY, ORIGIN)
    assert "00000000" not in refused(TokenSigner, replace(place, pin_file=wrong), KEY, ORIGIN)
    refused(TokenSigner, replace(place, pin_file=tmp_path / "none"), KEY, ORIGIN)
    wrong.chmod(0o644)
    assert "chmod 600" in refused(TokenSigner, replace(place, pin_file=wrong), KEY, ORIGIN)
    assert TokenSigner(place, KEY, ORIGIN).sign(b"x"), "the token is not locked by it"


def test_a_session_that_was_lost_is_opened_again(place):
    import pkcs11

    signer = TokenSigner(place, KEY, ORIGIN)
    signer._session.close()
    assert signer.vkey.verify(b"x", signer.sign(b"x"))
    assert isinstance(signer._key, pkcs11.PrivateKey)


def test_while_it_is_gone_nothing_is_signed_and_nothing_recorded(place, tmp_path):
    good = place.pin_file
    pin = tmp_path / "pin"
    pin.write_bytes(good.read_bytes())
    pin.chmod(0o600)
    signer = TokenSigner(replace(place, pin_file=pin), KEY, ORIGIN)
    with Journal.create(tmp_path / "ledger.db", signer, ORIGIN, "", "new", Clock()) as journal:
        pin.rename(tmp_path / "away")
        signer.close()
        refused(journal.append, [Draft("terminal.stopped", None, (), {"why": "test"})])
        assert journal.size == 1
        (tmp_path / "away").rename(pin)
        journal.append([Draft("terminal.stopped", None, (), {"why": "test"})])
        assert journal.size == 2
