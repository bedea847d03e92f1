"""Whose card is it? The identification unit 标志单元 decides, and exactly one vendor must match (contract 1 §9).

Only reads and SELECTs happen here: nothing is written and no secret is presented (§4.12).
"""

from __future__ import annotations

from collections.abc import Callable

from kiosk.drivers.manifest import CardMark, Manifest, MarkApdu, MarkBytes
from kiosk.drivers.registry import Registry
from kiosk.model.card import CardType
from kiosk.model.cardport import IO_FAULT, NO_CARD, CardPort, CardPortError
from kiosk.model.errors import CardFault, CardRefused

OK = b"\x90\x00"


def identify(port: CardPort, registry: Registry, reset: Callable[[], None]) -> Manifest:
    """The one vendor whose mark this card carries.

    ``reset`` powers the card afresh; it is called before every CPU mark, for what a SELECT moved would mislead the
    next. It may raise CardPortError as the port does. Raises CardRefused C-101 no vendor, C-102 two, C-108 no vendor
    uses this chip; CardFault C-205 no answer, C-202 taken out, C-201 read error.
    """
    family = _family(port)
    candidates = [(manifest, card) for manifest in registry.manifests for card in manifest.cards if card.type == family]
    if not candidates:
        raise CardRefused("C-108", f"no configured vendor uses chip family {family}")
    found: list[Manifest] = []
    for manifest, card in candidates:
        if manifest not in found and _matches(port, card, reset):
            found.append(manifest)
    if not found:
        raise CardRefused("C-101", f"none of {len(candidates)} marks matches this card")
    if len(found) > 1:
        raise CardRefused("C-102", "marks of " + " and ".join(manifest.vendor.abbr for manifest in found) + " match")
    return found[0]


def _family(port: CardPort) -> int:
    try:
        family = port.card_type()
    except CardPortError as fault:
        if fault.code == NO_CARD:
            raise CardFault("C-202", "the card is gone") from fault
        raise CardFault("C-205", f"the card gives no answer: {fault}") from fault
    if family == 0:
        raise CardFault("C-205", "the reader finds no chip")
    return family


def _matches(port: CardPort, card: CardMark, reset: Callable[[], None]) -> bool:
    try:
        if card.type is CardType.CPU:
            reset()
            return all(_answers(port, part) for part in card.cpu)
        return bool(card.memory) and all(_holds(port, part) for part in card.memory)
    except CardPortError as fault:
        if fault.code == NO_CARD:
            raise CardFault("C-202", "the card is gone") from fault
        if fault.code == IO_FAULT:
            raise CardFault("C-201", f"the mark could not be read: {fault}") from fault
        return False  # denied, no such place, locked: not a card of this vendor


def _holds(port: CardPort, part: MarkBytes) -> bool:
    return port.read(part.zone, part.addr, len(part.content)) == part.content


def _answers(port: CardPort, part: MarkApdu) -> bool:
    answer = port.transmit(part.apdu)
    if len(answer) < 2:
        raise CardPortError(IO_FAULT, "the card answered without SW1 SW2")
    return answer[-2:] == OK and answer[:-2].startswith(part.begins)
