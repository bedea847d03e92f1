"""The meter of an SGC card, by the rules of State Grid meters (docs/sample-vendors/sgc.md says whence they are known).

- The card must prove itself (INTERNAL AUTHENTICATE) and let itself be written to; else it is an illegal insertion.
- Meter number, and of an opened meter the customer number, must be the meter's; a buying card's serial is the one the
  meter accepted last; an opening card's count is 0 or 1; a meter not yet opened takes opening cards only.
- Card's count = own + 1 and return file empty: credited, unless 999 999.99 yuan or the hoard limit would be passed
  (then the card stays as it is). The same count, or a lower one: only the return. Higher by more, or by one with a
  return that is not empty: the return, and an error. An opening or reissued card is accepted with its serial.
- Credit, then parameters (an opening card's; others bring only a tariff from a day on), then the return file.

Real meters write the return in one UPDATE. This one first makes its first byte FF, before it credits, and 68 last: so
a card pulled out at any time says that nobody can tell (0209 = 3), until it comes again.

A meter knows its state from a whole return file on the card, else from this module's memory; one that nobody has met
is taken as it must be for the card to come from the office. ``MEMORY[number] = UNOPENED`` is one on the shelf.
"""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

MASTER = bytes.fromhex("5347433230313354455354204B455921")  # "SGC2013TEST KEY!", diversified by the card's serial
BLOCK = 16
SIZES = {0x81: 45, 0x82: 8, 0x83: 203, 0x84: 203, 0x85: 49}
MOST = 99_999_999
OPEN, BUY, REISSUE = 1, 2, 3
OK = b"\x90\x00"
PARAMETERS, LATER_ONLY = 0x80, 0x7A  # update flags: alarms and ratios; what buying and reissued cards may change


class State(NamedTuple):
    """What a meter keeps. ``balance``: fen, below zero when overdrawn; ``serial``: of the card it accepted last;
    ``ratios``: CT and PT, 3 bytes BCD each; ``tariff``: file 83 or 84 as it took it over."""

    customer: bytes
    serial: bytes
    bought: int = 0
    balance: int = 0
    illegal: int = 0
    user: int = 1
    ratios: bytes = bytes.fromhex("000001000001")
    tariff: bytes = b""


UNOPENED = State(b"", b"")
MEMORY: dict[bytes, State] = {}  # meter number, 6 bytes BCD → its state
HOARD_LIMITS: dict[bytes, int] = {}  # meter number → fen; set in the meter, no card tells it


class Refusal(Exception):
    """The meter shows an error, as "Err-34", and leaves the card alone."""


def clock() -> str:
    """The meter's civil time, YYMMDDhhmm."""
    return time.strftime("%y%m%d%H%M", time.localtime())


def insert(icdev: Any, seconds: int = 3, use: int = 0) -> dict[str, Any]:
    """The card in its meter. ``use``: fen used up since the last time. Returns count and remaining, fen, and "error",
    what the meter shows, where it is not content."""
    files = _read(icdev)
    if files is None:
        return {"count": 0, "remaining": 0, "error": "Err-32"}  # no user card: a preset card, a blank one, not ours
    meter, serial = files[0x81][30:36], icdev.atr()[5:13]
    state = _known(files, meter, serial)
    if seconds < 3:
        return {"count": state.bought, "remaining": state.balance}
    state = MEMORY[meter] = state._replace(balance=max(state.balance - use, -MOST))
    try:
        error = _attend(icdev, files, meter, serial)
    except Refusal as refusal:
        error = str(refusal)
    state = MEMORY[meter]
    return {"count": state.bought, "remaining": state.balance} | ({"error": error} if error else {})


def is_empty(back: bytes) -> bool:
    """Whether a return file is empty for every meter known: for some without 68 and CT, for others without a head.

    FF in front is this meter's own mark: it was about to take what stands on the card.
    """
    return back[0] in (0x00, 0xFF) and not any(back[1:4] + back[5:8])


def _attend(icdev: Any, files: dict[int, bytes], meter: bytes, serial: bytes) -> str:
    """Everything from the proof to the return file; the error shown, if any. Refusal before anything is written."""
    _authenticate(icdev, meter, serial)
    card, state = files[0x81], MEMORY[meter]
    kind, bought, empty = card[42], int.from_bytes(files[0x82][4:]), is_empty(files[0x85])
    _check_identity(card, state, serial, bought)
    ahead = bought - state.bought
    credited = ahead == 1 and empty
    if credited:
        amount = int.from_bytes(files[0x82][:4])
        limit = min(HOARD_LIMITS.get(meter, 0) or MOST, MOST)
        if state.balance + amount > limit:
            raise Refusal("Err-36")
    elif ahead == 0 and not empty and serial != state.serial:
        raise Refusal("Err-33")
    if empty and not _update(icdev, serial, 0, b"\xff"):
        raise Refusal("Err-35")
    if credited:
        state = state._replace(bought=bought, balance=state.balance + amount)
    if credited or (ahead == 0 and empty):
        state = _with_parameters(state, files)
    if kind != BUY and (ahead < 0 or (ahead < 2 and empty)):
        state = state._replace(serial=serial, customer=card[36:42])
    MEMORY[meter] = state
    _write_back(icdev, card[30:36], serial, state)
    return "Err-34" if ahead > 1 or (ahead == 1 and not empty) else ""


def _check_identity(card: bytes, state: State, serial: bytes, bought: int) -> None:
    """Refusal for a card this meter does not serve."""
    kind = card[42]
    if kind not in (OPEN, BUY, REISSUE):
        raise Refusal("Err-32")
    if not _whole(card, b"\x01"):
        raise Refusal("Err-34")
    if not state.customer and kind != OPEN:
        raise Refusal("Err-34")
    if state.customer and state.customer != card[36:42]:
        raise Refusal("Err-33")
    if kind == BUY and serial != state.serial:
        raise Refusal("Err-33")
    if kind == OPEN and bought > 1:
        raise Refusal("Err-34")


