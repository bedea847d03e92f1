"""The sale's law.

``step(state, event, stamp)`` gives the next state and what to do. It has no clock, makes no ids and touches nothing:
the times and ids it needs come in with the event. Two rules hold for every path, and a test walks them all:

1. What must survive is recorded before the act that follows it: ``StackNote``, ``WriteCard`` and ``MakeToken`` directly
   follow the ``Record`` that names them.
2. Money is only in the books. The phase is what the customer sees; ``resume`` finds it again from the books after a
   power cut, and after a full disk, by the same road.

The table below is the whole machine: (phase, event) → rule. A pair that is not in it changes nothing: a press that
came too late, an answer that nobody waits for any more.
"""

from __future__ import annotations

from dataclasses import replace

from kiosk.sale import cash, fitness, keypad, lists, outages, visit, vouchers, writing
from kiosk.sale.arrivals import DownlinkSaid, ListsArrived, MessageOfTheDay
from kiosk.sale.effects import DisableNotes, Effect, PrintSlip, ReadCard, ReturnNote, SetTimer, StopTimer
from kiosk.sale.events import (
    AcceptorUp,
    AskNumber,
    Cancel,
    CardInserted,
    CardRead,
    CardRejected,
    CardRemoved,
    CardWritten,
    ChooseAmount,
    ChooseLanguage,
    ClockStepped,
    CoinTaken,
    Continue,
    CustomerFound,
    CustomerUnknown,
    DeviceDown,
    DeviceUp,
    Event,
    EventsLost,
    Finish,
    FraudSeen,
    GiveNumber,
    MoreTime,
    NoteEscrowed,
    NoteRejected,
    NoteReturned,
    NoteStacked,
    PaperReady,
    Printed,
    PrintFailed,
    RecordFailed,
    Stamp,
    TakeVoucher,
    TimerFired,
    TokenFailed,
    TokenMade,
    UnclaimedPrinted,
    VoucherPrinted,
    WriteFailed,
)
from kiosk.sale.moves import Rule, Step, clock_of, leave, record, room_fen
from kiosk.sale.state import (
    Account,
    Amount,
    Away,
    Books,
    Checking,
    Done,
    Entering,
    Idle,
    Paying,
    Printing,
    Reading,
    Refused,
    Sale,
    Starting,
    State,
    Vouched,
    Vouching,
    Writing,
)

DEVICES = ("reader", "acceptor", "printer")


def unrecorded(before: State, after: State, books: Books) -> State:
    """A step that could not be recorded never was, but for what it taught of the world: which card is in the slot, and
    which device is down, is so whether anybody writes it down or not.
    """
    card = before.card if before.session == after.session else None
    world = replace(before, session=after.session, card=card, down=after.down, no_coins=after.no_coins)
    return replace(world, books=books, since={**before.since, **after.since})


def record_failed(state: State, event: RecordFailed, stamp: Stamp) -> Step:
    """The ledger takes nothing: no cash, no writing; ask again, then pick the visit up as after a power cut."""
    down = {**state.down, "ledger": event.code}
    state = outages.since(state, "ledger", event.code, stamp)
    state = replace(state, phase=Starting(), down=down, notice="ledger", slip_asked=False)
    again = SetTimer("ledger", state.rules.ledger_retry_ms)
    return state, (DisableNotes(), ReturnNote(), StopTimer("visit"), StopTimer("note"), again)


