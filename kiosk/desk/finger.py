"""A finger on the kiosk's screen: touches as a touch frame sends them (TUIO 1.1, profile 2Dcur, over UDP).

Source: tuio.org/?specification: a bundle of ``alive`` (session ids), ``set`` (id, x, y, speeds) and ``fseq``;
x and y run from 0 to 1, y downwards.
"""

from __future__ import annotations

from oscpy.client import OSCClient

PROFILE = b"/tuio/2Dcur"


class Finger:
    """Taps at places of a screen."""

    def __init__(self, host: str, port: int) -> None:
        self._line = OSCClient(host, port)
        self._session = 0
        self._frame = 0

    def down(self, x: float, y: float) -> None:
        """Touches the screen: shares of its width and height from the top left corner."""
        self._session += 1
        self._send([b"alive", self._session], [b"set", self._session, x, y, 0.0, 0.0, 0.0])

    def up(self) -> None:
        """Lifts the finger."""
        self._send([b"alive"])

    def tap(self, x: float, y: float) -> None:
        """Down and up again."""
        self.down(x, y)
        self.up()

    def _send(self, *messages: list[object]) -> None:
        self._frame += 1
        self._line.send_bundle([(PROFILE, message) for message in (*messages, [b"fseq", self._frame])])
