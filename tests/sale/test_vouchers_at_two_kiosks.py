"""Two kiosks that cannot talk hold the same list, and one card is carried between them in every order.

The card is the truth: the voucher gets onto it once at most, whatever is torn or cut, and once exactly unless somebody
bought under its count before.
"""

import itertools
import random

import pytest
from voucher_town import BOUND, KEY, NO, Kiosk, Nameless, after_rest
from world import Plastic, PowerCut

from kiosk.sale import events as on

ACTS = ("A", "B", "A+", "A-", "B+", "B-", "E")  # a visit; torn and landed; torn and not landed; bought elsewhere
MAKE = {"names": Plastic, "nameless": Nameless}


class Pair:
    def __init__(self, kind):
        self.card = MAKE[kind]()
        self.a, self.b = Kiosk("0007", self.card), Kiosk("0008", self.card, start=1_000_000)
        for kiosk in self.both:
            kiosk.listed[KEY] = BOUND
        self.taken_first = False  # somebody bought under the bound count before the voucher got there

    @property
    def both(self):
        return self.a, self.b

    def act(self, what):
        if what == "E":
            self.taken_first |= not self.on_card()
            self.a.elsewhere()
            return
        kiosk = self.a if what[0] == "A" else self.b
        if what[1:]:
            kiosk.snatched, kiosk.lands = "unknown", what[1:] == "+"
        kiosk.insert()
        kiosk.snatched = ""
        kiosk.wait()  # a torn-out card: until it is given up
        if kiosk.inserted:
            kiosk.say(on.Cancel()).pull()
        kiosk.wait()

    def on_card(self):
        """Purchases on the card that bring the voucher."""
        brought = {entry.sale for kiosk in self.both for entry in kiosk.of("voucher.brought")}
        return sum(sale in brought for sale, _ in self.card.credited.values())

    def booked(self):
        return sum(entry.data.get("voucher") == NO for kiosk in self.both for entry in kiosk.of("write.done"))

    def check(self):
        assert self.on_card() <= 1, "the voucher is on the card twice"
        for kiosk in self.both:
            own = [e.sale for e in kiosk.of("voucher.brought")]
            assert all(e.sale in own for e in kiosk.of("write.intended")), "it became this kiosk's own debt"
            assert sum(fen for e in kiosk.entries for _, fen in e.post) == 0

    def count(self, kind):
        self.check()
        for kiosk in self.both:
            books = kiosk.state.books
            assert not (books.owed or books.doubts or books.bound or books.open), "it has not come to rest"
            assert kiosk.balance("owed:") == 0
        assert self.on_card() == (0 if self.taken_first else 1)
        if kind == "names":
            assert self.booked() <= self.on_card()
        assert self.a.balance("voucher:") + self.b.balance("voucher:") == 5000 * self.booked()


@pytest.mark.parametrize("more", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("first", ACTS)
def test_every_order_of_visits(kind, first, more):
    for rest in itertools.product(ACTS, repeat=more):
        pair = Pair(kind)
        for what in (first, *rest):
            pair.act(what)
            pair.check()
        after_rest(*pair.both)
        pair.count(kind)


def test_what_is_booked_is_what_is_on_a_card_that_names_its_sale_unless_it_was_bought_on():
    for acts in itertools.product(ACTS[:-1], repeat=3):
        pair = Pair("names")
        for what in acts:
            pair.act(what)
        after_rest(*pair.both)
        assert pair.booked() == pair.on_card() == 1, acts


def test_two_kiosks_in_doubt_over_a_nameless_card_may_both_book_it_for_head_office_to_see():
    """The one thing nobody can tell here: whose write it was. The card has it once all the same."""
    pair = Pair("nameless")
    for what in ("A-", "B"):
        pair.act(what)
    after_rest(*pair.both)
    assert (pair.on_card(), pair.booked()) == (1, 2)


def cut_visit(kiosk, rng):
    kiosk.cut_after = rng.randint(0, 12)
    if rng.random() < 0.4:
        kiosk.snatched, kiosk.lands = "unknown", rng.random() < 0.5
    elif rng.random() < 0.4:
        kiosk.tear_next, kiosk.lands = True, rng.random() < 0.5
    kiosk.write_fails, kiosk.paper = rng.random() < 0.2, rng.random() < 0.8
    try:
        kiosk.insert()
        kiosk.wait(rng.choice(sorted(kiosk.timers) or ["visit"]))
        if kiosk.inserted:
            kiosk.pull()
    except PowerCut:
        kiosk.inserted = rng.random() < 0.3
        kiosk.cut()
        kiosk.inserted and kiosk.pull()
    kiosk.cut_after, kiosk.snatched, kiosk.tear_next, kiosk.write_fails = None, "", False, False
    kiosk.wait()


@pytest.mark.parametrize("seed", range(200))
def test_any_visits_with_cuts_anywhere_at_both(seed):
    rng = random.Random(seed)
    kind = rng.choice(sorted(MAKE))
    pair = Pair(kind)
    for _ in range(rng.randint(1, 6)):
        if rng.random() < 0.12:
            pair.act("E")
        else:
            cut_visit(rng.choice(pair.both), rng)
        pair.check()
    after_rest(*pair.both)
    pair.count(kind)


def torn_visit(kiosk):
    kiosk.tear_next = True
    kiosk.insert().pull()


def effects_of_a_bringing(visit):
    kiosk = Kiosk()
    kiosk.listed[KEY] = BOUND
    kiosk.cut_after = 10_000
    visit(kiosk)
    return 10_000 - kiosk.cut_after


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("cut_at", range(effects_of_a_bringing(torn_visit)))
@pytest.mark.parametrize("where", ["A first", "B first"])
def test_the_power_goes_at_each_effect_of_a_bringing(cut_at, lands, where):
    pair = Pair("names")
    pair.a.cut_after, pair.a.lands = cut_at, lands
    with pytest.raises(PowerCut):
        torn_visit(pair.a)
    pair.a.inserted = False
    pair.a.cut()
    pair.a.wait()
    pair.check()
    after_rest(*(pair.both if where == "A first" else pair.both[::-1]))
    pair.count("names")
    assert pair.booked() == pair.on_card() == 1
