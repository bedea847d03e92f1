"""The cash devices as the sale sees them: two perhaps, of any protocol. Their events become the sale's."""

from __future__ import annotations

from kiosk.devices.acceptor import events as heard
from kiosk.devices.acceptor.port import NoteAcceptor, OnEvent
from kiosk.sale import events as on
from kiosk.sale.ports import Post

COIN_CODES = {"V-411": "V-418"}  # silent; every other fault is V-419
TAMPERED = "V-416"


class Till:
    """The note acceptor, and a coin acceptor if there is one."""

    def __init__(self, acceptor: NoteAcceptor, coins: NoteAcceptor | None, post: Post) -> None:
        self._devices: dict[on.CashDevice, NoteAcceptor] = {"acceptor": acceptor}
        if coins is not None:
            self._devices["coins"] = coins
        self._post = post

    def start(self) -> None:
        """Begins to look for the devices."""
        for name, device in self._devices.items():
            device.start(self._ears(name, device))

    def stop(self) -> None:
        """Ends; they take nothing more."""
        for device in self._devices.values():
            device.stop()

    def enable(self, denominations_fen: frozenset[int], coins_fen: frozenset[int]) -> None:
        """Takes notes and coins of these values."""
        self._devices["acceptor"].enable(denominations_fen)
        if "coins" in self._devices:
            self._devices["coins"].enable(coins_fen)

    def disable(self) -> None:
        """Takes nothing."""
        for device in self._devices.values():
            device.disable()

    def stack(self) -> None:
        """Takes the note in escrow."""
        self._devices["acceptor"].stack()

    def give_back(self) -> None:
        """Gives the note in escrow back."""
        self._devices["acceptor"].give_back()

    def credited(self, device: on.CashDevice) -> None:
        """The last credit that this device told is recorded."""
        self._devices[device].credited()

    def settled(self) -> None:
        """What the note acceptor said at its power-up is recorded."""
        self._devices["acceptor"].settled()

    def _ears(self, name: on.CashDevice, device: NoteAcceptor) -> OnEvent:
        """What hears a device; on the device's thread."""

        def hear(event: heard.AcceptorEvent) -> None:
            for meaning in meanings(name, event):
                self._post(meaning)
            if name == "coins" and isinstance(event, heard.AcceptorUp):
                device.settled()  # no coin lies halfway: there is nothing to record first

        return hear


def meanings(device: on.CashDevice, event: heard.AcceptorEvent) -> tuple[on.Event, ...]:
    """What a device's event says to the sale."""
    match event:
        case heard.AcceptorUp() if device == "coins":
            return (on.DeviceUp("coins"),)
        case heard.AcceptorUp(_, where, fen, total, serial):
            return on.DeviceUp("acceptor"), on.AcceptorUp(where, fen, total, serial)
        case heard.AcceptorFault(code) if code == TAMPERED:
            return (on.FraudSeen(device, "tampering"),)
        case heard.AcceptorDown(code) | heard.AcceptorFault(code):
            return (on.DeviceDown(device, COIN_CODES.get(code, "V-419") if device == "coins" else code),)
        case heard.AcceptorClear():
            return (on.DeviceUp(device),)
        case heard.FraudSeen(what):
            return (on.FraudSeen(device, what),)
        case heard.EventsLost(count, mark):
            return (on.EventsLost(device, count, mark),)
        case heard.CoinTaken(fen, found, mark):
            return (on.CoinTaken(fen, found, mark),)
        case _:
            return _of_note(event)


def _of_note(event: heard.AcceptorEvent) -> tuple[on.Event, ...]:
    match event:
        case heard.NoteEscrowed(fen, found):
            return (on.NoteEscrowed(fen, found),)
        case heard.NoteStacked(fen, found, mark):
            return (on.NoteStacked(fen, found, mark),)
        case heard.NoteReturned():
            return (on.NoteReturned(),)
        case heard.NoteRejected(reason):
            return (on.NoteRejected(reason),)
        case _:
            return ()
