"""Notes, keys and checkpoints, held against the public example and bent in every way."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from ledger_story import OFFICE, ORIGIN, office_signer, terminal_signer

from kiosk.ledger.note import (
    HEAD_OFFICE,
    TERMINAL,
    Checkpoint,
    Note,
    Vkey,
    cosign,
    cosignature_time,
    is_head_office,
    is_origin,
    key_id,
    open_checkpoint,
    open_cosigned,
    parse_checkpoint_note,
    parse_cosigned_note,
    sign_checkpoint,
)
from kiosk.model.errors import LedgerFault

TERMINAL_KEY, OFFICE_KEY = terminal_signer(), office_signer()
CHECKPOINT = Checkpoint(ORIGIN, 70_000, bytes(range(32)))
NOTE = sign_checkpoint(TERMINAL_KEY, CHECKPOINT)
COSIGNED = cosign(NOTE, OFFICE_KEY, 1_764_000_000)


def refused(function, *arguments):
    with pytest.raises(LedgerFault) as fault:
        function(*arguments)
    return fault.value.code == "L-501"


def test_the_public_example_of_a_signed_note():
    # c2sp.org/signed-note, "Example"
    key = base64.b64decode("AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")[1:]
    text = (
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZX"
        "sYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    note = Note.parse(text)
    assert str(note) == text
    assert note.signatures[0].key_id == key_id("example.com/foo", TERMINAL, key) == bytes.fromhex("530d903a")
    Ed25519PublicKey.from_public_bytes(key).verify(note.signatures[0].blob, note.body.encode())


def test_a_checkpoint_to_the_byte():
    line = base64.b64encode(TERMINAL_KEY.vkey.key_id + TERMINAL_KEY.sign(str(CHECKPOINT).encode())).decode()
    root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert f"{ORIGIN}\n70000\n{root}\n\n— {ORIGIN} {line}\n" == NOTE
    assert len(line) == 92
    assert open_checkpoint(NOTE, TERMINAL_KEY.vkey) == CHECKPOINT


def test_a_cosignature_signs_time_and_body():
    _, _, line = parse_cosigned_note(COSIGNED)
    message = f"cosignature/v1\ntime 1764000000\n{CHECKPOINT}".encode()
    assert OFFICE_KEY.vkey.verify(message, line.blob[8:])
    assert line.blob[:8] == (1_764_000_000).to_bytes(8, "big")
    assert COSIGNED.startswith(NOTE) and COSIGNED.count("\n") == 6
    opened = open_cosigned(COSIGNED, TERMINAL_KEY.vkey, [OFFICE_KEY.vkey])
    assert (opened.checkpoint, opened.time, opened.by) == (CHECKPOINT, 1_764_000_000, OFFICE_KEY.vkey)


def test_a_cosignature_of_another_time_or_key_does_not_hold():
    _, _, line = parse_cosigned_note(COSIGNED)
    later = COSIGNED.replace(str(line), str(type(line)(line.name, line.key_id, b"\0" * 7 + b"\1" + line.blob[8:])))
    assert refused(open_cosigned, later, TERMINAL_KEY.vkey, [OFFICE_KEY.vkey])
    assert refused(open_cosigned, COSIGNED, TERMINAL_KEY.vkey, [])
    assert refused(open_cosigned, COSIGNED, terminal_signer(seed=b"other").vkey, [OFFICE_KEY.vkey])
    assert cosignature_time(TERMINAL_KEY.vkey, CHECKPOINT, line) is None
    assert refused(open_cosigned, NOTE, TERMINAL_KEY.vkey, [OFFICE_KEY.vkey])


def test_nobody_cosigns_at_time_zero_or_with_a_terminals_key():
    with pytest.raises(ValueError):
        cosign(NOTE, OFFICE_KEY, 0)
    with pytest.raises(ValueError):
        cosign(NOTE, TERMINAL_KEY, 5)
    message = f"cosignature/v1\ntime 0\n{CHECKPOINT}".encode()
    line = type(parse_checkpoint_note(NOTE)[1])(OFFICE, OFFICE_KEY.vkey.key_id, bytes(8) + OFFICE_KEY.sign(message))
    assert cosignature_time(OFFICE_KEY.vkey, CHECKPOINT, line) is None


ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SIGNATURE = NOTE.split("\n")[4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTE[:-1],
        NOTE + "\n",
        NOTE + SIGNATURE + "\n",  # two lines
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n\n", "\nextension\n\n"),
        NOTE.replace("70000", "070000"),
        NOTE.replace("70000", "+70000"),
        NOTE.replace("70000", "７0000"),
        NOTE.replace("70000", "4294967296"),
        NOTE.replace("70000", ""),
        NOTE.replace("70000\n", "70000\r\n"),
        NOTE.replace(ROOT, ROOT[:-1]),
        NOTE.replace(ROOT, ROOT[:-2] + "9="),  # spare bits
        NOTE.replace(ROOT, "AAECAw=="),
        NOTE.replace("kiosk/", "kiosK/"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE.replace("— ", "— x"),  # another name
        NOTE.replace(SIGNATURE, SIGNATURE + "\t"),
        NOTE.replace(SIGNATURE, SIGNATURE[:-1]),
        NOTE.replace(SIGNATURE, SIGNATURE + " "),
        "\ufeff" + NOTE,
        "\ud800" + NOTE,
    ],
    ids=range(24),
)
def test_a_bent_checkpoint_is_refused(text):
    assert text != NOTE
    assert refused(parse_checkpoint_note, text)


def test_a_well_formed_checkpoint_with_another_key_id_or_signature_does_not_hold():
    _, line = parse_checkpoint_note(NOTE)
    for key, blob in ((b"\0\0\0\0", line.blob), (line.key_id, line.blob[:-1]), (line.key_id, bytes(64))):
        text = NOTE.replace(SIGNATURE + "\n", str(type(line)(line.name, key, blob)))
        assert parse_checkpoint_note(text)[0] == CHECKPOINT
        assert refused(open_checkpoint, text, TERMINAL_KEY.vkey)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_checkpoint_is_found(at, change):
    raw = bytearray(NOTE.encode())
    raw[at] ^= change
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return
    assert refused(open_checkpoint, text, TERMINAL_KEY.vkey)


def test_sixteen_signatures_are_read_and_seventeen_are_not():
    body, line = "text\n", "— name AAAAAAA=\n"
    assert len(Note.parse(body + "\n" + line * 16).signatures) == 16
    assert refused(Note.parse, body + "\n" + line * 17)


def test_the_text_of_a_note_ends_at_its_last_empty_line():
    note = Note.parse("a\n\nb\n\n\n— name AAAAAAA=\n")
    assert note.body == "a\n\nb\n\n"


def test_a_vkey_reads_as_it_is_written():
    text = str(TERMINAL_KEY.vkey)
    name, hexed, coded = text.split("+", 2)
    assert name == ORIGIN and len(hexed) == 8 and base64.b64decode(coded) == b"\1" + TERMINAL_KEY.vkey.key
    assert Vkey.parse(text) == TERMINAL_KEY.vkey
    assert Vkey.parse(str(OFFICE_KEY.vkey)) == OFFICE_KEY.vkey
    for wrong in (
        "", name, text.replace("+", "-"), text + "\n", text.replace(hexed, "00000000"), text.upper(),
        f"{name}+{hexed}+{coded[:-4]}", f"{name}+{hexed.upper()}+{coded}" if hexed.upper() != hexed else "x",
    ):  # fmt: skip
        assert refused(Vkey.parse, wrong)


def test_a_vkey_whose_base64_holds_a_plus_is_split_at_the_first_two():
    seeds = (terminal_signer(seed=bytes([at])).vkey for at in range(100))
    vkey = next(each for each in seeds if str(each).count("+") > 2)
    assert Vkey.parse(str(vkey)) == vkey


def test_a_key_bears_the_name_of_its_type():
    key = TERMINAL_KEY.vkey.key
    for name, kind in ((OFFICE, TERMINAL), (ORIGIN, HEAD_OFFICE), (ORIGIN, 2), ("example.com/foo", TERMINAL)):
        assert refused(Vkey, name, kind, key)
    assert refused(Vkey, ORIGIN, TERMINAL, key[:-1])


@pytest.mark.parametrize(
    ("name", "right"),
    [
        (ORIGIN, True),
        ("a/kiosk/b/c/10", True),
        ("a-1.b-.c/kiosk/0/0/1", True),
        ("power.example/kiosk/420100/0007/0", False),
        ("power.example/kiosk/420100/0007/01", False),
        ("power.example/kiosk/420100/0007/", False),
        ("power.example/kiosk/420100/1", False),
        ("power..example/kiosk/420100/0007/1", False),
        ("-power/kiosk/420100/0007/1", False),
        ("https://power.example/kiosk/420100/0007/1", False),
        ("power.example/kiosk/420100/0007/1\n", False),
        (f"{'a' * 33}/kiosk/1/1/1", False),
        (f"{'a' * 32}/kiosk/1/1/1", True),
        (f"{'.'.join(['a' * 32] * 3)}/kiosk/{'1' * 8}/11/{'1' * 4}", False),
        (f"{'.'.join(['a' * 32] * 3)}/kiosk/{'1' * 8}/11/1", True),
    ],
)
def test_the_grammar_of_origins(name, right):
    assert is_origin(name) is right


def test_the_grammar_of_head_offices():
    assert is_head_office(OFFICE) and is_head_office("a/ledger-hq/12")
    assert not any(map(is_head_office, ("a/ledger-hq/0", "a/ledger-hq/", "a/ledger_hq/1", ORIGIN, "a/ledger-hq/1 ")))
