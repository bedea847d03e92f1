"""What head office sets at this terminal, over kiosk.toml: what the enrolment's answer brought, then what is published
for all terminals, then for this one; the later counts.

Like every list they lie on the shelf, and the ledger says which are in force (``settings.installed``). Programs that do
not read the ledger find them as files in the terminal's ``settings/``, made again from the ledger at each start. Each
is tried with the real loader before it is in force, so a terminal never starts with settings it cannot use.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kiosk.app.enrolment import OFFICE_SETTINGS  # in the epoch's folder
from kiosk.app.in_force import Shelf
from kiosk.billing.settings import OfficeSettings, parse_settings
from kiosk.config import Config, load_config
from kiosk.ledger.entry import Draft
from kiosk.ledger.keys import sync_folder
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.sale.arrivals import NewList, OtherList, RefusedList
from kiosk.sale.books import Memory
from kiosk.sale.entries import arrival

log = logging.getLogger(__name__)

PREFIX = "settings/"  # of their names among the lists in force
LAYERS = ("enrolled", "all", "own")
FOLDER = "settings"
ENROLLED_TARGET = "enrol/settings.toml"  # what it is called at head office
Tables = Mapping[str, Mapping[str, Any]]


def config_in_force(path: Path) -> Config:
    """kiosk.toml with what head office set over it. Raises ConfigFault F-701 for kiosk.toml itself.

    A layer that does not fit kiosk.toml any more, since a person changed that, is left out and said.
    """
    config = load_config(path)
    layers: list[Tables] = []
    for name in LAYERS:
        file = config.terminal.folder / FOLDER / f"{name}.toml"
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            log.error("%s cannot be read: %s", file, error)
            continue
        try:
            more = [*layers, _parsed(name, text).tables]
            config, layers = _loaded(path, more), more
        except ConfigFault as fault:
            log.error("settings of head office (%s) are left out: %s", name, fault)
    return config


class SettingsRoad:
    """From the shelf into force. ``path``: kiosk.toml."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def try_on(self, layer: str, text: str) -> OfficeSettings:
        """Settings that would be in force as this layer, with the other layers as they are.

        Raises ConfigFault F-718: a mistake in them, or the loader does not take the whole. LedgerFault L-502: what they
        would lie over cannot be read just now, which says nothing of them.
        """
        fresh = _parsed(layer, text)
        try:
            folder = load_config(self._path).terminal.folder / FOLDER
            files = {name: folder / f"{name}.toml" for name in LAYERS}
            others = {
                name: _parsed(name, file.read_text(encoding="utf-8")).tables
                for name, file in files.items()
                if name != layer and file.exists()
            }
        except (ConfigFault, OSError, UnicodeDecodeError) as error:
            raise LedgerFault("L-502", f"settings in force cannot be read just now: {error}") from error
        tables = {**others, layer: fresh.tables}
        layers = [tables[name] for name in LAYERS if name in tables]
        try:
            _loaded(self._path, layers)
        except ConfigFault as fault:
            raise ConfigFault("F-718", f"settings of head office do not fit this terminal: {fault.args[0]}") from fault
        return fresh

    def at_start(self, config: Config, memory: Memory, shelf: Shelf) -> tuple[Config, list[Draft]]:
        """The settings in force by the ledger, and the entry of what the enrolment's answer brought, if that is new."""
        lists = {name: digest for name, (_, digest) in memory.lists.items() if name.startswith(PREFIX)}
        self._lay_out(config, lists, shelf)
        drafts = self._enrolled(config, memory, shelf)
        for draft in drafts:
            if draft.kind == "settings.installed":
                self._lay_out(config, lists | {PREFIX + draft.data["name"]: draft.data["sha256"]}, shelf)
        return config_in_force(self._path), drafts

    def _lay_out(self, config: Config, lists: Mapping[str, bytes], shelf: Shelf) -> None:
        contents = {name: shelf.get(lists[PREFIX + name]) if PREFIX + name in lists else None for name in LAYERS}
        try:
            _lay_out(config.terminal.folder / FOLDER, contents)
        except OSError as error:
            raise LedgerFault("L-502", f"settings of head office cannot be kept: {error}") from error

    def _enrolled(self, config: Config, memory: Memory, shelf: Shelf) -> list[Draft]:
        file = config.home / OFFICE_SETTINGS
        if not file.exists():
            return []
        digest = shelf.put(file.read_bytes())
        known = memory.lists.get(f"{PREFIX}enrolled", (0, b""))[1], memory.refused.get(ENROLLED_TARGET)
        if digest in known:
            return []
        try:
            version = self.try_on("enrolled", file.read_text(encoding="utf-8")).version
        except (ConfigFault, UnicodeDecodeError) as fault:
            log.error("what the enrolment brought is not in force: %s", fault)
            return [arrival(RefusedList(ENROLLED_TARGET, digest, "F-718"))]
        return [arrival(NewList(f"{PREFIX}enrolled", digest, OtherList(version)))]


def _loaded(path: Path, layers: list[Tables]) -> Config:
    """By the real loader. Raises ConfigFault F-701."""
    config = load_config(path, *layers)
    if config.head_office.retry_min_ms > config.head_office.retry_max_ms:  # the sync process would not start
        raise ConfigFault("F-701", "[head_office] 'retry_min_ms' is longer than 'retry_max_ms'")
    return config


def _parsed(layer: str, text: str) -> OfficeSettings:
    return parse_settings(text, needs_version=layer != "enrolled")


def _lay_out(folder: Path, contents: Mapping[str, bytes | None]) -> None:
    """The files as the ledger says, each whole or not at all; None: none."""
    if not folder.exists() and not any(content is not None for content in contents.values()):
        return
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        file = folder / f"{name}.toml"
        if content is None:
            file.unlink(missing_ok=True)
        elif not file.exists() or file.read_bytes() != content:
            beside = file.with_name(f".{file.name}")
            beside.write_bytes(content)
            beside.replace(file)
    sync_folder(folder)
