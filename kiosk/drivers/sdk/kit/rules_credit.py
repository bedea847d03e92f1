"""Contract 1 §4.2, §4.7: what the vendor's meter makes of a torn card, and of a card torn out of the meter itself.

The money's own rules. Each story has a meter of its own, fresh from conformance/meter.py. A torn purchase is followed
two ways: straight into the meter and then back to the kiosk, and back to the kiosk first. Whatever happened, in the
end the meter has the purchase once. Unlike §4.7 to the letter, this is demanded in every way a chip can tear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.orders import Bought
from kiosk.drivers.sdk.kit.tear import IN_WORDS, Story, Torn, clean_run, torn_cards, ways_of
from kiosk.drivers.sdk.kit.verdict import Blocked, NotOffered, RuleBroken, demand
from kiosk.model.cardport import VirtualCard

CUSTOMERS = (1, 2, 3)  # kinds a meter takes purchases from
NO_MORE = (0x0B, 0x0D)
"""How a command repeated after the meter wrote back may be refused: OPEN and REISSUE 0B; PURCHASE 0D where the value is
no longer on the card."""

ONCE = "credited once, neither lost nor doubled"


@dataclass(frozen=True, slots=True)
class Told:
    """What insert() says: the meter's purchase count, and what remains in the unit."""

    count: int
    remaining: int

    def __str__(self) -> str:
        return f"count {self.count}, remaining {self.remaining}"


def rule_torn_credited_once(bench: Bench) -> None:
    """PURCHASE, OPEN and REISSUE with a purchase, torn at any byte: the meter credits what READ says, and in the end
    once."""
    bench.need_card()
    made = 0
    for story, bought, before in _stories(bench):
        made += 1
        run = clean_run(bench, story)
        after = Told(bought.count, before.remaining + bench.value(bought))
        _works(bench, _after(bench, story), after)
        for torn in torn_cards(bench, story, run.total):
            _meter_first(bench, story, torn, before, after)
            _kiosk_first(bench, story, torn, after)
    if not made:
        raise NotOffered("no command that writes a purchase")


def rule_torn_reverse(bench: Bench) -> None:
    """REVERSE torn at any byte: either the purchase is in the meter or it is taken back, never both, never neither."""
    bench.need(Command.REVERSE, Command.PURCHASE)
    scene, bought = _with_purchase(bench, "pending")
    if bench.unit_item not in bench.read().items:
        raise NotOffered("0106 bit 0, only sums are kept: there is no record to take back")
    story = Story("REVERSE", Command.REVERSE, orders.reverse(scene.person, bought), scene.card, scene.person)
    run = clean_run(bench, story)
    after = _works(bench, scene.card, Told(bought.count, bench.value(bought)))
    for torn in torn_cards(bench, story, run.total):
        bench.put(torn.card)
        reading = bench.ask(Command.READ)
        if not reading.ok:
            continue  # §4.7 has a rule of its own
        pending = reading.number(DI.STATE) == 1
        remaining = _insert(bench, torn.card).remaining
        what = f"{torn.what}, READ says {'pending' if pending else 'nothing pending'}, then the meter"
        wanted = after.remaining if pending else after.remaining - bench.value(bought)
        demand(remaining == wanted, what, f"remaining {wanted}", f"remaining {remaining}")
        answer = bench.ask(Command.REVERSE, story.items)
        what = f"{torn.what}, the meter, then REVERSE repeated"
        if pending:
            demand(answer.error == 0x17, what, "error 17, the meter has it", answer.said, "else it is paid back, too")
        else:
            demand(answer.ok, what, "success", answer.said, "§4.5: REVERSE of a count that is not there succeeds")


def rule_torn_write_back(bench: Bench) -> None:
    """A card pulled out of the meter at any byte: READ works, the purchase is credited once, the next insertion heals
    the card."""
    bench.need(Command.PURCHASE)
    told_of = False
    for name in ("pending", "taken, then pending"):
        scene, bought = _with_purchase(bench, name)
        after = _works(bench, scene.card, None)
        total = bench.seen.bytes_written
        for what, way, survived in _pulls(bench, scene.card, name, total):
            torn = _pulled(bench, scene.card, way, survived)
            reading = _after_pull(bench, torn, scene, what)
            _heals(bench, torn, after, what)
            if reading.number(DI.STATE) == 1 and not told_of:
                before = after.remaining - bench.value(bought)
                told_of = _paid_back_twice(bench, scene, bought, before, _Pull(what, way, survived))


