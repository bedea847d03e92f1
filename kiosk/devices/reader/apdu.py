"""Short APDUs over T=0: how a command travels and how its answer is fetched (ISO 7816-3 §12.2, 7816-4 §5.3).

T=0 carries data in one direction a command. A card that has an answer to a command with data says ``61 xx`` and
waits for GET RESPONSE; one that was asked for too much says ``6C xx``, the length it has. Both are followed here, so
that whoever sent the command sees data and SW1 SW2.
"""

from __future__ import annotations

from collections.abc import Callable

Exchange = Callable[[bytes], bytes]
"""One command and its answer, which ends with SW1 SW2; b"" when the card died."""

OK = b"\x90\x00"
MORE, WRONG_LENGTH = 0x61, 0x6C
GET_RESPONSE = bytes.fromhex("00C00000")
HEADER = 4  # CLA INS P1 P2
ROUNDS_MAX = 64  # 64 × 256 bytes is more than a short APDU can mean; a card that goes on is broken


def is_short(apdu: bytes) -> bool:
    """Whether ``apdu`` has the form of a short APDU: header, header Le, header Lc data, header Lc data Le."""
    if len(apdu) <= HEADER + 1:
        return len(apdu) >= HEADER
    return apdu[4] != 0 and len(apdu) in (HEADER + 1 + apdu[4], HEADER + 2 + apdu[4])


def as_t0(apdu: bytes) -> bytes:
    """The bytes T=0 carries: P3 = 0 where there is neither data nor Le, and no Le behind data."""
    if len(apdu) == HEADER:
        return apdu + b"\x00"
    if len(apdu) > HEADER + 1:
        return apdu[: HEADER + 1 + apdu[4]]
    return apdu


def follow(exchange: Exchange, apdu: bytes) -> bytes:
    """The whole answer to ``apdu``, ``61xx`` and ``6Cxx`` followed; b"" when the card died on the way."""
    answer = exchange(apdu)
    if len(answer) == 2 and answer[0] == WRONG_LENGTH:
        # after data Le is behind them, else it is the fifth byte
        answer = exchange(apdu[: HEADER + 1 + apdu[4] if len(apdu) > HEADER + 1 else HEADER] + answer[1:])
    collected = b""
    for _ in range(ROUNDS_MAX):
        if len(answer) < 2 or answer[-2] != MORE:
            break
        collected += answer[:-2]
        answer = exchange(GET_RESPONSE + answer[-1:])
        if len(answer) == 2 and answer[0] == WRONG_LENGTH:
            answer = exchange(GET_RESPONSE + answer[1:])
    return collected + answer if answer else b""
