"""What the desk sees of the world at one moment, what is new since the last one, and what to do next. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from kiosk.devices.acceptor.simulator import CoinLook
from kiosk.devices.acceptor.validator import Look, Phase

if TYPE_CHECKING:
    from kiosk.desk.world import World

JAMS = frozenset((Phase.JAM_IN_VALIDATOR, Phase.JAM_IN_STACKER))
MOVING = frozenset((Phase.ACCEPTING, Phase.ESCROW, Phase.HOLDING, Phase.STACKING, Phase.RETURNING, Phase.REJECTING))
TOLD_PHASES = JAMS | {Phase.FULL, Phase.REMOVED, Phase.CHEATED, Phase.FAILURE}
TRIES = ("buy", "tear", "forged", "plug", "paper")
"""The five things to try, in their order; keys of ``try`` in the texts."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A look around."""

    kiosk_on: bool = False
    office_on: bool = False
    card: int | None = None  # which one is in the slot
    torn: bool = False  # it died there under a write
    look: Look = field(default_factory=Look)
    slips: int = 0
    coins: CoinLook = field(default_factory=CoinLook)

    @property
    def open(self) -> bool:
        """Whether the acceptor takes notes now."""
        return bool(self.look.open_for_fen)

    @property
    def slot_open(self) -> bool:
        """Whether coins are taken now."""
        return bool(self.coins.open_for_fen)


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened: a key of ``news`` in the texts, and its values. ``tried``: which of the five it was."""

    key: str
    fen: int | None = None
    card: int | None = None
    words: str = ""
    tried: str = ""


def see(world: World) -> Sight:
    """Looks around."""
    inserted = world.inserted
    card = next((n for n, each in enumerate(world.cards) if each is inserted), None)
    torn = card is not None and not world.slot.occupied
    slips, coins = len(world.papers()), world.coin_look
    return Sight(world.kiosk.running, world.office.running, card, torn, world.look, slips, coins)


Cash = TypeVar("Cash", Look, CoinLook)


def handed_back(before: Cash, now: Cash) -> int:
    """Fen that came back to the customer since."""
    return _more(before.handed_back, now.handed_back)


def put_away(before: Cash, now: Cash) -> int:
    """Fen that fell into the box since."""
    return _more(before.box, now.box)


def _more(before: tuple[tuple[int, int], ...], now: tuple[tuple[int, int], ...]) -> int:
    return sum(fen * pieces for fen, pieces in (Counter(dict(now)) - Counter(dict(before))).items())


def news(before: Sight, now: Sight) -> list[News]:
    """What happened between two looks, oldest first."""
    told: list[News] = []
    if before.kiosk_on != now.kiosk_on:
        cut = before.card is not None and not now.kiosk_on
        told.append(News("kiosk-on" if now.kiosk_on else "kiosk-off", tried="plug" if cut else ""))
    if before.office_on != now.office_on:
        told.append(News("office-on" if now.office_on else "office-off"))
    if before.card != now.card:
        if before.card is not None and not before.torn:
            told.append(News("card-out", card=before.card))
        if now.card is not None:
            told.append(News("card-in", card=now.card))
    if now.torn and not before.torn:
        told.append(News("torn", card=now.card, tried="tear"))
    told += _money_news(before.look, now.look)
    told += _coin_news(before.coins, now.coins)
    if now.slips > before.slips:
        told.append(News("slip", tried="buy"))
    return told


def _money_news(before: Look, now: Look) -> list[News]:
    told: list[News] = []
    if fen := put_away(before, now):
        told.append(News("stacked", fen))
    if fen := handed_back(before, now):
        forged = now.reason == "verification" and Phase.REJECTING in (before.phase, now.phase)
        told.append(News("forged", fen, tried="forged") if forged else News("returned", fen))
    if bool(now.open_for_fen) and not before.open_for_fen and before.phase not in MOVING | {Phase.STACKED}:
        told.append(News("open"))
    if now.phase is not before.phase and now.phase in TOLD_PHASES:
        told.append(News(f"phase-{now.phase.name.lower()}"))
    return told


def _coin_news(before: CoinLook, now: CoinLook) -> list[News]:
    told = [News("coin", fen)] if (fen := put_away(before, now)) else []
    if fen := handed_back(before, now):
        told.append(News("coin-back", fen))
    return told


def advice(sight: Sight, *, paid: bool, waiting: bool) -> str:
    """What to do next: a key of ``now`` in the texts.

    ``paid``: money went in while this card was in. ``waiting``: a card outside holds what its meter has not taken.
    """
    if not sight.kiosk_on:
        return "plug"
    if sight.look.phase in JAMS:
        return "jam"
    if sight.look.phase is Phase.REMOVED:
        return "box"
    if sight.card is None:
        return "meter" if waiting else "card"
    if sight.look.phase in MOVING:
        return "note"
    if sight.open or sight.slot_open:
        return "money"
    return "finish" if paid else "kiosk"
