"""One-time codes: given out by a person, used by one terminal, ended by a person who compared two fingerprints.

::

    open ──── request proven by the code ───► asked ──── same fingerprint ───► enrolled
      │ five wrong tries: dead                  │ other fingerprint: refused
      └──── a newer code, or its time is up: withdrawn

The network can only ask. What makes a log is ``confirm``, and that is a person's. The same request gets the same answer
however often it comes, for answers get lost; another key with a used code gets none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kiosk.hq.carried import Left, epoch_of, epochs, left_to_next, place_of
from kiosk.hq.store import Store, log_hash
from kiosk.hq.tables import Invitation, Log
from kiosk.ledger.enrolment import (
    Answer,
    Request,
    fingerprint,
    in_groups,
    is_proven,
    make_answer,
    named,
    new_digits,
    new_number,
    parse_code,
    read_request,
    same_fingerprint,
)
from kiosk.ledger.note import Vkey
from kiosk.ledger.sealing import SealingKey
from kiosk.model.errors import ConfigFault, EnrolmentRefused, LedgerFault

STATES = ("open", "asked", "enrolled", "refused", "withdrawn", "dead")
TRIES_MAX = 5
HOUR_MS = 3_600_000
HOURS = 72  # a code's life, unless said otherwise
NUMBERS_TRIED_MAX = 100


@dataclass(frozen=True, slots=True)
class Gifts:
    """What each answer brings beside the keys: both opaque here."""

    settings: bytes = b""
    root: bytes = b""  # of the TUF repository


@dataclass(frozen=True, slots=True)
class Asked:
    """A terminal that waits for a person. ``vkey``: as it will be enrolled."""

    number: str
    place: str
    state: str
    made_ms: int
    expires_ms: int
    tries: int
    vkey: str
    fingerprint: str  # "" before it asked


def invite(store: Store, place: str, now_ms: int, hours: int = HOURS) -> str:
    """A new code for a terminal, twenty digits in groups; older ones of it that wait are withdrawn.

    Raises EnrolmentRefused E-909 if ``place`` (domain/kiosk/region/terminal) cannot be a terminal's.
    """
    named(place, 1, bytes(32))
    with store.session() as database, store.transaction():
        used = {row.number for row in Invitation.select(Invitation.number).execute(database)}
        number = next((each for each in _numbers() if each not in used), "")
        if not number:
            raise EnrolmentRefused("E-902", "no number is free: `kiosk hq enrol tidy` forgets old codes")
        digits = new_digits(number)
        old = (Invitation.place == place) & (Invitation.state.in_(("open", "asked")))
        Invitation.update(state="withdrawn").where(old).execute(database)
        Invitation.insert(
            number=number,
            place=place,
            key=parse_code(digits).key,
            made_ms=now_ms,
            expires_ms=now_ms + hours * HOUR_MS,
            state="open",
        ).execute(database)
    return digits


def ask(store: Store, office: tuple[Vkey, ...], raw: bytes, now_ms: int, gifts: Gifts) -> bytes:
    """The answer to a request. Raises EnrolmentRefused E-902 to E-906, E-909; a wrong try is counted."""
    request = read_request(raw)
    left = _left(store, request, raw)
    with _row(store, request.number) as row:
        state = "withdrawn" if row.state == "open" and now_ms >= row.expires_ms else row.state
        if state == "dead" or row.tries >= TRIES_MAX:
            raise EnrolmentRefused("E-905", "this code is dead: it was tried wrongly too often")
        if not is_proven(raw, bytes(row.key)):
            if row.state == "open":  # a used one tells nobody anything, and its terminal waits for a person
                _change(store, row, tries=row.tries + 1, state="dead" if row.tries + 1 >= TRIES_MAX else "open")
            raise EnrolmentRefused("E-906", "the request was not made with this code")
        if state == "withdrawn":
            raise EnrolmentRefused("E-904", "this code has expired, or a newer one was given out")
        if request.place != row.place:
            raise EnrolmentRefused("E-902", f"this code is not for {request.place}")
        if state == "open":
            vkey, answer = _answer(store, office, raw, request, bytes(row.key), gifts, left)
            _change(store, row, state="asked", request=raw, answer=answer, vkey=str(vkey))
            return answer
        if bytes(row.request) != raw or state == "refused":
            raise EnrolmentRefused("E-903", "this code was used already")
        return bytes(row.answer)


def confirm(store: Store, number: str, shown: str, operator: str, now_ms: int) -> Vkey:
    """A person says that the terminal shows ``shown``: if we have the same, its log is enrolled, older epochs retired.

    Raises EnrolmentRefused E-908 (and the code is refused), E-909 if nobody waits under this number.
    """
    with _row(store, number) as row:
        vkey = _confirmed(store, row, shown, operator, now_ms)
    # Each in a turn of its own: who books an old log holds its row, and may be waiting for the lock we just had.
    for log in epochs(store, place_of(vkey.name)):
        if epoch_of(log.origin) < epoch_of(vkey.name) and not log.retired_ms:
            with store.turn(log.hash) as turn:
                assert turn is not None, "a log is never deleted"
                turn.set(retired_ms=now_ms)
    return vkey


def _confirmed(store: Store, row: Any, shown: str, operator: str, now_ms: int) -> Vkey:
    if row.state == "enrolled":
        return Vkey.parse(row.vkey)
    if row.state != "asked":
        text = f"no terminal waits under {row.number}; `kiosk hq enrol list` shows who does"
        raise EnrolmentRefused("E-909", text)
    if not same_fingerprint(shown, fingerprint(bytes(row.request), bytes(row.answer))):
        _change(store, row, state="refused", operator=operator)
        raise EnrolmentRefused("E-908", "the terminal shows another fingerprint: somebody stands in between")
    vkey = Vkey.parse(row.vkey)
    _change(store, row, state="enrolled", operator=operator)
    if Log.select().where(Log.origin == vkey.name).first(store.database) is None:
        sealing = str(SealingKey(terminal_of(row.place), read_request(bytes(row.request)).sealing))
        new = {"hash": log_hash(vkey.name), "origin": vkey.name, "vkey": str(vkey), "enrolled_ms": now_ms}
        Log.insert({**new, "sealing": sealing}).execute(store.database)
    return vkey


def terminal_of(place: str) -> str:
    """REGION/TERMINAL, as what is sent down names it."""
    return "/".join(place.split("/")[2:4])


def sealing_key(store: Store, terminal: str) -> str:
    """The line of the key to which secrets of a terminal (REGION/TERMINAL) are sealed: its newest epoch's.

    Raises ConfigFault F-715 where its enrolment brought none.
    """
    places = {place_of(log.origin) for log in store.logs() if terminal_of(log.origin) == terminal}
    for log in (each for place in sorted(places) for each in epochs(store, place)):
        if log.sealing:
            return str(log.sealing)
    text = f"no sealing key of {terminal} is known here: give the one that lies in its folder, with --key"
    raise ConfigFault("F-715", text)


def refuse(store: Store, number: str, operator: str) -> None:
    """A person refuses whoever waits under a number, or takes a code back. Raises EnrolmentRefused E-909."""
    with _row(store, number) as row:
        if row.state not in ("open", "asked"):
            raise EnrolmentRefused("E-909", f"nothing waits under {number}: it is {row.state}")
        _change(store, row, state="refused", operator=operator)


def answer_to(store: Store, number: str) -> bytes:
    """The answer that waits to be carried back. Raises EnrolmentRefused E-909."""
    with _row(store, number) as row:
        if row.answer is None:
            raise EnrolmentRefused("E-909", f"nobody has asked with {number} yet")
        return bytes(row.answer)


def asked(store: Store, *, all_: bool = False) -> list[Asked]:
    """Who waits for a person, and codes that are out; ``all_``: what is settled, too. Newest first."""
    query = Invitation.select().order_by(Invitation.made_ms.desc())
    if not all_:
        query = query.where(Invitation.state.in_(("open", "asked")))
    with store.session() as database:
        rows = list(query.execute(database))
    return [_asked(row) for row in rows]


def tidy(store: Store, before_ms: int) -> int:
    """Forgets codes made before a time that nobody waits under; returns how many."""
    old = (Invitation.made_ms < before_ms) & Invitation.state.not_in(("asked",))
    with store.session() as database, store.transaction():
        return int(Invitation.delete().where(old).execute(database))


def _asked(row: Any) -> Asked:
    shown = fingerprint(bytes(row.request), bytes(row.answer)) if row.request is not None else ""
    return Asked(row.number, row.place, row.state, row.made_ms, row.expires_ms, row.tries, row.vkey, shown)


def _numbers() -> Iterator[str]:
    for _ in range(NUMBERS_TRIED_MAX):
        yield new_number()


@contextmanager
def _row(store: Store, number: str) -> Iterator[Any]:
    """The code of a number, in a transaction that is committed even where it ends in a refusal: tries are counted."""
    refused: EnrolmentRefused | None = None
    with store.session() as database, store.transaction():
        row = Invitation.select().where(Invitation.number == number).first(database)
        try:
            if row is None:
                raise EnrolmentRefused("E-902", f"no code {in_groups(number)} was given out")
            yield row
        except EnrolmentRefused as why:
            refused = why
    if refused is not None:
        raise refused


def _change(store: Store, row: Any, **fields: Any) -> None:
    Invitation.update(**fields).where(Invitation.number == row.number).execute(store.database)


def _left(store: Store, request: Request, raw: bytes) -> Left:
    """Before the transaction, for reading old ledgers takes its time; and only for who knows the code."""
    with store.session() as database:
        row = Invitation.select().where(Invitation.number == request.number).first(database)
    fresh = row is not None and row.state == "open" and row.place == request.place and is_proven(raw, bytes(row.key))
    return left_to_next(store, request.place) if fresh else Left()


def _answer(
    store: Store,
    office: tuple[Vkey, ...],
    raw: bytes,
    request: Request,
    key: bytes,
    gifts: Gifts,
    left: Left,
) -> tuple[Vkey, bytes]:
    """The next epoch's number was never given out before: a terminal may have opened one that nobody confirmed."""
    logs = epochs(store, request.place)
    before = Invitation.select(Invitation.vkey).where((Invitation.place == request.place) & (Invitation.vkey != ""))
    given = [Vkey.parse(vkey) for (vkey,) in before.tuples().execute(store.database)]
    numbers = [epoch_of(log.origin) for log in logs] + [epoch_of(vkey.name) for vkey in given]
    vkey = named(request.place, max(numbers, default=0) + 1, request.key)
    if any(Vkey.parse(log.vkey).key == request.key for log in logs):
        raise LedgerFault("L-505", f"this key of {request.place} is enrolled already; an epoch needs a new one")
    prev = next((log.cosigned_note for log in logs if log.cosigned_note), "")
    old = tuple(Vkey.parse(log.vkey) for log in logs)
    answer = Answer(vkey, office, old, prev, left.rows, gifts.settings, gifts.root, left.lists)
    return vkey, make_answer(answer, raw, key)
