"""What an ID003 acceptor is told before it may take notes: the next step from what it has confirmed.

Every setting is echoed; only that counts. A machine that was reset, or that begins anew by itself, has forgotten all.
"""

from __future__ import annotations

from kiosk.devices.acceptor.id003 import wire

# What every kiosk wants, before the denominations: answers only when asked, notes either way up, the security and the
# options that the maker ships (no power recovery: a note that was under way is told by the power-up states).
SETUP = (
    bytes((wire.SET_MODE, 0)),
    bytes((wire.SET_DIRECTION, 0)),
    bytes((wire.SET_SECURITY, 0, 0)),
    bytes((wire.SET_OPTIONS, 0, 0)),
)


class Setup:
    """The settings of one acceptor."""

    def __init__(self, again_ms: int) -> None:
        """``again_ms``: an order that was echoed and did nothing is repeated after this time."""
        self._again_ms = again_ms
        self.forget()

    def forget(self) -> None:
        """Nothing is known of them."""
        self._done = 0  # how many of SETUP it has
        self._mask = b""
        self._inhibited: bool | None = None
        self._inhibit_ms = 0
        self.inhibits = 0  # how often it was told to take notes or none

    def step(self, status: int, kinds: frozenset[int], now_ms: int) -> bytes | None:
        """What to send now to a machine in this state, so that it takes these and no others; None: it does.

        Settings change only while it takes nothing; one that idles is inhibited first.
        """
        mask = wire.set_denominations(kinds)
        if status == wire.IDLING:
            return None if kinds and self._done == len(SETUP) and self._mask == mask else wire.INHIBIT_ON
        if self._done < len(SETUP):
            return SETUP[self._done]
        if self._mask != mask and (kinds or not self._mask):
            return mask
        inhibit = status == wire.INITIALIZING or not kinds
        if self._inhibited is inhibit and (inhibit or now_ms - self._inhibit_ms < self._again_ms):
            return None
        return wire.INHIBIT_ON if inhibit else wire.INHIBIT_OFF

    def heard(self, setting: bytes, answer: bytes, now_ms: int) -> None:
        """What it answered to one of them."""
        done, refused = answer == setting, answer[0] == wire.INVALID_COMMAND
        if setting[0] == wire.SET_INHIBIT:
            self.inhibits += 1
            if done:
                self._inhibited, self._inhibit_ms = setting == wire.INHIBIT_ON, now_ms
        elif setting[0] == wire.SET_DENOMINATIONS:
            self._mask = setting if done else b""
        elif done or refused:  # an older machine that does not know an option has it as the maker ships it
            self._done += 1
