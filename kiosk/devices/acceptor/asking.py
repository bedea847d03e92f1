"""Question and answer on a line without addresses of messages: whose answer is this?

A protocol that does not number its frames has one trap. A machine that is slow for once answers after we have given
up and asked the next thing; from then on every answer belongs to the question before it, and what acknowledges one
event lets go the next, unread. So after a silence nothing is asked until the line has been quiet for a while. And the
first answer after a silence may be a late one still, and its own on its way behind it: it is in doubt, and the line is
listened to once more, for as long as an answer may be late. With that, and if what is in doubt is not acknowledged, a
machine may take any time up to ``DOUBT_ROUNDS`` times what it has, now and then or always.
"""

from __future__ import annotations

from kiosk.devices.acceptor.talk import NEVER

QUIET_ROUNDS_MAX = 8  # a machine that never falls quiet is asked in the end
DOUBT_ROUNDS = 4  # how late an answer may be, in times that it has


class Asking:
    """Who has the word. Times in ms."""

    def __init__(self, answer_ms: int) -> None:
        """``answer_ms``: from the question to the end of its answer, at most."""
        self._answer_ms = answer_ms
        self._answer_due: int | None = None
        self._quiet_due: int | None = None
        self._quiet_ms = answer_ms
        self._latest = 0
        self._doubt = False  # an answer did not come, or the line is new

    @property
    def waiting(self) -> bool:
        """Whether an answer is awaited: what comes then belongs to the question."""
        return self._answer_due is not None

    def may_ask(self, now_ms: int) -> bool:
        """Whether nothing is awaited any more."""
        if self._quiet_due is not None and now_ms >= min(self._quiet_due, self._latest):
            self._quiet_due, self._quiet_ms = None, self._answer_ms
        return self._answer_due is None and self._quiet_due is None

    def asked(self, now_ms: int, answer_ms: int = 0) -> None:
        """A question was sent; ``answer_ms``: how long its answer may take, if that is longer than usual."""
        self._answer_due = now_ms + max(self._answer_ms, answer_ms)

    def answered(self, now_ms: int | None = None) -> bool:
        """Its answer came; whether that is in doubt. Then, if the time is given, the line is listened to."""
        self._answer_due = None
        doubt, self._doubt = self._doubt, False
        if doubt and now_ms is not None:
            self._quiet_ms = DOUBT_ROUNDS * self._answer_ms
            self.listen(now_ms)
        return doubt

    def listen(self, now_ms: int) -> None:
        """Nothing is asked until the line has been quiet for a while: answers to other questions may be on it."""
        if self._quiet_due is None:
            self._latest = now_ms + QUIET_ROUNDS_MAX * self._quiet_ms
        self._quiet_due = now_ms + self._quiet_ms

    def noise(self, now_ms: int) -> None:
        """Bytes came while nothing was awaited: a late answer; the line is not quiet yet."""
        if self._quiet_due is not None:
            self._quiet_due = now_ms + self._quiet_ms

    def gave_up(self, now_ms: int) -> bool:
        """Whether the answer did not come in time: true once a question, and then the line is listened to."""
        if self._answer_due is None or now_ms < self._answer_due:
            return False
        self._answer_due, self._doubt = None, True
        self.listen(now_ms)
        return True

    def opened(self, now_ms: int) -> None:
        """The line is new; whoever had it before may have asked something whose answer is still on its way."""
        self.forget()
        self._doubt = True
        self.listen(now_ms)

    def forget(self) -> None:
        """The line is gone."""
        self._answer_due = self._quiet_due = None
        self._quiet_ms, self._doubt = self._answer_ms, False

    def due_ms(self) -> int:
        """When something of this falls due."""
        if self._answer_due is not None:
            return self._answer_due
        return NEVER if self._quiet_due is None else min(self._quiet_due, self._latest)