@dataclass(frozen=True, slots=True)
class _Pull:
    what: str
    way: str
    survived: int


def _after(bench: Bench, story: Story) -> VirtualCard:
    """The card after the whole command."""
    bench.put(story.card)
    bench.accept(story.command, story.items, story.name)
    return bench.snapshot()


def _works(bench: Bench, card: VirtualCard, wanted: Told | None) -> Told:
    """What a fresh meter says of that card. Blocked where that is not as it should be: the meter's rules tell."""
    try:
        told = _insert(bench, card)
    except RuleBroken as fault:
        raise Blocked(f"the meter does not take the card: {fault}") from fault
    if wanted is not None and told != wanted:
        raise Blocked(f"a whole card in the meter: {wanted} wanted, {told} told")
    return told


# -- stories -----------------------------------------------------------------------------------------------------------


def _stories(bench: Bench) -> Iterator[tuple[Story, Bought, Told]]:
    """Each with its purchase, and what the meter says where that is not on the card."""
    has = bench.about.commands
    names = ("started", "taken", *(("pending",) if bench.about.may_stack else ()))
    for name in names if Command.PURCHASE in has else ():
        scene = _enter(bench, name)
        if scene is not None:
            what = states.bought(bench, scene.last + 1)
            items = orders.purchase(scene.person, what)
            before = Told(scene.last, 0) if scene.bought is None else _works(bench, scene.card, None)
            story = Story(f"PURCHASE on a card “{name}”", Command.PURCHASE, items, scene.card, scene.person)
            yield story, what, before
    blank = bench.enter("blank") if has & {Command.OPEN, Command.REISSUE} else None
    if blank is not None and Command.OPEN in has:
        first = states.bought(bench, 1)
        items = orders.open_card(blank.person, first)
        story = Story("OPEN with a first purchase", Command.OPEN, items, blank.card, blank.person)
        yield story, first, Told(0, 0)
    if blank is not None and Command.REISSUE in has:
        again = states.bought(bench, 6)
        items = orders.reissue(blank.person, 6, again)
        story = Story("REISSUE with its purchase", Command.REISSUE, items, blank.card, blank.person)
        yield story, again, Told(5, 0)


def _with_purchase(bench: Bench, name: str) -> tuple[Scene, Bought]:
    scene = bench.enter(name)
    if scene.bought is None:
        raise Blocked(f"no purchase on a card “{name}”")
    return scene, scene.bought


def _enter(bench: Bench, name: str) -> Scene | None:
    try:
        return bench.enter(name)
    except NotOffered:
        return None


# -- a torn purchase -------------------------------------------------------------------------------------------------


def _meter_first(bench: Bench, story: Story, torn: Torn, before: Told, after: Told) -> None:
    """The customer goes to the meter with the torn card, comes back to the kiosk, and goes once more."""
    bench.put(torn.card)
    reading = bench.ask(Command.READ)
    if not reading.ok or reading.number(DI.KIND) not in CUSTOMERS:
        return  # nothing a meter could take
    pending = reading.number(DI.STATE) == 1 and reading.number(DI.COUNT) == after.count
    what = f"{torn.what}, then the meter"
    told = _insert(bench, torn.card)
    hint = "the meter must credit what READ says is pending, no more and no less"
    if pending:
        _same(told, after, what, hint)
    else:
        remaining = f"remaining {before.remaining}"
        demand(told.remaining == before.remaining, what, remaining, f"remaining {told.remaining}", hint)
    answer = bench.ask(story.command, story.items)
    what = f"{what}, then {story.command.name} repeated"
    refused = pending and answer.error in NO_MORE
    met = not pending and story.command != Command.PURCHASE and answer.error == 0x0B
    demand(answer.ok or refused or met, what, "success", answer.said)
    if met:
        return
    for times in ("", " twice"):
        _same(
            Told(**bench.insert()), after, f"{what}, then the meter{times}", "credited once, neither lost nor doubled"
        )


