"""The table of the last five events, and what in it is new.

The device counts its events: 0 after it was powered up, then 1, 2 … 255, 1, 2 … Each answer to the poll holds the
count and the last five events, newest first; places that nothing has filled yet are (0, 0). Reading changes nothing,
so a poll that was lost is simply asked again.

The law:

1. New are as many events as the count has moved on, modulo 255.
2. More than five: some can not be seen any more. That is said, and then the five that can. So many that no line was
   ever silent for so long, or a count that has gone back, is believed in nothing; it is listened to from there on.
3. The five places must agree with those read before. If they do not, or the count is 0 and was not, the device was
   powered up in between. What it has counted since can all be seen if it is fewer than five events.

Source: ccTalk Generic Specification 4.6, part 2, headers 229 and 159, and part 3, appendix on event counters.
"""

from __future__ import annotations

from dataclasses import dataclass

DEPTH = 5
COUNT_MAX = 255
BURST_MAX = 50  # events that may come unread: a coin acceptor stops when it is not asked for a second
Pair = tuple[int, int]
Pairs = tuple[Pair, ...]
NOTHING: Pairs = ((0, 0),) * DEPTH


@dataclass(frozen=True, slots=True)
class Table:
    """One answer: the count, and five events, newest first."""

    counter: int = 0
    pairs: Pairs = NOTHING

    def newest(self, count: int) -> tuple[tuple[int, Pair], ...]:
        """The last ``count`` events with their numbers, oldest first."""
        numbers = [self.counter]
        while len(numbers) < count:
            numbers.append(before(numbers[-1]))
        return tuple(reversed(list(zip(numbers[:count], self.pairs[:count], strict=True))))


@dataclass(frozen=True, slots=True)
class News:
    """What a table says that is new: ``events`` (number, pair), oldest first, after those that are missing.

    ``lost``: how many events nobody can see any more, 0 if nobody knows; None if none is missing. ``start``: the number
    after which it is listened to, if some are. ``reset``: the device was powered up since the last table.
    """

    events: tuple[tuple[int, Pair], ...] = ()
    lost: int | None = None
    start: int = 0
    reset: bool = False


def parse(answer: bytes) -> Table:
    """Reads the answer to COIN_EVENTS or BILL_EVENTS. Raises ValueError if it has not eleven bytes."""
    if len(answer) != 1 + 2 * DEPTH:
        raise ValueError(f"a table has {1 + 2 * DEPTH} bytes, not {len(answer)}")
    return Table(answer[0], tuple(zip(answer[1::2], answer[2::2], strict=True)))


def encode(table: Table) -> bytes:
    """The answer that says it."""
    return bytes((table.counter, *(number for pair in table.pairs for number in pair)))


def after(counter: int) -> int:
    """The number of the next event."""
    return counter % COUNT_MAX + 1


def before(counter: int) -> int:
    """The number of the event before, 1…255."""
    return (counter - 2) % COUNT_MAX + 1


def behind(last: int, now: int) -> int:
    """How many events lie between two counts, if the device was not powered up in between and ``now`` is not 0."""
    return now if last == 0 else (now - last) % COUNT_MAX


def logged(table: Table, pair: Pair) -> Table:
    """The table after one more event."""
    return Table(after(table.counter), (pair, *table.pairs[:-1]))


def fresh(table: Table) -> bool:
    """Whether it shows everything since the device was powered up."""
    return table.counter < DEPTH and table.pairs[table.counter :] == NOTHING[table.counter :]


def news(last: int, seen: Pairs | None, now: Table) -> News:
    """What is new after event number ``last``; ``seen``: the places as they were then, None if nobody remembers."""
    if now.counter == 0:
        return News(lost=0, reset=True) if last else News()
    new = behind(last, now.counter)
    known = NOTHING if last == 0 else seen
    if new <= DEPTH and (known is None or now.pairs[new:] == known[: DEPTH - new]):
        return News(now.newest(new))
    if fresh(now):
        return News(now.newest(now.counter), lost=0, reset=True)
    if DEPTH < new <= BURST_MAX:
        seen_yet = now.newest(DEPTH)
        return News(seen_yet, lost=new - DEPTH, start=before(seen_yet[0][0]))
    return News(lost=new if new > DEPTH else 0, start=now.counter)
