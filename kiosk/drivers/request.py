"""Requests, contract 1 §2: one table says what each command must have and may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.items import Value, encode_items
from kiosk.model.card import WriteOrder

SETTINGS = frozenset(di for di in DI if di >> 8 == 0x04)
"""The 04xx: what a card may set in the meter."""
TRACK = frozenset((DI.WHEN, DI.TERMINAL))
BOUGHT = frozenset((DI.AMOUNT, DI.ENERGY, DI.SALE))
WRITING = frozenset(Command) - {Command.DESCRIBE, Command.READ}
"""Commands after which a broken call leaves the card unknown."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Items of one command. ``whole``: all of these or none; ``some``: at least one of these."""

    must: frozenset[DI] = frozenset()
    may: frozenset[DI] = frozenset()
    whole: frozenset[DI] = frozenset()
    some: frozenset[DI] = frozenset()


_PERSON = frozenset((DI.CUSTOMER, DI.METER))
_COUNTED = _PERSON | {DI.COUNT} | TRACK
NEEDS: dict[Command, Needs] = {
    Command.DESCRIBE: Needs(),
    Command.READ: Needs(),
    Command.OPEN: Needs(_PERSON | {DI.REGION} | TRACK, SETTINGS, whole=BOUGHT | {DI.COUNT}),
    Command.PURCHASE: Needs(_COUNTED | BOUGHT, SETTINGS | {DI.REGION}),
    Command.REISSUE: Needs(_COUNTED | {DI.REGION}, SETTINGS, whole=BOUGHT),
    Command.CLEAR: Needs(_COUNTED, frozenset((DI.INSIST,))),
    Command.SET: Needs(TRACK | {DI.REGION}, frozenset((DI.METER,)), some=SETTINGS),
    Command.CHECK: Needs(TRACK, frozenset((DI.REGION,))),
    Command.REVERSE: Needs(_COUNTED | {DI.AMOUNT, DI.ENERGY}),
}


def request(command: Command, values: Mapping[DI, Value] | None = None) -> Frame:
    """The request's frame. ValueError lists what the table of §2 does not allow, or the item that does not fit."""
    given: dict[int, Value] = {int(di): value for di, value in (values or {}).items()}
    needs, has = NEEDS[command], set(given)
    operator = {DI.OPERATOR} if command in WRITING else set()
    faults = [f"{di:04X} is missing" for di in sorted(needs.must - has)]
    faults += [
        f"{di:04X} has no place here"
        for di in sorted(has - needs.must - needs.may - needs.whole - needs.some - operator)
    ]
    if needs.whole & has and not needs.whole <= has:
        faults.append("only a part of a purchase is given")
    if needs.some and not needs.some & has:
        faults.append("none of the 04xx is given")
    if faults:
        raise ValueError(f"{command.name}: " + ", ".join(faults))
    return Frame(command, pack_items(encode_items(given)))


def purchase_values(order: WriteOrder, when: str, terminal: str) -> dict[DI, Value]:
    """PURCHASE in the contract's items; ``when`` is the terminal's civil time, 14 digits."""
    values: dict[DI, Value] = {
        DI.CUSTOMER: order.customer,
        DI.METER: order.meter,
        DI.COUNT: order.count,
        DI.AMOUNT: order.amount_fen,
        DI.ENERGY: order.energy_centi_kwh,
        DI.WHEN: when,
        DI.TERMINAL: terminal,
        DI.SALE: order.sale,
    }
    return values | ({DI.REGION: order.region} if order.region else {})
