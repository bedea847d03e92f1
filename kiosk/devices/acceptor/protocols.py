"""The protocols of cash devices by the names they have in kiosk.toml: both halves of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from secrets import randbelow
from typing import Generic, Literal, TypeVar

from kiosk.devices.acceptor.ccnet.talk import CcnetTalk
from kiosk.devices.acceptor.ccnet.talk import TalkSettings as CcnetSettings
from kiosk.devices.acceptor.ccnet.voice import CcnetVoice
from kiosk.devices.acceptor.cctalk.line import LineSettings
from kiosk.devices.acceptor.cctalk.talk import CctalkSettings, CctalkTalk
from kiosk.devices.acceptor.cctalk.trade import COINS, NOTES, Trade
from kiosk.devices.acceptor.cctalk.voice_bills import BillVoice
from kiosk.devices.acceptor.cctalk.voice_coins import CoinVoice
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.id003.talk import Id003Talk
from kiosk.devices.acceptor.id003.talk import TalkSettings as Id003Settings
from kiosk.devices.acceptor.id003.voice import Id003Voice
from kiosk.devices.acceptor.ssp.dialogue import DialogueSettings as SspDialogueSettings
from kiosk.devices.acceptor.ssp.talk import SspTalk
from kiosk.devices.acceptor.ssp.talk import TalkSettings as SspSettings
from kiosk.devices.acceptor.ssp.voice import SspVoice
from kiosk.devices.acceptor.talk import Talk, Voice
from kiosk.devices.acceptor.validator import Validator
from kiosk.model.cash import Mark

Check = Literal["sum", "crc"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a device's settings say. ``poll_ms``: 0 is the protocol's own; the others are one protocol's alone."""

    poll_ms: int = 0
    check: Check = "sum"  # of ccTalk's frames
    keeps_count: bool = False  # ccTalk: the device keeps its accept counter without power
    fixed_key: int | None = field(default=None, repr=False)  # SSP: 64 bits, a secret; None is the makers' default
    random_below: Callable[[int], int] = randbelow  # SSP's keys are made with it


MakeTalk = Callable[[bytes, Mark | None, Options], Talk]
"""Makes a kiosk's half, given what an earlier one remembered and the last event that is recorded."""

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class CashProtocol(Generic[M]):
    """Both halves; ``make_voice`` is given the machine."""

    make_talk: MakeTalk
    make_voice: Callable[[M], Voice]


def _ccnet(memory: bytes, known: Mark | None, options: Options) -> Talk:
    settings = CcnetSettings()
    return CcnetTalk(memory, replace(settings, poll_ms=options.poll_ms or settings.poll_ms))


def _id003(memory: bytes, known: Mark | None, options: Options) -> Talk:
    settings = Id003Settings()
    return Id003Talk(memory, replace(settings, poll_ms=options.poll_ms or settings.poll_ms))


def _ssp(memory: bytes, known: Mark | None, options: Options) -> Talk:
    settings = SspDialogueSettings()
    keys = settings.keys if options.fixed_key is None else replace(settings.keys, fixed_key=options.fixed_key)
    settings = replace(settings, poll_ms=options.poll_ms or settings.poll_ms, keys=keys)
    return SspTalk(SspSettings(dialogue=settings), options.random_below)


def _cctalk(trade: Trade) -> MakeTalk:
    def make(memory: bytes, known: Mark | None, options: Options) -> Talk:
        settings = CctalkSettings(LineSettings(check=options.check), keeps_count=options.keeps_count)
        return CctalkTalk(trade, replace(settings, poll_ms=options.poll_ms or settings.poll_ms), memory, known)

    return make


NOTE_PROTOCOLS: dict[str, CashProtocol[Validator]] = {
    "ccnet": CashProtocol(_ccnet, CcnetVoice),
    "ssp": CashProtocol(_ssp, SspVoice),
    "cctalk": CashProtocol(_cctalk(NOTES), BillVoice),
    "id003": CashProtocol(_id003, Id003Voice),
}
COIN_PROTOCOLS: dict[str, CashProtocol[CoinMachine]] = {
    "cctalk": CashProtocol(_cctalk(COINS), CoinVoice),
}
