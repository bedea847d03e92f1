"""How a terminal is enrolled: a one-time code, a request, an answer, and a fingerprint that two people compare.

::

    head office                               terminal
    code, by phone or on paper ─────────────► the keys are made here: one signs, one opens what is sealed to it
            ◄──────────────────── request     their public halves; signed; MAC by a key derived from the code
    answer, MAC by the same key ────────────► origin, head office's keys, old keys, balances, settings, TUF root
    fingerprint of both ═══ a person ═══════► the same fingerprint; only then is the log enrolled

Who listens cannot enrol another key: the request is bound to the code, and the code is not in it. It has 15 secret
digits and is stretched (scrypt, RFC 7914), so trying them all on what was overheard takes a million years of a
processor. Who knows the code, and stands in between, is found by the fingerprint: it covers request and answer, and is
stretched, too, so that no two of them can be made to fit. Both travel on line or on a stick as the same bytes.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, reduce
from hashlib import scrypt, sha256
from typing import Any

import cbor2

from kiosk.ledger.brought import Brought
from kiosk.ledger.files import Files
from kiosk.ledger.installed import Listed
from kiosk.ledger.note import TERMINAL, Signer, Vkey, parse_cosigned_note
from kiosk.ledger.sealing import PUBLIC_BYTES
from kiosk.model.errors import EnrolmentRefused, LedgerFault

REQUEST_FILE, ANSWER_FILE = "enrol-request", "enrol-answer"  # + "-<number>"
MEDIA_TYPE = "application/cbor"
REQUEST_BYTES_MAX = 4_096
ANSWER_BYTES_MAX = 8 << 20
NUMBER_DIGITS, SECRET_DIGITS = 4, 15
CODE_DIGITS = NUMBER_DIGITS + SECRET_DIGITS + 1  # and a check digit
GROUPS, GROUP_DIGITS = 5, 4  # of a fingerprint: 66 bits
MAC_BYTES, SIGNATURE_BYTES, NONCE_BYTES, KEY_BYTES = 32, 64, 16, 32
STRETCH = {"n": 1 << 15, "r": 8, "p": 1, "maxmem": 64 << 20}

_ASK, _TELL, _SHOW = b"prepaid-kiosk/enrol/v1\n", b"prepaid-kiosk/enrolled/v1\n", b"prepaid-kiosk/fingerprint/v1\n"
_DAMM = (  # H. M. Damm 2004: finds every wrong digit and every two that were exchanged
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """A one-time code: ``number`` names it, ``key`` is what it proves; the digits themselves are not kept."""

    number: str
    key: bytes  # 32 bytes


def new_digits(number: str) -> str:
    """Twenty digits for an invitation's number (4 digits), in groups of four."""
    open_part = number + "".join(str(secrets.randbelow(10)) for _ in range(SECRET_DIGITS))
    return in_groups(open_part + _check_digit(open_part))


def new_number() -> str:
    """Four digits."""
    return f"{secrets.randbelow(10**NUMBER_DIGITS):0{NUMBER_DIGITS}}"


def parse_code(text: str) -> Code:
    """The code somebody typed; spaces and hyphens do not count. Raises EnrolmentRefused E-901 for a slip."""
    digits = text.replace(" ", "").replace("-", "").strip()
    if len(digits) != CODE_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise EnrolmentRefused("E-901", f"the code has {CODE_DIGITS} digits; these are {len(digits)} characters")
    if _check_digit(digits[:-1]) != digits[-1]:
        raise EnrolmentRefused("E-901", "a digit of the code is wrong, or two are exchanged")
    number, secret = digits[:NUMBER_DIGITS], digits[NUMBER_DIGITS:-1]
    key = scrypt(secret.encode(), salt=_ASK + number.encode(), dklen=KEY_BYTES, **STRETCH)
    return Code(number, key)


def in_groups(digits: str) -> str:
    """Digits in groups of four, as they are read aloud."""
    return " ".join(digits[at : at + GROUP_DIGITS] for at in range(0, len(digits), GROUP_DIGITS))


