"""Cash: a note is held in escrow, recorded, stacked, and credited only at the acceptor's credit point, once; a coin
cannot come back, so its credit point is all there is. Which of several witnesses to believe stands in ``reconcile``.
"""

from __future__ import annotations

from dataclasses import replace

from kiosk.ledger.entry import Draft
from kiosk.model.cash import Mark
from kiosk.sale import entries
from kiosk.sale.effects import (
    ConfirmNote,
    Effect,
    PrintUnclaimed,
    ReturnNote,
    SetTimer,
    SettleAcceptor,
    StackNote,
    StopTimer,
)
from kiosk.sale.events import (
    AcceptorUp,
    CoinTaken,
    EventsLost,
    NoteEscrowed,
    NoteRejected,
    NoteReturned,
    NoteStacked,
    Stamp,
    TimerFired,
    UnclaimedPrinted,
)
from kiosk.sale.moves import Step, clock_of, paying_on, record, room_fen
from kiosk.sale.reconcile import Count, Row, Said, Verdict, row_of, verdict
from kiosk.sale.state import Paying, Printing, Starting, State, Vouching

HOW = {Verdict.CREDITED: "credit", Verdict.UNSENT: "unsent", Verdict.COUNTED: "counted"}
AT_POWER_UP = {"none": Said.NOTHING, "validator": Said.OUT, "stacker": Said.IN_BOX}


def note_escrowed(state: State, event: NoteEscrowed, stamp: Stamp) -> Step:
    """A note waits in escrow: record it, then stack it; or give it back."""
    sale = state.books.open
    paying = isinstance(state.phase, Paying) and not state.phase.finishing
    if sale is None or not paying or event.found or state.books.note is not None or state.down:
        return state, (ReturnNote(),)
    if event.fen > room_fen(state, sale) or event.fen not in state.rules.denominations_fen:
        return replace(state, notice="over-limit"), (ReturnNote(), *clock_of(state))
    note = stamp.fresh[:8]
    state, escrowed = record(state, entries.note_escrowed(sale, note, event.fen))
    state, accepted = record(state, entries.note_accepted(sale, note))
    state = replace(state, notice="")
    wait = SetTimer("note", state.rules.note_ms)
    return state, (escrowed, accepted, StackNote(), StopTimer("visit"), wait)


def note_stacked(state: State, event: NoteStacked, stamp: Stamp) -> Step:
    """The credit point."""
    if event.mark is not None and event.mark == state.books.marks.get("acceptor"):
        state, recorded = record(state, entries.note_repeated(event.fen or 0))
        return state, (recorded, ConfirmNote())
    state, effects = _judge(state, Said.IN_BOX, event.fen, stamp, "credit", event.mark)
    if event.found and state.surplus:
        state = replace(state, surplus=state.surplus - 1)  # that is one the counter had already
    first, more = effects[:1], effects[1:]
    return state, (*first, ConfirmNote(), *more)


def note_returned(state: State, event: NoteReturned, stamp: Stamp) -> Step:
    """The note is back in the customer's hand."""
    if state.books.note is None:
        return state, ()
    state, effects = _judge(state, Said.OUT, None, stamp, "returned")
    return replace(state, notice="note-returned" if isinstance(state.phase, Paying) else state.notice), effects


def note_rejected(state: State, event: NoteRejected, stamp: Stamp) -> Step:
    """The acceptor would not take the note."""
    if not isinstance(state.phase, Paying):
        return state, ()
    return replace(state, notice="note-rejected"), clock_of(state) if state.books.note is None else ()


def coin_taken(state: State, event: CoinTaken, stamp: Stamp) -> Step:
    """A coin is in the box: the open sale's, however late it rolled; else nobody's yet."""
    if event.mark is not None and event.mark == state.books.marks.get("coins"):
        return state, (ConfirmNote("coins"),)
    coin = entries.coin_credited(state.books.open, stamp.fresh[:8], event.fen, event.mark)
    state, recorded = record(state, coin)
    return state, (recorded, ConfirmNote("coins"), *paying_on(state))


def events_lost(state: State, event: EventsLost, stamp: Stamp) -> Step:
    """The device has forgotten what it counted: a person must count the box. Selling goes on."""
    if event.mark == state.books.marks.get(event.device):
        return state, (ConfirmNote(event.device),)
    state, recorded = record(state, entries.events_lost(event.device, event.count, event.mark))
    return state, (recorded, ConfirmNote(event.device))


