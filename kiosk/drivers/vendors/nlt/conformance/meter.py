"""The meter of an NLT card: what it does with a card that somebody holds in it for three seconds.

As State Grid meters do (credit before parameters, write-back last), but for what the cipher would prove:

- count on the card = own + 1: credited, unless the hoard limit or 999 999.99 yuan would be passed;
- the same or a lower count, or one too high: nothing credited; each time the write-back tells what the meter has;
- another customer than the meter's own: the card is given back untouched;
- what is used up may take the balance below zero: the write-back then has 0 remaining and the overdraft beside it.

Before it credits, the meter spoils the first byte of the write-back, and sets it last: a card pulled out in between
says that nobody can tell (0209 = 3), until it comes again. A meter knows its state from the write-back on the card,
else from this module's memory. One that nobody has met before stands at the base count of the card: 0 on an opening
card, on a reissued one the count the office gave.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

PIN = bytes.fromhex("4E4C54202601")
SIZES = {0x81: 45, 0x82: 74, 0x85: 54, 0x86: 26}
MARK, MOST = bytes.fromhex("4E4C5401"), 99_999_999
RECORD, SEALED, HOARD_LIMIT_GIVEN = 37, 0xA5, 0x01


class State(NamedTuple):
    """What a meter keeps. ``balance``: fen, below zero when overdrawn."""

    customer: bytes
    bought: int
    balance: int


MEMORY: dict[bytes, State] = {}  # meter number, 6 bytes BCD → its state


def clock() -> str:
    """The meter's civil time, YYMMDDhhmm."""
    return time.strftime("%y%m%d%H%M", time.localtime())


def insert(icdev: Any, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in its meter. ``use``: fen used up since the last time. Returns count and remaining, fen."""
    files = _read(icdev)
    if files is None:
        return {"count": 0, "remaining": 0}  # no customer's card of ours: deaf
    meter, customer = files[0x81][30:36], files[0x81][36:42]
    state = _known(files, meter, customer)
    if seconds >= 3 and state.customer == customer and _spoil_write_back(icdev):
        count, balance = state.bought, max(state.balance - use, -MOST)
        bought, amount = _newest(files[0x82])
        if bought == count + 1 and balance + amount <= _hoard_limit(files[0x86]):
            count, balance = bought, balance + amount
        state = MEMORY[meter] = State(customer, count, balance)
        _write_back(icdev, files[0x81], state)
    return {"count": state.bought, "remaining": state.balance}


def _read(icdev: Any) -> dict[int, bytes] | None:
    """The four files of a whole opening or reissued card."""
    icdev.transmit(bytes.fromhex("00A40000023F00"))
    icdev.transmit(bytes.fromhex("00A4000002DF01"))
    files = {name: icdev.transmit(bytes((0, 0xB0, name, 0, size)))[:-2] for name, size in SIZES.items()}
    if any(len(files[name]) != size for name, size in SIZES.items()) or files[0x81][6:10] != MARK:
        return None
    whole = _whole(files[0x81], b"\x01") and _whole(files[0x86], b"\x86")
    return files if whole and files[0x81][42] in (1, 3) and _decimal(files[0x81][30:42]) else None


def _whole(frame: bytes, code: bytes) -> bool:
    head = b"\x68" + code + (len(frame) - 6).to_bytes(2)
    return frame.startswith(head) and frame[-2] == sum(frame[1:-2]) & 0xFF and frame[-1] == 0x16


def _decimal(field: bytes) -> bool:
    return field.hex().isdigit()


def _known(files: dict[int, bytes], meter: bytes, customer: bytes) -> State:
    back = files[0x85][:49]
    if _whole(back, b"\x11") and back[11:17] == meter and _decimal(back[17:23] + back[31:35]):
        balance = int.from_bytes(back[23:27]) - int(back[31:35].hex())
        return State(back[17:23], int.from_bytes(back[27:31]), balance)
    return MEMORY.get(meter, State(customer, int.from_bytes(files[0x86][11:15]), 0))


def _newest(wallet: bytes) -> tuple[int, int]:
    """Count and fen of the newest whole purchase, (0, 0) without one."""
    records = [wallet[at : at + RECORD] for at in (0, RECORD)]
    whole = [each for each in records if each[36] == SEALED and sum(each[:35]) & 0xFF == each[35]]
    return max(((int.from_bytes(each[4:8]), int.from_bytes(each[:4])) for each in whole), default=(0, 0))


def _hoard_limit(own: bytes) -> int:
    limit = int.from_bytes(own[16:20]) if own[15] & HOARD_LIMIT_GIVEN else 0
    return min(limit or MOST, MOST)


def _spoil_write_back(icdev: Any) -> bool:
    """Whether the card can be written: then its write-back is neither empty nor whole."""
    icdev.transmit(bytes.fromhex("0020000106") + PIN)
    return bool(icdev.transmit(bytes.fromhex("00D6850001FF")) == b"\x90\x00")


def _write_back(icdev: Any, parameters: bytes, state: State) -> None:
    """File 85, its first byte last."""
    remaining, owed = max(0, state.balance), max(0, -state.balance)
    content = parameters[4:5] + parameters[24:42] + remaining.to_bytes(4) + state.bought.to_bytes(4)
    content += bytes.fromhex(f"{owed:08d}") + bytes(4) + bytes(3) + bytes.fromhex(clock())  # no key, nothing illegal
    body = b"\x11" + len(content).to_bytes(2) + content
    count = state.bought.to_bytes(4)
    rest = body + bytes((sum(body) & 0xFF, 0x16)) + count + bytes(((0xA5 + sum(count)) & 0xFF,))
    icdev.transmit(bytes.fromhex("00D6850135") + rest)
    icdev.transmit(bytes.fromhex("00D685000168"))
