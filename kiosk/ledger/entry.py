"""One ledger entry and its bytes: contract 2 §2.

An entry is one CBOR item in the deterministic form of RFC 8949 §4.2.1. What is signed are bytes, so ``decode`` is
strict: whatever ``encode`` would not have written byte for byte is refused. Three traps of the CBOR library are met
here: it takes duplicate keys, long forms and bytes behind the item (found by encoding again and comparing), it knows
many tags (found by the types they become), and a few bytes of shared references can unfold into a huge tree (found
by counting: each value took at least one byte).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cbor2

from kiosk.model.errors import LedgerFault

ENTRY_BYTES_MAX = 16_384
CLOSED_BYTES_MAX = 512  # sale.closed, so that it fits a receipt's QR
DEPTH_MAX = 16  # of arrays and maps; the entry's own map is 1
AT_MAX = 2**53 - 1
UINT_MAX = 2**64 - 1
POSTINGS_MAX = 64
FEN_MAX = 10**12
SALE_BYTES = 16

_PART = "[A-Za-z0-9._-]{1,64}"
_ACCOUNT = re.compile(
    f"cash:box|cash:bag:{_PART}|qr:{_PART}|owed:{_PART}:{_PART}|sold:{_PART}|voucher:{_PART}|unassigned"
    f"|carried:{_PART}|over-short|float"
)
_KEYS = {"at", "seq", "boot", "data", "kind", "post"}

Postings = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller wants recorded; the journal adds place and time."""

    kind: str
    sale: bytes | None
    post: Postings
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded fact. ``at`` is UTC ms, a claim; ``seq`` gives the order. Postings in fen, debit positive."""

    seq: int
    at: int
    boot: int
    kind: str
    sale: bytes | None
    post: Postings
    data: Mapping[str, Any]


def is_account(name: str) -> bool:
    """Whether a text is an account's name."""
    return _ACCOUNT.fullmatch(name) is not None


def encode(entry: Entry) -> bytes:
    """The one byte form of an entry. Raises ValueError for an entry that breaks contract 2 §2."""
    _check(entry)
    item: dict[str, Any] = {
        "at": entry.at,
        "seq": entry.seq,
        "boot": entry.boot,
        "data": _canonical(entry.data, 2, [ENTRY_BYTES_MAX]),
        "kind": entry.kind,
        "post": entry.post,
    }
    if entry.sale is not None:
        item["sale"] = entry.sale
    raw = cbor2.dumps(item)
    _check_length(entry.kind, len(raw))
    return raw


def decode(raw: bytes) -> Entry:
    """The entry of exactly these bytes. Raises LedgerFault L-501 unless they keep every rule of contract 2 §2."""
    try:
        return _decode(raw)
    except (ValueError, cbor2.CBORDecodeError) as error:
        raise LedgerFault("L-501", f"not an entry: {error}") from error


def _decode(raw: bytes) -> Entry:
    if not 1 <= len(raw) <= ENTRY_BYTES_MAX:
        raise ValueError(f"{len(raw)} bytes")
    value = cbor2.loads(
        raw, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False, strict_hashable_types=True
    )
    if type(value) is not dict:
        raise ValueError("not a map")
    if cbor2.dumps(_canonical(value, 1, [len(raw)])) != raw:
        raise ValueError("not in deterministic form, or bytes follow it")
    if value.keys() - {"sale"} != _KEYS:
        raise ValueError(f"keys {sorted(value)}")
    if type(value["post"]) is not list:
        raise ValueError("post is not an array")
    post = tuple(_posting(row) for row in value["post"])
    entry = Entry(value["seq"], value["at"], value["boot"], value["kind"], value.get("sale"), post, value["data"])
    _check(entry)
    _check_length(entry.kind, len(raw))
    return entry


def _posting(row: object) -> tuple[str, int]:
    if type(row) is not list or len(row) != 2:
        raise ValueError("a posting is not a pair")
    return row[0], row[1]


def _canonical(value: Any, depth: int, left: list[int]) -> Any:
    """The value with its maps in the order of their encoded keys; ``left`` counts down the values it may still hold."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("more values than bytes")
    kind = type(value)
    if kind is str or kind is bytes or kind is bool:
        return value
    if kind is int:
        if not -UINT_MAX - 1 <= value <= UINT_MAX:
            raise ValueError("an integer beyond 64 bits")
        return value
    if depth > DEPTH_MAX:
        raise ValueError(f"deeper than {DEPTH_MAX}")
    if kind is list or kind is tuple:
        return [_canonical(each, depth + 1, left) for each in value]
    if isinstance(value, Mapping):
        return {key: _canonical(value[key], depth + 1, left) for key in sorted(value, key=_key_order)}
    raise ValueError(f"a {kind.__name__} in an entry")


def _key_order(key: object) -> tuple[int, bytes]:
    """Sorts as the encoded keys do: the head of a text grows with its length, and then come its bytes."""
    if type(key) is not str:
        raise ValueError("a key that is not text")
    text = key.encode()
    return len(text), text


def _check(entry: Entry) -> None:
    for name, number, most in (("seq", entry.seq, UINT_MAX), ("at", entry.at, AT_MAX), ("boot", entry.boot, UINT_MAX)):
        if type(number) is not int or not 0 <= number <= most:
            raise ValueError(f"{name} {number!r}")
    if type(entry.kind) is not str:
        raise ValueError("kind is not text")
    if entry.sale is not None and (type(entry.sale) is not bytes or len(entry.sale) != SALE_BYTES):
        raise ValueError("sale is not 16 bytes")
    if not isinstance(entry.data, Mapping):
        raise ValueError("data is not a map")
    if entry.post:
        _check_postings(entry.post)


def _check_postings(post: Postings) -> None:
    if len(post) > POSTINGS_MAX:
        raise ValueError(f"{len(post)} postings")
    total, before = 0, ""
    for account, fen in post:
        if type(account) is not str or not is_account(account):
            raise ValueError(f"account {account!r}")
        if account <= before:  # the grammar is ASCII: the order of texts is that of their bytes
            raise ValueError("postings not in order, or an account twice")
        if type(fen) is not int or not 0 < abs(fen) <= FEN_MAX:
            raise ValueError(f"a posting of {fen!r} fen")
        total, before = total + fen, account
    if total:
        raise ValueError(f"postings sum to {total} fen")


def _check_length(kind: str, length: int) -> None:
    if length > (CLOSED_BYTES_MAX if kind == "sale.closed" else ENTRY_BYTES_MAX):
        raise ValueError(f"{kind} of {length} bytes")
