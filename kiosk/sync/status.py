"""How the terminal stands with head office, as sentences for people (``kiosk sync status``). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kiosk.model.texts import Texts
from kiosk.sync.progress import left_ms
from kiosk.sync.state import SyncState, SyncWork

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
CODES = (
    *("L-501", "L-502", "L-503", "L-504", "L-505", "L-506", "L-507"),
    *("S-601", "S-602", "S-603", "S-604", "S-605", "S-606", "S-607"),
)
"""What an uplink may report; docs/errors.md has more of each."""
NOTHING = frozenset[str]()
KEYS = {
    "status.log": frozenset({"origin"}),
    "status.all": frozenset({"total"}),
    "status.some": frozenset({"done", "total", "percent", "waiting"}),
    "status.speed": frozenset({"rate", "left"}),
    "status.contact": frozenset({"time", "span"}),
    "status.never": NOTHING,
    "status.well": NOTHING,
    "status.problem": frozenset({"code", "time", "words"}),
    "status.refused": frozenset({"seq", "waiting"}),
    "status.next": frozenset({"time", "span"}),
    "status.no-office": NOTHING,
    **{f"span.{unit}": frozenset({"count"}) for unit in ("seconds", "minutes", "hours", "days")},
    **{f"code.{code}": NOTHING for code in CODES},
}
"""Every text of the status, with the values it may use."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was read at one moment. ``total``: entries in the ledger; ``now_ms``: UTC."""

    origin: str
    state: SyncState
    work: SyncWork
    total: int
    now_ms: int

    @property
    def done(self) -> int:
        """Entries that head office has, as far as it said."""
        return min(self.total, self.work.office_size or self.state.cosigned_size)

    @property
    def well(self) -> bool:
        """Whether nobody need do anything."""
        return not self.state.problem_code and not self.state.stop_selling


def lines(standing: Standing, texts: Texts, time: Callable[[int], str]) -> list[str]:
    """The status. ``time`` writes UTC ms as people read them."""
    state, work, now_ms = standing.state, standing.work, standing.now_ms
    waiting = standing.total - standing.done
    told = [texts.text("status.log", origin=standing.origin), _how_far(standing, texts)]
    left = left_ms(work, standing.total)
    if left:
        rate = work.gained * MINUTE_MS // max(1, work.spent_ms)
        told.append(texts.text("status.speed", rate=rate, left=span(left, texts)))
    if state.last_contact_ms:
        ago = span(max(0, now_ms - state.last_contact_ms), texts)
        told.append(texts.text("status.contact", time=time(state.last_contact_ms), span=ago))
    else:
        told.append(texts.text("status.never"))
    told += _trouble(standing, texts, time)
    if work.refused_seq >= 0:
        told.append(texts.text("status.refused", seq=work.refused_seq, waiting=max(0, waiting - 1)))
    if work.next_try_ms > now_ms:
        until = span(work.next_try_ms - now_ms, texts)
        told.append(texts.text("status.next", time=time(work.next_try_ms), span=until))
    return told


def span(ms: int, texts: Texts) -> str:
    """A stretch of time in its largest fitting unit."""
    for unit, length in (("days", DAY_MS), ("hours", HOUR_MS), ("minutes", MINUTE_MS)):
        if ms >= 2 * length:
            return texts.text(f"span.{unit}", count=ms // length)
    return texts.text("span.seconds", count=ms // 1_000)


def _how_far(standing: Standing, texts: Texts) -> str:
    done, total = standing.done, standing.total
    if done == total:
        return texts.text("status.all", total=total)
    return texts.text("status.some", done=done, total=total, percent=100 * done // total, waiting=total - done)


def _trouble(standing: Standing, texts: Texts, time: Callable[[int], str]) -> list[str]:
    code = "L-503" if standing.state.stop_selling else standing.state.problem_code
    if not code:
        return [texts.text("status.well")]
    since = time(standing.work.problem_ms or standing.now_ms)
    words = texts.text(f"code.{code}") if code in CODES else ""
    return [texts.text("status.problem", code=code, time=since, words=words)]
