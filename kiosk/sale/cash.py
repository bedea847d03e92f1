"""Notes: held in escrow, recorded, stacked, and credited only at the acceptor's credit point, once.

=====================  =======================================  ==========================================
the books' last note   the acceptor says                        we do
=====================  =======================================  ==========================================
none                   nothing, or "in the stacker" at start    nothing: it was credited (logged)
none                   stacked, same value as the last credit   a repeat: logged, not credited
none                   stacked                                  book to ``unassigned``
escrowed or accepted   stacked, or "in the stacker" at start    credit once
escrowed or accepted   "in the validator" at start, returned    returned
escrowed               no word                                  returned (STACK was never sent)
accepted               no word                                  lost: a person must look; the slip says so
=====================  =======================================  ==========================================
"""

from __future__ import annotations

from dataclasses import replace

from kiosk.sale import entries
from kiosk.sale.effects import ConfirmNote, Effect, ReturnNote, SetTimer, SettleAcceptor, StackNote, StopTimer
from kiosk.sale.events import AcceptorUp, NoteEscrowed, NoteRejected, NoteReturned, NoteStacked, Stamp, TimerFired
from kiosk.sale.moves import Step, clock_of, notes_that_fit, open_sale, record, room_fen
from kiosk.sale.state import Paying, State


def note_escrowed(state: State, event: NoteEscrowed, stamp: Stamp) -> Step:
    """A note waits in escrow: record it, then stack it; or give it back."""
    sale = state.books.open
    paying = isinstance(state.phase, Paying) and not state.phase.finishing
    if sale is None or not paying or event.found or state.books.note is not None or "ledger" in state.down:
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
    row, sale = state.books.note, state.books.open
    if row is not None and sale is not None:
        state, recorded = record(state, entries.note_stacked(sale, row, event.fen, "credit"))
        paying = isinstance(state.phase, Paying)
        more: tuple[Effect, ...] = (notes_that_fit(state, open_sale(state)), *clock_of(state)) if paying else ()
        return state, (recorded, ConfirmNote(), StopTimer("note"), *more)
    if state.books.credited_fen == event.fen:
        state, recorded = record(state, entries.note_repeated(event.fen))
    else:
        state, recorded = record(state, entries.note_unassigned(stamp.fresh[:8], event.fen))
    return state, (recorded, ConfirmNote())


def note_returned(state: State, event: NoteReturned, stamp: Stamp) -> Step:
    """The note is back in the customer's hand."""
    row = state.books.note
    if row is None:
        return state, ()
    state, recorded = record(state, entries.note_returned(row, "returned"))
    state = replace(state, notice="note-returned" if isinstance(state.phase, Paying) else state.notice)
    return state, (recorded, StopTimer("note"), *clock_of(state))


def note_rejected(state: State, event: NoteRejected, stamp: Stamp) -> Step:
    """The acceptor would not take the note."""
    if not isinstance(state.phase, Paying):
        return state, ()
    return replace(state, notice="note-rejected"), clock_of(state) if state.books.note is None else ()


def acceptor_up(state: State, event: AcceptorUp, stamp: Stamp) -> Step:
    """The acceptor answers, perhaps after a power cut of its own: first settle what it says of the last note."""
    state = replace(state, acceptor_spoke=True)
    row, sale = state.books.note, state.books.open
    if row is None:
        effects: tuple[Effect, ...] = ()
        if event.note == "stacker":
            state, recorded = record(state, entries.note_repeated(0))
            effects = (recorded,)
        again = (notes_that_fit(state, sale),) if sale and state.phase == Paying() else ()
        return state, (*effects, SettleAcceptor(), *again)
    if event.note == "stacker" and sale is not None:
        state, recorded = record(state, entries.note_stacked(sale, row, row.fen, "power-up"))
        return state, (recorded, SettleAcceptor(), StopTimer("note"), *clock_of(state))
    if event.note == "validator":
        state, recorded = record(state, entries.note_returned(row, "power-up"))
        return state, (recorded, SettleAcceptor(), StopTimer("note"), *clock_of(state))
    return state, (SettleAcceptor(), SetTimer("note", state.rules.note_ms))


def no_word(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """The acceptor did not say where the note went."""
    row = state.books.note
    if row is None:
        return state, ()
    if "acceptor" in state.down and not event.timer.endswith("last"):
        return state, (SetTimer("note-last", state.rules.jam_ms),)
    draft = entries.note_lost(row) if row.accepted else entries.note_returned(row, "no word")
    state, recorded = record(state, draft)
    return replace(state, notice="note-lost" if row.accepted else ""), (recorded, *clock_of(state))
