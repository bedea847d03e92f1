"""Secrets sealed to one terminal: only it opens them, whole and unchanged."""

import base64
from dataclasses import replace

import pytest

from kiosk.ledger.sealing import SealingKey, load_sealing_key, make_sealing_key, parse_sealed, seal
from kiosk.model.errors import ConfigFault, LedgerFault

SECRETS = b'rdk = "never use in a real system"\n'  # so long that the base64 ends with "=="


@pytest.fixture
def passphrase(tmp_path):
    (tmp_path / "passphrase").write_text("never use in a real system\n")
    return tmp_path / "passphrase"


@pytest.fixture
def terminal(tmp_path, passphrase):
    make_sealing_key(tmp_path / "sealing-key.pem", passphrase, "420100/0007")
    return load_sealing_key(tmp_path / "sealing-key.pem", passphrase, "420100/0007")


def test_what_is_sealed_to_a_terminal_is_opened_there(terminal, tmp_path):
    key = SealingKey.parse(str(terminal.key))
    text = seal(key, 3, SECRETS).text()
    sealed = parse_sealed(text)
    assert (sealed.terminal, sealed.version) == ("420100/0007", 3)
    assert terminal.open(sealed) == SECRETS
    assert seal(key, 3, SECRETS).text() != text, "a fresh key each time"
    assert b"never use" not in base64.b64decode(text.splitlines()[4]) and "rdk" not in text
    assert b"ENCRYPTED" in (tmp_path / "sealing-key.pem").read_bytes()
    assert (tmp_path / "sealing-key.pem").stat().st_mode & 0o077 == 0


def test_another_terminal_cannot_open_it(terminal, tmp_path, passphrase):
    make_sealing_key(tmp_path / "other.pem", passphrase, "420100/0008")
    other = load_sealing_key(tmp_path / "other.pem", passphrase, "420100/0008")
    sealed = seal(terminal.key, 3, SECRETS)
    with pytest.raises(ConfigFault, match=r"F-715.*another key"):
        other.open(sealed)
    # nor by writing its own name on it: the key is bound by its sum, and the name by the seal
    with pytest.raises(ConfigFault, match="changed on the way"):
        other.open(replace(sealed, terminal="420100/0008", digest=other.key.digest))


@pytest.mark.parametrize("what", ["version", "ephemeral", "kem", "text", "tag"])
def test_a_changed_byte_is_seen(terminal, what):
    sealed = seal(terminal.key, 3, SECRETS)
    if what == "version":
        changed = replace(sealed, version=4)  # an old one made to look new
    else:
        at = {"ephemeral": 0, "kem": 40, "text": 1120, "tag": len(sealed.body) - 1}[what]
        body = bytearray(sealed.body)
        body[at] ^= 1
        changed = replace(sealed, body=bytes(body))
    with pytest.raises(ConfigFault, match=r"F-715.*changed on the way"):
        terminal.open(parse_sealed(changed.text()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "x",
        lambda text: text.replace("version 3", "version 03"),
        lambda text: text.replace("420100/0007", "420100/../0007"),
        lambda text: "\n".join(text.split("\n")[:4]) + "\nAAAA\n",
        lambda text: text.rstrip("\n"),
        lambda text: text[:-4] + chr(ord(text[-4]) + 1) + text[-3:],  # spare bits of the base64's last letter
    ],
)
def test_another_form_is_not_taken(terminal, spoil):
    with pytest.raises(ConfigFault, match="F-715"):
        parse_sealed(spoil(seal(terminal.key, 3, SECRETS).text()))


def test_a_key_is_never_made_over_another_and_needs_its_passphrase(terminal, tmp_path, passphrase):
    with pytest.raises(LedgerFault, match="L-505"):
        make_sealing_key(tmp_path / "sealing-key.pem", passphrase, "420100/0007")
    passphrase.write_text("another\n")
    with pytest.raises(LedgerFault, match="L-505"):
        load_sealing_key(tmp_path / "sealing-key.pem", passphrase, "420100/0007")
    for wrong in ("", "seal1+420100/0007+AAAA", str(terminal.key)[:-4], str(terminal.key).replace("seal1", "seal2")):
        with pytest.raises(LedgerFault, match="L-501"):
            SealingKey.parse(wrong)
