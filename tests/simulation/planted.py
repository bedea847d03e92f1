"""Bugs to plant: each a rule that somebody could have written. A simulation that misses one of them is worth little.

``PLANTED[name](patch)`` plants one for a test, by pytest's monkeypatch, in the sale's rules or in what lies below the
journal; whatever world runs the real machine and runner meets it.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kiosk.hq import vouchers as hq_vouchers
from kiosk.model.errors import LedgerFault
from kiosk.sale import books, entries, machine, runner, writing
from kiosk.sale import effects as do
from kiosk.sale import events as on
from kiosk.sale.moves import leave, record
from kiosk.sale.state import Away, NoteRow, Writing
from kiosk.simulation import database
from kiosk.simulation.disk import Disk

Plant = Callable[[pytest.MonkeyPatch], None]


def change(patch: pytest.MonkeyPatch, table: dict, key: object, bug: Callable) -> None:
    """``bug(rule, state, event, stamp)`` in the place of a rule."""
    rule = table[key]
    patch.setitem(table, key, lambda state, event, stamp: bug(rule, state, event, stamp))


def do_first(patch: pytest.MonkeyPatch, *kinds: type) -> None:
    """Effects of these kinds before all others of their step: acts before records."""
    step = runner.step

    def hasty(state, event, stamp):
        state, effects = step(state, event, stamp)
        return state, tuple(sorted(effects, key=lambda effect: not isinstance(effect, kinds)))

    patch.setattr(runner, "step", hasty)


def credit_at_escrow(patch):
    """The note is credited when the acceptor has read it, not when it lies in the box."""

    def bug(rule, state, event, stamp):
        state, effects = rule(state, event, stamp)
        if do.StackNote() not in effects:
            return state, effects
        credit = entries.note_stacked(state.books.open, state.books.note, event.fen, "credit")
        state, credited = record(state, credit)
        at = effects.index(do.StackNote())
        return state, (*effects[:at], credited, *effects[at:])

    change(patch, machine.ANY, on.NoteEscrowed, bug)


def stack_before_recording(patch):
    """STACK is sent, then the note is recorded."""
    do_first(patch, do.StackNote)


def write_before_recording(patch):
    """The card is written, or digits made, before ``write.intended`` is committed."""
    do_first(patch, do.WriteCard, do.MakeToken)


def forget_on_walk_away(patch):
    """The card does not come back in time: the visit is over, and so is the sale."""

    def bug(rule, state, event, stamp):
        if isinstance(state.phase, Away) and state.books.note is None:
            return leave(replace(state, books=replace(state.books, open=None), card=None))
        return rule(state, event, stamp)

    change(patch, machine.TIMERS, "visit", bug)


def assume_it_landed(patch):
    """The driver does not know whether it wrote: it will have."""

    def bug(rule, state, event, stamp):
        if event.unchanged:
            return rule(state, event, stamp)
        sale = state.books.open
        return writing.close(state, "done", "", entries.write_done(sale, sale.order, "written"))

    change(patch, machine.TABLE, (Writing, on.WriteFailed), bug)


def credit_a_repeat(patch):
    """Every report of a stacked note is a note."""

    def bug(rule, state, event, stamp):
        sale = state.books.open
        if state.books.note is not None or sale is None:
            return rule(state, event, stamp)
        row = NoteRow(stamp.fresh[:8], event.fen, True, sale.id)
        state, recorded = record(state, entries.note_stacked(sale, row, event.fen, "credit"))
        return state, (recorded, do.ConfirmNote())

    change(patch, machine.ANY, on.NoteStacked, bug)


def settle_before_recording(patch):
    """The acceptor may forget before we have written down what it said."""
    do_first(patch, do.ConfirmNote, do.SettleAcceptor)


def print_before_recording(patch):
    """The slip says "paid" before the sale is closed in the ledger."""
    do_first(patch, do.PrintSlip)


def ignore_power_up(patch):
    """What the acceptor says of its last note at power-up is not listened to."""

    def bug(rule, state, event, stamp):
        return rule(state, on.AcceptorUp("none"), stamp)

    change(patch, machine.ANY, on.AcceptorUp, bug)


def do_not_read_after_a_tear(patch):
    """The driver does not know whether it wrote: then it did not."""

    def bug(rule, state, event, stamp):
        return rule(state, replace(event, unchanged=True), stamp)

    change(patch, machine.TABLE, (Writing, on.WriteFailed), bug)


def forget_the_intended_write(patch):
    """After a power cut the card is written again without looking at it."""
    start = runner.start

    def bug(state):
        sale = state.books.open
        if sale is not None and sale.order is not None:
            state = replace(state, books=replace(state.books, open=replace(sale, order=None)))
        return start(state)

    patch.setattr(runner, "start", bug)


def forget_what_is_owed(patch):
    """A closed sale owes nothing."""
    closed = books._RULES["sale.closed"]
    patch.setitem(books._RULES, "sale.closed", lambda before, fact: replace(closed(before, fact), owed=before.owed))


def act_although_nothing_was_recorded(patch):
    """The disk is full: selling goes on."""
    carry_out = runner.Runner._do

    def bug(self, effect):
        try:
            carry_out(self, effect)
        except LedgerFault:
            return

    patch.setattr(runner.Runner, "_do", bug)


def pay_a_voucher_twice(patch):
    """Head office's counter does not look whether a voucher was redeemed before."""
    patch.setattr(hq_vouchers, "_refuse_redeemed", lambda *_: None)


def owe_it_still(patch):
    """The voucher is printed, and the kiosk goes on owing the money to the card."""
    issued = books._RULES["voucher.issued"]
    patch.setitem(books._RULES, "voucher.issued", lambda old, fact: replace(issued(old, fact), owed=old.owed))


def pragma(patch: pytest.MonkeyPatch, synchronous: str) -> None:
    """The journal's connection with another setting."""
    execute = database.Database.execute

    def bug(self, statement, values=()):
        return execute(self, statement.replace("synchronous = FULL", f"synchronous = {synchronous}"), values)

    patch.setattr(database.Database, "execute", bug)


def synchronous_normal(patch):
    """SQLite syncs at checkpoints only."""
    pragma(patch, "NORMAL")


def synchronous_off(patch):
    """SQLite syncs nothing: an append without fsync."""
    pragma(patch, "OFF")


def a_disk_that_lies(patch):
    """The card says "synced" and has synced nothing."""
    patch.setattr(Disk, "lies", property(lambda _: True, lambda _, told: None), raising=False)


RULES: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        credit_at_escrow,
        stack_before_recording,
        write_before_recording,
        forget_on_walk_away,
        assume_it_landed,
        credit_a_repeat,
        settle_before_recording,
        print_before_recording,
        ignore_power_up,
        do_not_read_after_a_tear,
        forget_the_intended_write,
        forget_what_is_owed,
        act_although_nothing_was_recorded,
    )
}
VOUCHERS: dict[str, Plant] = {plant.__name__: plant for plant in (pay_a_voucher_twice, owe_it_still)}
BELOW: dict[str, Plant] = {plant.__name__: plant for plant in (synchronous_normal, synchronous_off, a_disk_that_lies)}
PLANTED: dict[str, Plant] = {**RULES, **VOUCHERS, **BELOW}