def fingerprint(request: bytes, answer: bytes) -> str:
    """Twenty digits in groups of four: the same at both ends exactly if request and answer are."""
    return _shown(sha256(request).digest() + sha256(answer).digest())


@lru_cache(maxsize=256)  # a page of head office shows it again and again
def _shown(digests: bytes) -> str:
    digits = GROUPS * GROUP_DIGITS
    raw = scrypt(digests, salt=_SHOW, dklen=32, **STRETCH)
    return in_groups(f"{int.from_bytes(raw) % 10**digits:0{digits}}")


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two that people typed or read are the same digits."""
    return one.replace(" ", "").replace("-", "") == other.replace(" ", "").replace("-", "")


@dataclass(frozen=True, slots=True)
class Request:
    """What a terminal asks with. ``place``: domain, region and terminal, as its settings name them."""

    number: str
    place: str  # domain/kiosk/region/terminal: an origin without its epoch
    key: bytes  # 32 bytes, public
    nonce: bytes  # 16 bytes
    sealing: bytes  # 1216 bytes: the public key that secrets are sealed to (kiosk/ledger/sealing.py)


def make_request(code: Code, place: str, signer: Signer, sealing: bytes) -> bytes:
    """The bytes that go to head office; ``signer`` is the new key under any name, ``sealing`` the sealing key's raw."""
    fields = {"key": signer.vkey.key, "nonce": secrets.token_bytes(NONCE_BYTES), "number": code.number, "place": place}
    signed = _packed({**fields, "sealing": sealing})
    signed = signer.sign(_ASK + signed) + signed
    return _mac(code.key, _ASK, signed) + signed


def read_request(raw: bytes) -> Request:
    """What a request says; its MAC is not checked yet. Raises EnrolmentRefused E-909 for a malformed one."""
    if not MAC_BYTES + SIGNATURE_BYTES < len(raw) <= REQUEST_BYTES_MAX:
        raise EnrolmentRefused("E-909", "this is no request for enrolment")
    signature, body = raw[MAC_BYTES : MAC_BYTES + SIGNATURE_BYTES], raw[MAC_BYTES + SIGNATURE_BYTES :]
    fields = _unpacked(body, {"key": bytes, "nonce": bytes, "number": str, "place": str, "sealing": bytes})
    request = Request(**fields)
    vkey = named(request.place, 1, request.key)
    if len(request.nonce) != NONCE_BYTES or not vkey.verify(_ASK + body, signature):
        raise EnrolmentRefused("E-909", "the request for enrolment is not signed by its own key")
    if len(request.sealing) != PUBLIC_BYTES:
        raise EnrolmentRefused("E-909", "the request for enrolment brings no sealing key")
    return request


def is_proven(raw: bytes, key: bytes) -> bool:
    """Whether a request was made with the code from which ``key`` is derived."""
    return hmac.compare_digest(raw[:MAC_BYTES], _mac(key, _ASK, raw[MAC_BYTES:]))


def named(place: str, epoch: int, key: bytes) -> Vkey:
    """The vkey of a public key in an epoch of a terminal. Raises EnrolmentRefused E-909."""
    try:
        return Vkey(f"{place}/{epoch}", TERMINAL, key)
    except LedgerFault as fault:
        raise EnrolmentRefused("E-909", f"{place}/{epoch} cannot be a terminal's ledger, or its key is none") from fault


@dataclass(frozen=True, slots=True)
class Answer:
    """What head office gives a terminal."""

    vkey: Vkey  # the terminal's own, with its epoch
    office: tuple[Vkey, ...]  # head office's, the newest first
    keys: tuple[Vkey, ...]  # of the terminal's old epochs
    prev: str  # the old epoch's last cosigned checkpoint, or ""
    brought: tuple[Brought, ...]  # balances of old epochs, by head office's books
    settings: bytes  # as head office wants them; opaque here
    root: bytes  # of the TUF repository; opaque here
    lists: tuple[Listed, ...] = ()  # that were in force in old epochs, by head office's copy