def _kiosk_first(bench: Bench, story: Story, torn: Torn, after: Told) -> None:
    """The kiosk, unsure, repeats the command; then the customer goes to the meter."""
    bench.put(torn.card)
    answer = bench.ask(story.command, story.items)
    what = f"{torn.what}, then repeated"
    if not torn.strict and not answer.ok and answer.error not in NO_MORE:
        return  # the card is no longer what it was: advice of §4.7's rule; staff clear it
    demand(answer.ok or answer.error in NO_MORE, what, "success", answer.said)
    bench.fresh_meter()
    for times in ("", " twice"):
        _same(
            Told(**bench.insert()), after, f"{what}, then the meter{times}", "credited once, neither lost nor doubled"
        )


# -- a torn write-back -----------------------------------------------------------------------------------------------


def _pulls(bench: Bench, card: VirtualCard, name: str, total: int) -> Iterator[tuple[str, str, int]]:
    for way, _strict in ways_of(bench, card):
        for survived in range(total):
            how = IN_WORDS.get(way, f" ({way})")
            what = f"a card “{name}” pulled out of the meter after {survived} of {total} bytes{how}"
            bench.progress(what)
            yield what, way, survived


def _pulled(bench: Bench, card: VirtualCard, way: str, survived: int) -> VirtualCard:
    """The card, torn out of a fresh meter."""
    bench.fresh_meter()
    bench.put(card)
    bench.insert_torn(survived, way)
    return bench.snapshot()


def _after_pull(bench: Bench, torn: VirtualCard, scene: Scene, what: str) -> Answer:
    bench.put(torn)
    reading = bench.ask(Command.READ)
    hint = "a write-back that is not whole is 0209 = 3, never 13: the card is the customer's and the meter heals it"
    demand(reading.ok, f"READ of {what}", "success", reading.said, hint)
    state = reading.number(DI.STATE)
    demand(state in (1, 2, 3), f"READ of {what}: 0209", "1, 2 or 3", str(state), hint)
    if bench.unit_item in reading.items:  # else the meter takes the record off the card
        last = reading.number(DI.COUNT)
        demand(last == scene.last, f"READ of {what}: 0206", str(scene.last), str(last), "last never falls")
    return reading


def _heals(bench: Bench, torn: VirtualCard, after: Told, what: str) -> None:
    """Into the same meter once more."""
    bench.put(torn)
    for times in ("once more", "a third time"):
        hint = "the purchase is credited once, whenever the card is pulled"
        _same(Told(**bench.insert()), after, f"{what}, then put in {times}", hint)
    reading = bench.read()
    demand(
        reading.number(DI.STATE) == 2, f"READ of {what}, then put in again: 0209", "2", f"{reading.number(DI.STATE)}"
    )


def _paid_back_twice(bench: Bench, scene: Scene, bought: Bought, before: int, pull: _Pull) -> bool:
    """READ says pending: then REVERSE takes it back, and the meter should not have it. Advice, for the contract does
    not speak of a card pulled out of the meter."""
    if Command.REVERSE not in bench.about.commands:
        return False
    bench.put(_pulled(bench, scene.card, pull.way, pull.survived))
    if not bench.ask(Command.REVERSE, orders.reverse(scene.person, bought)).ok:
        return False
    if Told(**bench.insert()).remaining <= before:
        return False
    bench.advice.append(
        f"{pull.what}: the meter has credited it, READ says pending, and REVERSE pays it back as well. "
        "A meter that writes first that it is about to take a purchase (0209 = 3) closes this gap"
    )
    return True


# -- the meter -------------------------------------------------------------------------------------------------------


def _insert(bench: Bench, card: VirtualCard) -> Told:
    """Into a fresh meter."""
    bench.fresh_meter()
    bench.put(card)
    return Told(**bench.insert())


def _same(told: Told, wanted: Told, what: str, hint: str = "") -> None:
    demand(told == wanted, what, str(wanted), str(told), hint)