def try_ledger(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """Whether the ledger can be written again: try it."""
    down = {device: code for device, code in state.down.items() if device != "ledger"}
    state, drafts = outages.caught_up(state, stamp)
    state, recorded = record(replace(state, down=down), *drafts)
    effects: tuple[Effect, ...] = (recorded,)
    if state.books.note is not None:
        effects += (SetTimer("note", state.rules.jam_ms),)
    return state, effects


def resume(state: State) -> Step:
    """Pick up what the books say is open, or begin with nobody here."""
    books = state.books
    if "ledger" in state.down or books.note is not None:
        return state, ()
    if books.unprinted is not None:
        return replace(state, phase=Printing(books.unprinted), notice=""), (PrintSlip(books.unprinted),)
    if books.issued is not None:
        return vouchers.print_again(state)
    sale = books.open
    if sale is None:
        return leave(replace(state, card=None))
    if sale.voucher is not None and sale.order is None and not sale.written_fen:
        return writing.close(replace(state, card=None), "returned", "")
    if sale.due_fen <= 0 and sale.order is None:
        state, effects = writing.close(state, "cancelled", "")
        return state, effects
    if sale.when:
        return _resume_token(state, sale)
    state = replace(state, phase=Away(), card=None, notice="resumed")
    read = () if state.session is None else (ReadCard(state.session),)
    return state, (*read, *clock_of(state))


def _resume_token(state: State, sale: Sale) -> Step:
    """Nobody has to come back with a card: ask for the digits again, or for the first time; or owe them."""
    card = keypad.card_again(state, sale)
    if card is None:
        return writing.close(state, "owed", "D-304")
    state = replace(state, card=card, phase=Writing(), notice="resumed")
    return (state, keypad.request_token(sale)) if sale.order else writing.finish_paying(state)


def start(state: State) -> Step:
    """The first step after the books have been folded: devices have not reported yet."""
    down = dict.fromkeys(DEVICES, "") | dict(state.down)
    state = replace(state, phase=Starting(), down=down, no_coins="" if state.rules.coins_fen else None)
    over = tuple(outages.over_at_start(state))
    recorded: tuple[Effect, ...] = ()
    if over:
        state, entry = record(state, *over)
        recorded = (entry,)
    if state.books.note is not None:
        return state, (*recorded, SetTimer("note-last", state.rules.jam_ms))
    state, effects = resume(state)
    return state, (*recorded, *effects)


def _settle(state: State) -> Step:
    """After every event: what was waiting for a note to come to rest, or for the ledger, goes on."""
    if state.books.note is not None:
        return state, ()
    phase, sale = state.phase, state.books.open
    if isinstance(phase, Starting):
        return resume(state)
    if isinstance(phase, Paying) and sale is not None and (phase.finishing or not room_fen(state, sale)):
        return writing.finish_paying(state)
    if isinstance(phase, Away) and state.card is not None:
        return visit.go_on(state)
    return state, ()


ANY: dict[type, Rule] = {
    CardInserted: visit.card_inserted,
    CardRemoved: visit.card_removed,
    AcceptorUp: cash.acceptor_up,
    NoteEscrowed: cash.note_escrowed,
    NoteStacked: cash.note_stacked,
    CoinTaken: cash.coin_taken,
    EventsLost: cash.events_lost,
    FraudSeen: fitness.fraud_seen,
    ClockStepped: fitness.clock_stepped,
    UnclaimedPrinted: cash.unclaimed_printed,
    NoteReturned: cash.note_returned,
    NoteRejected: cash.note_rejected,
    DeviceDown: fitness.device_down,
    DeviceUp: fitness.device_up,
    ListsArrived: lists.arrived,
    DownlinkSaid: lists.downlink_said,
    MessageOfTheDay: lists.message_of_the_day,
    RecordFailed: record_failed,
    ChooseLanguage: visit.choose_language,
    MoreTime: visit.more_time,
}
"""Rules that hold in every phase."""

TABLE: dict[tuple[type, type], Rule] = {
    (Idle, AskNumber): keypad.ask_number,
    (Entering, GiveNumber): keypad.give_number,
    (Entering, CustomerFound): visit.customer_found,
    (Entering, CustomerUnknown): keypad.customer_unknown,
    (Entering, Cancel): visit.cancel,
    (Writing, TokenMade): writing.token_made,
    (Writing, TokenFailed): writing.token_failed,
    (Reading, CardRead): visit.card_read,
    (Reading, CardRejected): visit.card_rejected,
    (Refused, Cancel): visit.cancel,
    (Account, Continue): visit.wants_to_buy,
    (Account, Cancel): visit.cancel,
    (Amount, ChooseAmount): visit.amount_chosen,
    (Amount, PaperReady): visit.paper_ready,
    (Amount, Cancel): visit.cancel,
    (Paying, Finish): visit.finish,
    (Paying, Cancel): visit.cancel,
    (Away, CardRead): visit.back_in_slot,
    (Away, CardRejected): visit.not_back,
    (Writing, CardWritten): writing.card_written,
    (Writing, WriteFailed): writing.write_failed,
    (Checking, CardRead): writing.checked,
    (Checking, CardRejected): writing.check_failed,
    (Printing, Printed): writing.printed,
    (Printing, PrintFailed): writing.print_failed,
    (Done, TakeVoucher): vouchers.take,
    (Done, Finish): visit.cancel,
    (Done, Cancel): visit.cancel,
    (Vouching, VoucherPrinted): vouchers.printed,
    (Vouched, Finish): visit.cancel,
    (Vouched, Cancel): visit.cancel,
}
"""Rules of one phase."""

TIMERS: dict[str, Rule] = {
    "visit": visit.time_is_up,
    "note": cash.no_word,
    "note-last": cash.no_word,
    "read": writing.read_again,
    "ledger": try_ledger,
    "fraud": fitness.fraud_over,
    "flaps": outages.settled,
}


def step(state: State, event: Event, stamp: Stamp) -> Step:
    """The next state, and what to do, in this order."""
    if isinstance(event, TimerFired):
        rule = TIMERS.get(event.timer)
    else:
        rule = TABLE.get((type(state.phase), type(event))) or ANY.get(type(event))
    if rule is None:
        return state, ()
    state, effects = rule(state, event, stamp)
    state, more = _settle(state)
    state, slip = cash.claim(state)
    state, taken_up = lists.take_up(state)
    return state, (*effects, *more, *slip, *taken_up)
