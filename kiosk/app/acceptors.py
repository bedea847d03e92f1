"""The cash devices that the settings name."""

from __future__ import annotations

import re
from pathlib import Path

from kiosk.config import Acceptor, Coins, Config
from kiosk.devices.acceptor.host import HostSettings, SerialAcceptor
from kiosk.devices.acceptor.port import NoteAcceptor
from kiosk.devices.acceptor.protocols import COIN_PROTOCOLS, NOTE_PROTOCOLS, Check, MakeTalk, Options
from kiosk.devices.acceptor.talk import Talk
from kiosk.devices.link import LinkSettings
from kiosk.model.cash import Mark
from kiosk.model.errors import ConfigFault

SILENT = "V-411"  # of any cash device; the till makes the coin acceptor's own code of it


def note_acceptor(config: Config, known: Mark | None) -> NoteAcceptor:
    """The note acceptor; ``known``: its last event that is recorded."""
    make_talk = NOTE_PROTOCOLS[config.acceptor.protocol].make_talk
    return _acceptor(config, "acceptor", config.acceptor, make_talk, known)


def coin_acceptor(config: Config, known: Mark | None) -> NoteAcceptor | None:
    """The coin acceptor, if there is one."""
    if not config.coins.path:
        return None
    return _acceptor(config, "coins", config.coins, COIN_PROTOCOLS[config.coins.protocol].make_talk, known)


def _acceptor(
    config: Config, name: str, device: Acceptor | Coins, make_talk: MakeTalk, known: Mark | None
) -> SerialAcceptor:
    link = LinkSettings(device.path, device.baud, SILENT)
    settings = HostSettings(link, config.terminal.folder / f"{name}.{device.protocol}")
    check: Check = "crc" if device.check == "crc" else "sum"
    key_file = device.key_file if isinstance(device, Acceptor) else None
    options = Options(device.poll_ms, check, device.keeps_count, _fixed_key(key_file))

    def make(memory: bytes) -> Talk:
        return make_talk(memory, known, options)

    return SerialAcceptor(settings, make, name=f"{name} {device.protocol}")


def _fixed_key(file: Path | None) -> int | None:
    """SSP's fixed key: 16 hex digits. Raises ConfigFault F-701, which does not say what stands there."""
    if file is None:
        return None
    try:
        text = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFault("F-701", f"[acceptor] key_file {file} cannot be read") from error
    if not re.fullmatch(r"[0-9A-Fa-f]{16}", text):
        raise ConfigFault("F-701", f"[acceptor] key_file {file} must hold 16 hex digits")
    return int(text, 16)