def make_answer(answer: Answer, request: bytes, key: bytes) -> bytes:
    """The bytes that go back to the terminal that sent this request."""
    body = _packed(
        {
            "brought": [row.fields() for row in answer.brought],
            "keys": [str(vkey) for vkey in answer.keys],
            "lists": [listed.row() for listed in answer.lists],
            "office": [str(vkey) for vkey in answer.office],
            "prev": answer.prev,
            "request": sha256(request).digest(),
            "root": answer.root,
            "settings": answer.settings,
            "vkey": str(answer.vkey),
        }
    )
    return _mac(key, _TELL, body) + body


def read_answer(raw: bytes, request: bytes, code: Code) -> Answer:
    """Head office's answer. Raises EnrolmentRefused E-907: not proven by the code, or not to this request."""
    if not MAC_BYTES < len(raw) <= ANSWER_BYTES_MAX:
        raise EnrolmentRefused("E-907", "this is no answer to a request for enrolment")
    body = raw[MAC_BYTES:]
    if not hmac.compare_digest(raw[:MAC_BYTES], _mac(code.key, _TELL, body)):
        raise EnrolmentRefused("E-907", "the answer does not come from who gave out the code, or was changed")
    fields = _unpacked(body, _ANSWER)
    if fields["request"] != sha256(request).digest():
        raise EnrolmentRefused("E-907", "the answer is to another request")
    try:
        if fields["prev"]:
            parse_cosigned_note(fields["prev"])
        return Answer(
            Vkey.parse(fields["vkey"]),
            tuple(map(Vkey.parse, fields["office"])),
            tuple(map(Vkey.parse, fields["keys"])),
            fields["prev"],
            tuple(map(Brought.of, fields["brought"])),
            fields["settings"],
            fields["root"],
            tuple(map(Listed.of, fields["lists"])),
        )
    except (LedgerFault, ValueError, TypeError, AttributeError) as fault:
        raise EnrolmentRefused("E-907", f"the answer cannot be understood: {fault}") from fault


_ANSWER: Mapping[str, type] = {
    "brought": list,
    "keys": list,
    "lists": list,
    "office": list,
    "prev": str,
    "request": bytes,
    "root": bytes,
    "settings": bytes,
    "vkey": str,
}


def put(files: Files, name: str, content: bytes) -> None:
    """Lays a file on a stick: whole under its name, or not at all; durable when it returns. Raises OSError."""
    files.write(f"{name}.new", content)
    files.rename(f"{name}.new", name)
    files.flush("")


@contextmanager
def stick_faults() -> Iterator[None]:
    """Turns what the medium says into EnrolmentRefused E-909."""
    try:
        yield
    except OSError as error:
        raise EnrolmentRefused("E-909", f"the stick cannot be read or written: {error}") from error


def _mac(key: bytes, what: bytes, body: bytes) -> bytes:
    return hmac.digest(key, what + body, "sha256")


def _packed(fields: Mapping[str, Any]) -> bytes:
    return cbor2.dumps(fields, canonical=True)


def _unpacked(body: bytes, types: Mapping[str, type]) -> dict[str, Any]:
    try:
        fields = cbor2.loads(body)
        right = isinstance(fields, dict) and fields.keys() == types.keys() and _packed(fields) == body
    except (cbor2.CBORError, ValueError, TypeError, RecursionError) as error:
        raise EnrolmentRefused("E-909", "this is no request or answer of an enrolment") from error
    if not right or any(type(fields[name]) is not wanted for name, wanted in types.items()):
        raise EnrolmentRefused("E-909", "this is no request or answer of an enrolment")
    return dict(fields)


def _check_digit(digits: str) -> str:
    return reduce(lambda row, digit: _DAMM[int(row)][int(digit)], digits, "0")