def _with_parameters(state: State, files: dict[int, bytes]) -> State:
    """Update flags: bits 0 and 2 the tariff now, 1 and 3 the one from a day on, 7 alarms and ratios."""
    card = files[0x81]
    flags = (0 if card[5] == 0xFF else card[5]) & (0xFF if card[42] == OPEN else LATER_ONLY)
    if flags & PARAMETERS:
        state = state._replace(ratios=card[24:30], user=card[4])
    if flags & 0x0F:
        state = state._replace(tariff=files[0x84 if flags & 0x0A else 0x83])
    return state


def _read(icdev: Any) -> dict[int, bytes] | None:
    """The five files of a card that names a meter."""
    icdev.transmit(bytes.fromhex("00A40000023F00"))
    icdev.transmit(bytes.fromhex("00A4000002DF01"))
    files = {name: icdev.transmit(bytes((0, 0xB0, name, 0, size)))[:-2] for name, size in SIZES.items()}
    if any(len(files[name]) != size for name, size in SIZES.items()) or files[0x81][:2] != b"\x68\x01":
        return None
    return files if files[0x81][30:42].hex().isdigit() and any(files[0x81][30:36]) else None


def _whole(frame: bytes, code: bytes) -> bool:
    head = b"\x68" + code + (len(frame) - 6).to_bytes(2)
    return frame.startswith(head) and frame[-2] == sum(frame[1:-2]) & 0xFF and frame[-1] == 0x16


def _known(files: dict[int, bytes], meter: bytes, serial: bytes) -> State:
    """The state the meter is in when this card comes."""
    card, wallet, back = files[0x81], files[0x82], files[0x85]
    met = MEMORY.get(meter)
    ours = back[11:17] == meter and back[17:23].strip(b"\x00") and _decimal(back)
    if met is not None and not (ours and _whole(back, b"\x11")):
        return met
    if ours:  # whole; or emptied by a sale, and this meter has forgotten: the rest of it still tells
        balance = int.from_bytes(back[23:27]) - int(back[31:35].hex())
        accepted = met.serial if met and met.serial else serial
        found = State(back[17:23], accepted, int.from_bytes(back[27:31]), balance, int(back[39:42].hex()))
        ratios = back[5:11] if any(back[5:8]) else card[24:30]
        return found._replace(user=card[4], ratios=ratios, tariff=met.tariff if met else b"")
    if card[42] == OPEN:
        return UNOPENED
    bought = int.from_bytes(wallet[4:])
    return State(card[36:42], serial, bought - 1 if bought and any(wallet[:4]) else bought)


def _decimal(back: bytes) -> bool:
    return (back[17:23] + back[31:35] + back[39:42]).hex().isdigit()


def _authenticate(icdev: Any, meter: bytes, serial: bytes) -> None:
    """Both ways. Refusal; a card that fails is an illegal insertion."""
    ours = os.urandom(8)
    proven = icdev.transmit(bytes.fromhex("0088000108") + ours)[:-2] == cryptogram(serial, ours)
    if proven:
        theirs = icdev.transmit(bytes.fromhex("0084000008"))[:-2]
        proven = icdev.transmit(bytes.fromhex("0082000208") + cryptogram(serial, theirs)) == OK
    if not proven:
        state = MEMORY[meter]
        MEMORY[meter] = state._replace(illegal=state.illegal + 1)
        raise Refusal("Err-32")


def _update(icdev: Any, serial: bytes, at: int, content: bytes) -> bool:
    challenge = icdev.transmit(bytes.fromhex("0084000004"))[:-2]
    apdu = bytes((0x04, 0xD6, 0x85, at, len(content) + 4)) + content
    return bool(icdev.transmit(apdu + mac(serial, challenge, apdu)) == OK)


def _write_back(icdev: Any, meter: bytes, serial: bytes, state: State) -> None:
    """File 85, its first byte last."""
    remaining, owed = max(0, state.balance), max(0, -state.balance)
    content = bytes((state.user,)) + state.ratios + meter + state.customer.rjust(6, b"\x00") + remaining.to_bytes(4)
    content += state.bought.to_bytes(4) + bytes.fromhex(f"{owed:08d}") + bytes(4)
    content += bytes.fromhex(f"{state.illegal:06d}{clock()}")
    body = b"\x11" + len(content).to_bytes(2) + content
    _update(icdev, serial, 1, body + bytes((sum(body) & 0xFF, 0x16)))
    _update(icdev, serial, 0, b"\x68")


def cryptogram(serial: bytes, challenge: bytes) -> bytes:
    """8 bytes over a challenge of 8, with the key of that card."""
    return _cbc(_card_key(serial), bytes(BLOCK), challenge + bytes(8))[:8]


def mac(serial: bytes, challenge: bytes, message: bytes) -> bytes:
    """The PBOC MAC, 4 bytes, begun with a challenge of 4; always padded."""
    padded = message + b"\x80"
    padded += bytes(-len(padded) % BLOCK)
    return _cbc(_card_key(serial), challenge.ljust(BLOCK, b"\x00"), padded)[-BLOCK:][:4]


def _card_key(serial: bytes) -> bytes:
    return _cbc(MASTER, bytes(BLOCK), serial + bytes(byte ^ 0xFF for byte in serial))


def _cbc(key: bytes, start: bytes, blocks: bytes) -> bytes:
    return Cipher(SM4(key), modes.CBC(start)).encryptor().update(blocks)
