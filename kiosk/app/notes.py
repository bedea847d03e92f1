"""The note acceptor as the sale sees it: its events become the sale's."""

from __future__ import annotations

from kiosk.devices.acceptor import events as heard
from kiosk.sale import events as on
from kiosk.sale.ports import Post


class NoteEars:
    """Turns what the acceptor says into what the sale hears."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def hear(self, event: heard.AcceptorEvent) -> None:
        """One event of the acceptor; on its thread."""
        match event:
            case heard.AcceptorUp(note_at_power_up=note):
                self._post(on.DeviceUp("acceptor"))
                self._post(on.AcceptorUp(note))
            case heard.AcceptorDown(code) | heard.AcceptorFault(code):
                self._post(on.DeviceDown("acceptor", code))
            case heard.AcceptorClear():
                self._post(on.DeviceUp("acceptor"))
            case heard.NoteEscrowed(fen=fen, found=found):
                self._post(on.NoteEscrowed(fen, found))
            case heard.NoteStacked(fen=fen, found=found):
                self._post(on.NoteStacked(fen, found))
            case heard.NoteReturned():
                self._post(on.NoteReturned())
            case heard.NoteRejected(reason=reason):
                self._post(on.NoteRejected(reason))
