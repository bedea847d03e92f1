"""The two trades that speak ccTalk: what they are asked, and what a pair in their table of events means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.table import Pair

JAM, FULL, BOX_OUT, BROKEN = "V-412", "V-413", "V-414", "V-415"


@dataclass(frozen=True, slots=True)
class Money:
    """A coin or a note of this kind (1…16) fell into the cash box: the credit point."""

    kind: int


@dataclass(frozen=True, slots=True)
class Escrow:
    """A note of this kind waits."""

    kind: int


@dataclass(frozen=True, slots=True)
class Returned:
    """The note that waited went back."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A coin or note was not taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The device cannot work; the code is the kiosk's."""

    code: str


@dataclass(frozen=True, slots=True)
class Healed:
    """What stood in its way is gone; the self-check says whether all is."""


@dataclass(frozen=True, slots=True)
class Fraud:
    """Somebody tries something."""

    what: str


@dataclass(frozen=True, slots=True)
class UnknownMoney:
    """Something fell into the cash box, and the device does not say what."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Of no concern."""


Meaning = Money | Escrow | Returned | Rejected | Fault | Healed | Fraud | UnknownMoney | Nothing
NOTHING_OF_CONCERN = Nothing()

# Part 3, table of bill event codes: what B means when A is 0.
BILL_CODES: dict[int, Meaning] = {
    0: NOTHING_OF_CONCERN,  # master inhibit
    1: Returned(),
    2: Rejected("validation"),
    3: Rejected("transport"),
    4: Rejected("inhibited"),
    5: Rejected("inhibited by switch"),
    6: Fault(JAM),
    7: Fault(JAM),
    8: Fraud("pulled backwards"),
    9: Fraud("tampering"),
    10: Healed(),
    11: Fault(BOX_OUT),
    12: Healed(),
    13: Fault(BROKEN),
    14: Fault(FULL),
    15: Fault(JAM),
    16: Fault(JAM),
    17: Fraud("opto"),
    18: Fraud("string"),
    19: Fault(BROKEN),
    20: Fraud("barcode"),
    21: UnknownMoney(),
}

# Part 3, table of coin error codes. 18, 19 and 22…25 are called possible fraud too, but come with every worn coin.
COIN_CODES: dict[int, Meaning] = {
    0: NOTHING_OF_CONCERN,
    1: Rejected("unknown coin"),
    2: Rejected("inhibited"),
    3: Rejected("multiple window"),
    4: Rejected("wake-up timeout"),
    5: Rejected("validation timeout"),
    6: Rejected("credit sensor timeout"),
    7: Rejected("sorter timeout"),
    8: Rejected("close coin"),
    9: Rejected("gate not ready"),
    10: Rejected("credit sensor not ready"),
    11: Rejected("sorter not ready"),
    12: Rejected("reject not cleared"),
    13: Rejected("validation sensor not ready"),
    14: Fault(JAM),
    15: Fault(JAM),
    16: Fraud("credit sequence"),
    17: Fraud("going backwards"),
    18: Rejected("too fast"),
    19: Rejected("too slow"),
    20: Fraud("string"),
    21: Rejected("gate timeout"),
    22: Rejected("gate not seen"),
    23: Rejected("credit sensor too early"),
    24: Rejected("sequential trip"),
    25: Rejected("slug"),
    26: Fault(JAM),
    27: Rejected("overload"),
    28: Rejected("meter overload"),
    29: Fault(BROKEN),
    30: Fault(BROKEN),
    32: Fault(JAM),
    35: Fault(BROKEN),
    36: UnknownMoney(),  # swallowed
    39: Rejected("wrongly sorted"),
    40: Fraud("light"),
    254: Rejected("return lever"),
    255: Fault(BROKEN),
}
COIN_INHIBITED = range(128, 160)  # 128 and the kind, less one

# Part 3, table of fault codes: the answer to SELF_CHECK. All others are V-415. 253 is Azkoyen's (Pelicano).
SELF_CHECK_OK = 0
SELF_CHECK_CODES = {39: JAM, 44: BOX_OUT, 45: FULL, 253: JAM}


def bill_meaning(pair: Pair) -> Meaning:
    """What a bill validator's event says: (kind, 0) stacked, (kind, 1) in escrow, (0, code) anything else."""
    kind, code = pair
    if kind == 0:
        return BILL_CODES.get(code, NOTHING_OF_CONCERN)
    if code == 0:
        return Money(kind)
    return Escrow(kind) if code == 1 else NOTHING_OF_CONCERN


def coin_meaning(pair: Pair) -> Meaning:
    """What a coin acceptor's event says: (kind, sorter path) a credit, (0, code) anything else."""
    kind, code = pair
    if kind:
        return Money(kind)
    return Rejected("inhibited") if code in COIN_INHIBITED else COIN_CODES.get(code, NOTHING_OF_CONCERN)


def fault_of(self_check: bytes) -> str:
    """The kiosk's code for what the self-check found; "" for nothing."""
    if not self_check or self_check[0] == SELF_CHECK_OK:
        return ""
    return SELF_CHECK_CODES.get(self_check[0], BROKEN)


@dataclass(frozen=True, slots=True)
class Trade:
    """What coin acceptors and bill validators do differently."""

    address: int
    events: int  # the header that reads the table
    names: int  # the header that asks for a kind's name
    takes_notes: bool
    meaning: Callable[[Pair], Meaning]


COINS = Trade(wire.COIN_ACCEPTOR, wire.COIN_EVENTS, wire.COIN_ID, False, coin_meaning)
NOTES = Trade(wire.BILL_VALIDATOR, wire.BILL_EVENTS, wire.BILL_ID, True, bill_meaning)
