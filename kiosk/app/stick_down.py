"""What a stick brings down from head office, on its round; and what is said of it to the person at the terminal."""

from __future__ import annotations

from pathlib import Path

from kiosk.config import Config
from kiosk.model.clock import SystemClock
from kiosk.model.errors import ConfigFault, KioskError
from kiosk.model.texts import Texts, load_texts
from kiosk.sync.downlink.offer import Offer, read_offer
from kiosk.sync.downlink.round import ON_STICK, Place, take_from_stick

TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
CODES = ("S-631", "S-632", "S-633", "L-502", "L-505", "L-506")
KEYS = {
    "down.new": frozenset({"version", "count"}),
    "down.known": frozenset({"version"}),
    **{f"down.{code}": frozenset[str]() for code in CODES},
}
"""Every text, with the values it may use."""


def down_texts(language: str) -> Texts:
    """The sentences. Raises ConfigFault F-701."""
    texts = load_texts(TEXTS, "down", language)
    try:
        texts.check(KEYS)
    except KeyError as error:
        raise ConfigFault("F-701", str(error)) from error
    return texts


def bring_down(config: Config, stick: Path, language: str) -> tuple[str, str]:
    """Takes what head office publishes from a stick: the code of what went wrong ("" if nothing did), and the line to
    be said; ("", "") where the stick brings nothing of the kind, or this terminal has no root to hold it against.

    All of it is verified and on this disk when this returns; the kiosk puts it in force between two visits.
    """
    if not config.tuf_root.exists() or not _may_bring(stick):
        return "", ""
    texts, terminal = down_texts(language), config.terminal
    place = Place(config.downlink_folder, config.tuf_root, f"{terminal.region}/{terminal.id}")
    try:
        before = _offered(place.folder)
        offer = take_from_stick(place, stick, SystemClock())
    except KioskError as fault:
        return fault.code, f"[{fault.code}] {texts.text(f'down.{fault.code}')}"
    if offer.targets == before.targets:
        return "", texts.text("down.known", version=offer.version)
    fresh = sum(before.targets.get(name) != digest for name, digest in offer.targets.items())
    return "", texts.text("down.new", version=offer.version, count=fresh)


def _may_bring(stick: Path) -> bool:
    try:
        return (stick / ON_STICK).is_dir()
    except OSError:  # pulled, or damaged: the round finds the words
        return True


def _offered(folder: Path) -> Offer:
    try:
        return read_offer(folder)
    except KioskError:  # the round makes it again
        return Offer()
