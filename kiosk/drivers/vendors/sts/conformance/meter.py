"""The meter behind a keypad that takes STS credit tokens: what it does with the digits somebody types.

Written from IEC 62055-41's account of the meter's side, not from driver.py: bits back into place, EA07 backwards with
the tables for deciphering, CRC, then the TID. It remembers the 50 newest TIDs it took: one it knows is "used", one
before the oldest of 50 is "too old". Its decoder key is made from the test key in blank.toml. A meter nobody has met
has taken nothing and is empty. It knows electricity (class 0, subclass 0) and nothing else.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DIGITS, TOKEN_BITS, REMEMBERED = 20, 66, 50
BACK = (
    55, 54, 8, 25, 27, 47, 16, 26, 59, 14, 2, 51, 18, 46, 61, 52,
    23, 53, 3, 37, 29, 5, 9, 42, 4, 31, 63, 12, 45, 39, 43, 41,
    28, 35, 57, 7, 17, 20, 21, 50, 48, 44, 1, 11, 6, 62, 38, 60,
    40, 36, 15, 32, 33, 22, 34, 0, 10, 56, 13, 58, 49, 19, 24, 30,
)  # fmt: skip
FIRST = (12, 6, 2, 7, 13, 9, 5, 4, 1, 10, 14, 8, 0, 3, 15, 11)  # where the key's bit is 0
SECOND = (9, 11, 6, 5, 12, 7, 14, 2, 13, 3, 1, 15, 4, 8, 0, 10)


@dataclass(slots=True)
class State:
    """What a meter keeps. ``taken``: the newest TIDs; ``remaining``: 0.01 kWh."""

    count: int = 0
    taken: list[int] = field(default_factory=list)
    remaining: int = 0


MEMORY: dict[str, State] = {}  # meter number → its state


def enter(meter: str, token: str) -> dict[str, Any]:
    """The digits, typed in; blanks do not matter. ``count``: tokens taken, ``remaining``: 0.01 kWh, both afterwards."""
    state = MEMORY.setdefault(meter, State())
    accepted, said = _take(meter, state, "".join(token.split()))
    return {"accepted": accepted, "count": state.count, "remaining": state.remaining, "said": said}


def _take(meter: str, state: State, digits: str) -> tuple[bool, str]:
    """Whether the token is taken, and what the display says."""
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return False, f"{DIGITS} digits please 请输入{DIGITS}位充值码"
    told = read_token(decoder_key(meter), digits)
    if told is None:
        return False, "not for this meter 无效"
    identifier, tenths = told
    if identifier in state.taken:
        return False, "used 已使用"
    if len(state.taken) >= REMEMBERED and identifier < min(state.taken):
        return False, "too old 已过期"
    state.taken = sorted([*state.taken, identifier])[-REMEMBERED:]
    state.count += 1
    state.remaining += 10 * tenths
    return True, f"+{tenths // 10}.{tenths % 10} kWh 充值成功"


def read_token(key: bytes, digits: str) -> tuple[int, int] | None:
    """TID and 0.1 kWh of an electricity credit token under this decoder key; None when it is not one."""
    bits = f"{int(digits):0{TOKEN_BITS}b}"
    if len(bits) != TOKEN_BITS or bits[TOKEN_BITS - 29 : TOKEN_BITS - 27] != "00":
        return None
    bits = bits[2 : TOKEN_BITS - 29] + bits[:2] + bits[TOKEN_BITS - 27 :]
    block = decipher(key, int(bits, 2)).to_bytes(8, "big")
    content, crc = b"\x00" + block[:6], block[6:]
    if _modbus_crc(content).to_bytes(2, "little") != crc or block[0] >> 4:
        return None
    identifier, amount = int.from_bytes(block[1:4], "big"), int.from_bytes(block[4:6], "big")
    exponent, mantissa = divmod(amount, 1 << 14)
    return identifier, mantissa * 10**exponent + (1 << 14) * int("0" + "1" * exponent)


def decipher(key: bytes, block: int) -> int:
    """EA07 backwards."""
    turned = int.from_bytes(key, "big")
    for _ in range(16):
        moved = sum((block >> at & 1) << place for at, place in enumerate(BACK))
        block = 0
        for nibble in range(0, 64, 4):
            table = SECOND if turned >> nibble & 1 else FIRST
            block |= table[moved >> nibble & 0xF] << nibble
        turned = turned >> 1 | (turned & 1) << 63
    return block


def _modbus_crc(content: bytes) -> int:
    """CRC-16 with reflected polynomial A001 from FFFF, by the mirrored one of 8005: bytes and result turned round."""
    crc = 0xFFFF
    for byte in content:
        crc ^= int(f"{byte:08b}"[::-1], 2) << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x8005 if crc & 0x8000 else 0)) & 0xFFFF
    return int(f"{crc:016b}"[::-1], 2)


def decoder_key(meter: str) -> bytes:
    """The key of this meter, docs/sample-vendors/sts.md."""
    told = tomllib.loads(Path(__file__).with_name("blank.toml").read_text("utf-8"))
    test_key = binascii.unhexlify(told["password"].removeprefix("test-key="))
    return hmac.new(test_key, b"STS\x00" + meter.encode("ascii"), hashlib.sha256).digest()[:8]
