"""The meter behind a keypad that takes OpenPAYGO tokens: what it does with the digits somebody types.

It reads tokens with the ``openpaygo`` library, which knows nothing of driver.py. By its rules a token counts once; the
seven purchases before the newest may still come late; one more than 32 purchases ahead is not found. Key and starting
code are the meter's own, from the master key in blank.toml. A meter nobody has met stands at count 0, empty.
"""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openpaygo import OpenPAYGOTokenDecoder, TokenType

DIGITS = 12


@dataclass(slots=True)
class State:
    """What a meter keeps. ``newest``: the highest token count taken; ``used``: the token counts taken, as far back as
    the library looks; ``remaining``: 0.01 kWh."""

    newest: int = 0
    used: list[int] = field(default_factory=lambda: [0])
    remaining: int = 0


MEMORY: dict[str, State] = {}  # meter number → its state


def enter(meter: str, token: str) -> dict[str, Any]:
    """The digits, typed in; blanks do not matter. ``count``: purchases, ``remaining``: 0.01 kWh, both afterwards."""
    state = MEMORY.setdefault(meter, State())
    accepted, said = _take(meter, state, "".join(token.split()))
    return {"accepted": accepted, "count": state.newest // 2, "remaining": state.remaining, "said": said}


def _take(meter: str, state: State, digits: str) -> tuple[bool, str]:
    """Whether the token is taken, and what the display says."""
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return False, f"{DIGITS} digits please 请输入{DIGITS}位充值码"
    key, starting_code = _secrets(meter)
    try:
        value, kind, count, used = OpenPAYGOTokenDecoder.decode_token(
            token=digits, secret_key=key.hex(), count=state.newest, used_counts=state.used, starting_code=starting_code
        )
    except UnboundLocalError:  # openpaygo 0.6.3, of an extended token that no count has
        return False, "not for this meter 无效"
    if kind == TokenType.ALREADY_USED or count in state.used:
        return False, "used or too old 已使用或已过期"
    if kind != TokenType.ADD_TIME or not value:
        return False, "not for this meter 无效"
    state.newest, state.used = max(state.newest, count), used
    state.remaining += int(value)
    return True, f"+{int(value) // 100}.{int(value) % 100:02d} kWh 充值成功"


def _secrets(meter: str) -> tuple[bytes, int]:
    """Key and starting code of this meter, docs/sample-vendors/opg.md."""
    told = tomllib.loads(Path(__file__).with_name("blank.toml").read_text("utf-8"))
    master = bytes.fromhex(told["password"].removeprefix("key="))
    derived = hmac.new(master, b"OPG\x00" + meter.encode("ascii"), hashlib.sha256).digest()
    return derived[:16], 1 + int.from_bytes(derived[16:24], "big") % 999_999_999