def acceptor_up(state: State, event: AcceptorUp, stamp: Stamp) -> Step:
    """The acceptor answers, perhaps after a power cut of its own: first settle what it says of the last note."""
    state, counted = _compare(replace(state, acceptor_spoke=True), event)
    said, row = AT_POWER_UP[event.note], state.books.note
    settle = (*counted, SettleAcceptor())
    if said is Said.NOTHING or (said is Said.OUT and row is None):
        if row is not None or state.surplus:
            return state, (*settle, SetTimer("note", state.rules.note_ms))
        return state, (*settle, *(paying_on(state) if state.phase == Paying() else ()))
    fen = event.fen or (row.fen if row else None)
    state, effects = _judge(state, said, fen, stamp, "power-up")
    if said is Said.IN_BOX and state.surplus:
        state = replace(state, surplus=state.surplus - 1)
    return state, (*counted, *effects[:1], SettleAcceptor(), *effects[1:])


def _compare(state: State, event: AcceptorUp) -> tuple[State, tuple[Effect, ...]]:
    """Holds the acceptor's own counter against the books; a strange acceptor's is where we begin to count."""
    if event.total is None:
        return replace(state, surplus=None, told=None), ()
    counted, told = state.books.counted, (event.serial, event.total)
    if counted is None or counted.serial != event.serial or event.total < counted.base + counted.booked:
        state, recorded = record(state, entries.device_counted("acceptor", event.serial, event.total))
        return replace(state, surplus=None, told=told), (recorded,)
    surplus, note = event.total - counted.base - counted.booked, state.books.note
    return replace(state, surplus=surplus, told=told, counted_note=note.id if note else b""), ()


def no_word(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """The acceptor had its time to say where the note went, and what else it counted."""
    if state.books.note is None:
        return _unexplained(state)
    if "acceptor" in state.down and not event.timer.endswith("last"):
        return state, (SetTimer("note-last", state.rules.jam_ms),)
    state, effects = _judge(state, Said.NOTHING, None, stamp, "no word")
    state, more = _unexplained(state)
    return state, (*effects, *more, *clock_of(state))


def _unexplained(state: State) -> Step:
    """Notes that only the counter knows: for a person to count."""
    if not state.surplus or state.told is None:
        return state, ()
    counted = state.books.counted
    assert counted is not None, "a surplus over nothing"
    lost = entries.events_lost("acceptor", state.surplus, None)
    base = entries.device_counted("acceptor", counted.serial, counted.base + counted.booked + state.surplus)
    state, recorded = record(state, lost, base)
    return replace(state, surplus=0), (recorded,)


def _judge(
    state: State, said: Said, fen: int | None, stamp: Stamp, why: str, mark: Mark | None = None
) -> tuple[State, tuple[Effect, ...]]:
    """Records the verdict; the first effect is the record, if there is one."""
    row, sale = state.books.note, state.books.open
    surplus = state.surplus if row is None or row.id == state.counted_note else None
    count = Count.UNKNOWN if surplus is None else Count.MORE if surplus else Count.EQUAL
    known = row_of(state.books, fen)
    if known is Row.CREDITED and mark is not None:
        known = Row.NONE  # another number than the last credit's
    found = verdict(known, said, count)
    how = "power-up" if why == "power-up" and found is Verdict.CREDITED else HOW.get(found, "")
    draft: Draft | None = None
    if how and row is not None:
        value = row.fen if fen is None else fen
        draft = entries.note_stacked(sale, row, value, how, mark) if sale else None
        draft = draft or entries.note_unassigned(row.id, value, mark)
    elif found is Verdict.RETURNED and row is not None:
        draft = entries.note_returned(row, why)
    elif found is Verdict.LOST and row is not None:
        draft = entries.note_lost(row)
    elif found is Verdict.REPEATED:
        draft = entries.note_repeated(fen or 0)
    elif found is Verdict.UNASSIGNED:
        draft = entries.note_unassigned(stamp.fresh[:8], fen, mark) if fen else entries.note_unknown("acceptor")
    if draft is None:
        return state, ()
    state, recorded = record(state, draft)
    if found is Verdict.COUNTED or (found is Verdict.UNSENT and said is Said.NOTHING):
        state = replace(state, surplus=(surplus or 1) - 1)
    if found in (Verdict.REPEATED, Verdict.UNASSIGNED):
        return state, (recorded,)
    state = replace(state, notice="note-lost" if found is Verdict.LOST else state.notice)
    return state, (recorded, StopTimer("note"), *paying_on(state), *clock_of(state))


def claim(state: State) -> Step:
    """Money without a sale has a slip of its own, as soon as the printer is free."""
    asked = state.slip_asked or not state.books.unclaimed or isinstance(state.phase, Starting | Printing | Vouching)
    if asked or "printer" in state.down or "ledger" in state.down:
        return state, ()
    return replace(state, slip_asked=True), (PrintUnclaimed(state.books.unclaimed[0].id),)


def unclaimed_printed(state: State, event: UnclaimedPrinted, stamp: Stamp) -> Step:
    """The slip is out, or not: then the attendant's list has the money."""
    if not state.books.unclaimed:
        return state, ()
    failed = event.code and entries.receipt_failed(None, event.number, event.code)
    state, recorded = record(state, failed or entries.receipt_printed(None, event.number))
    return replace(state, slip_asked=False), (recorded,)
