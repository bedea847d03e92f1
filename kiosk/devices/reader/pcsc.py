"""PC/SC, raw: the only file that knows pyscard, and nothing of its comfort.

pyscard's CardMonitor ends for good when pcscd restarts and its disconnect resets cards for others, so this speaks to
``smartcard.scard`` directly. All calls belong to one thread, but ``cancel``. What pcscd says, as measured on pcsc-lite
1.9.9: a card pulled in mid-APDU gives success with an empty answer or E_NOT_TRANSACTED, and the same connection may
then reach *another* card without an error; so after one failed exchange a connection is lost for good.
Nothing is powered on or off before an exchange has shown that a card is there: see ``PcscConnection.close``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from smartcard import scard

from kiosk.model.cardport import IO_FAULT, NO_CARD, CardPortError
from kiosk.model.errors import ConfigFault

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
CARD_GONE = frozenset((scard.SCARD_W_REMOVED_CARD, scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_RESET_CARD))
NO_ANSWER = frozenset(
    (
        scard.SCARD_W_UNRESPONSIVE_CARD,
        scard.SCARD_W_UNPOWERED_CARD,
        scard.SCARD_W_UNSUPPORTED_CARD,
        scard.SCARD_E_PROTO_MISMATCH,
    )
)
READER_GONE = frozenset((scard.SCARD_E_UNKNOWN_READER, scard.SCARD_E_READER_UNAVAILABLE))
_NOTHING_NEW = frozenset((scard.SCARD_E_TIMEOUT, scard.SCARD_E_CANCELLED))

_sockets_used: set[str] = set()


class PcscFault(Exception):
    """A call failed; ``result`` is PC/SC's code, without a sign."""

    def __init__(self, call: str, result: int) -> None:
        super().__init__(f"{call}: {result:08X}")
        self.result = result


@dataclass(frozen=True, slots=True)
class SlotState:
    """What pcscd says about a reader's slot. ``counter`` rises with every insertion and removal pcscd notices."""

    raw: int

    @property
    def present(self) -> bool:
        """A card is in, answering or not."""
        return bool(self.raw & scard.SCARD_STATE_PRESENT)

    @property
    def gone(self) -> bool:
        """The reader itself is gone."""
        return bool(self.raw & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE))

    @property
    def counter(self) -> int:
        """Insertions and removals, modulo 65536."""
        return self.raw >> 16 & 0xFFFF


UNAWARE = SlotState(scard.SCARD_STATE_UNAWARE)


def use_socket(path: str) -> None:
    """Points this process at another pcscd; "" is pcscd's own place.

    The C library looks once, at the first context. ConfigFault F-701 when it has looked elsewhere already.
    """
    if _sockets_used - {path}:
        raise ConfigFault("F-701", f"this process already uses the pcscd at {_sockets_used}, not {path!r}")
    if path:
        os.environ[SOCKET_VARIABLE] = path


class Service:
    """A context in pcscd. PcscFault when pcscd is not there."""

    def __init__(self) -> None:
        _sockets_used.add(os.environ.get(SOCKET_VARIABLE, ""))
        result, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        _demand("SCardEstablishContext", result)

    def readers(self) -> list[str]:
        """Names of the readers there are."""
        result, names = scard.SCardListReaders(self._context, [])
        if _plain(result) == scard.SCARD_E_NO_READERS_AVAILABLE:
            return []
        _demand("SCardListReaders", result)
        return list(names)

    def wait(self, name: str, known: SlotState, timeout_ms: int) -> SlotState:
        """The slot's state once it differs from ``known``, or ``known`` after ``timeout_ms`` or ``cancel``."""
        result, states = scard.SCardGetStatusChange(self._context, timeout_ms, [(name, known.raw)])
        if _plain(result) in _NOTHING_NEW:
            return known
        if _plain(result) in READER_GONE:
            return SlotState(scard.SCARD_STATE_UNKNOWN)
        _demand("SCardGetStatusChange", result)
        return SlotState(states[0][1] & ~scard.SCARD_STATE_CHANGED)

    def cancel(self) -> None:
        """Ends a ``wait``; may be called from any thread."""
        scard.SCardCancel(self._context)

    def connect(self, name: str) -> PcscConnection:
        """The card in the slot, for us alone."""
        result, handle, protocol = scard.SCardConnect(self._context, name, scard.SCARD_SHARE_EXCLUSIVE, PROTOCOLS)
        _demand("SCardConnect", result)
        try:
            return PcscConnection(handle, protocol)
        except PcscFault:
            scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
            raise

    def release(self) -> None:
        """Gives the context back; a dead pcscd does not matter."""
        scard.SCardReleaseContext(self._context)


class PcscConnection:
    """A card powered for us (``ports.Connection``). ``lost`` once an exchange failed: nobody knows what is in now."""

    def __init__(self, handle: int, protocol: int) -> None:
        self._handle = handle
        self._protocol = protocol
        self.lost = False
        self.atr = self._read_atr()

    @property
    def t0(self) -> bool:
        """Whether the protocol is T=0."""
        return bool(self._protocol == scard.SCARD_PROTOCOL_T0)

    def transmit(self, apdu: bytes) -> bytes:
        """One exchange. CardPortError −1 no card (or not this one any more), −2 it failed; both lose the connection."""
        if self.lost:
            raise CardPortError(NO_CARD, "the card is gone")
        pci = scard.SCARD_PCI_T0 if self.t0 else scard.SCARD_PCI_T1
        result, answer = scard.SCardTransmit(self._handle, pci, list(apdu))
        if result == 0 and len(answer) >= 2:
            return bytes(answer)
        self.lost = True
        code = NO_CARD if _plain(result) in CARD_GONE else IO_FAULT
        raise CardPortError(code, f"the exchange failed: {_plain(result):08X}")

    def power_afresh(self) -> None:
        """Cold reset. PcscFault when it fails; the connection is lost then."""
        self.lost = True
        result, protocol = scard.SCardReconnect(
            self._handle, scard.SCARD_SHARE_EXCLUSIVE, PROTOCOLS, scard.SCARD_UNPOWER_CARD
        )
        _demand("SCardReconnect", result)
        self._protocol = protocol
        self.atr = self._read_atr()
        self.lost = False

    def close(self) -> None:
        """Powers the card off, if it is still ours. A card or a pcscd that is gone does not matter.

        A card that is gone is left alone: pcscd, asked to power it off, would take the slot for empty until the next
        removal, even when another card is in by then.
        """
        disposition = scard.SCARD_LEAVE_CARD if self.lost else scard.SCARD_UNPOWER_CARD
        self.lost = True
        scard.SCardDisconnect(self._handle, disposition)

    def _read_atr(self) -> bytes:
        result, _name, _state, _protocol, atr = scard.SCardStatus(self._handle)
        _demand("SCardStatus", result)
        return bytes(atr)


def _plain(result: int) -> int:
    return result & 0xFFFFFFFF


def _demand(call: str, result: int) -> None:
    if result != 0:
        raise PcscFault(call, _plain(result))
