"""How a device stands: up, silent, or at fault. Each is told once, when it changes."""

from __future__ import annotations

from kiosk.devices.acceptor import events as on

SILENT = "V-411"


class Standing:
    """One device's."""

    def __init__(self, silent_max: int) -> None:
        """``silent_max``: unanswered questions in a row, until it counts as silent."""
        self._silent_max = silent_max
        self._unanswered = 0
        self._fault = ""
        self._told_silent = False
        self.up = False

    def answered(self) -> None:
        """A question was."""
        self._unanswered = 0

    def missed(self) -> bool:
        """A question was not; whether that is one too many."""
        self._unanswered += 1
        return self._unanswered >= self._silent_max

    def came_up(self) -> None:
        """AcceptorUp is told."""
        self.up, self._told_silent = True, False

    def silent(self) -> list[on.AcceptorEvent]:
        """Nothing is known any more."""
        told, self._told_silent = self._told_silent, True
        self.up, self._fault = False, ""
        return [] if told else [on.AcceptorDown(SILENT)]

    def at_fault(self, code: str) -> list[on.AcceptorEvent]:
        """What stops it now; "": nothing does."""
        before, self._fault = self._fault, code
        if code == before:
            return []
        return [on.AcceptorFault(code)] if code else [on.AcceptorClear()]
