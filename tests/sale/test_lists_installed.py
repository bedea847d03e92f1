"""What head office sends down: in force between two visits, with its entry; and a card that was reported lost."""

from dataclasses import replace

import pytest
from world import BLANK, PRICE, VENDOR, World

from kiosk.billing.blocked import BlockedCard, BlockList
from kiosk.billing.book import PriceBook
from kiosk.billing.owed import OwedList, OwedRow
from kiosk.ledger.entry import Entry
from kiosk.model.card import KeypadCustomer
from kiosk.sale import entries
from kiosk.sale import events as on
from kiosk.sale.arrivals import DownlinkSaid, ListsArrived, MessageOfTheDay, NewList, RefusedList
from kiosk.sale.matters import Matters
from kiosk.sale.state import Card, Idle, Refused
from kiosk.sale.view import Screen, view

PRICES = NewList("price", b"p" * 32, PriceBook(8, {"0001": 6000}))
LOST = BlockedCard("0001", "1001", "2001", 3, "lost")
BLOCKED = NewList("blocked", b"b" * 32, BlockList(2, (LOST,)))


class Listing(World):
    """A world that sells by lists."""

    def boot(self):
        self.used = []
        super().boot()

    def _UseLists(self, effect):
        self.used += effect.lists

    def kinds(self):
        return [entry.kind for entry in self.entries]


@pytest.fixture
def world():
    return Listing()


def test_in_force_at_once_where_nobody_is_served(world):
    world.say(ListsArrived((PRICES,)))
    assert world.used == [PRICES]
    assert world.entries[-1].kind == "price.installed"
    assert world.entries[-1].data == {"version": 8, "sha256": b"p" * 32}
    world.say(ListsArrived((PRICES,)))
    assert world.kinds().count("price.installed") == 1, "told twice, recorded once"


def test_not_while_somebody_is_served(world):
    world.buy(5000)
    world.say(ListsArrived((PRICES, BLOCKED)))
    assert world.used == [] and "price.installed" not in world.kinds()
    world.feed(5000)
    assert world.card.credit_fen == 5000, "sold at the price that was shown, to a card that was not blocked then"
    assert world.used == []
    world.pull().wait()
    assert isinstance(world.state.phase, Idle) and world.used == [PRICES, BLOCKED]


def test_a_full_disk_puts_it_off(world):
    world.disk_full = True
    world.say(ListsArrived((PRICES,)))
    assert world.used == [] and world.state.sent.in_force == {}
    world.disk_full = False
    world.say(on.TimerFired("ledger"), ListsArrived((PRICES,)))
    assert world.used == [PRICES]


def test_a_blocked_card_is_refused_before_anything_is_taken_and_head_office_hears_of_it(world):
    world.say(ListsArrived((BLOCKED,))).insert()
    assert world.state.phase == Refused("C-118")
    assert world.entries[-1].kind == "card.blocked"
    assert world.entries[-1].data == {
        "vendor": "0001", "customer": "1001", "meter": "2001", "count": 3, "why": "lost",
    }  # fmt: skip
    assert world.enabled == frozenset() and "sale.opened" not in world.kinds()
    assert view(world.state).screen is Screen.REFUSED and view(world.state).code == "C-118"
    world.pull()
    world.card.reading = replace(BLANK, count=4)  # its replacement
    world.insert()
    assert view(world.state).screen is Screen.ACCOUNT


def test_what_is_owed_to_a_blocked_card_is_not_written_to_it(world):
    row = OwedRow("0003-3f2a91c0de", "0001", "1001", "2001", "420100", 5000, 8928, 3)
    world.say(ListsArrived((NewList("owed", b"o" * 32, OwedList(1, (row,))), BLOCKED))).insert()
    assert world.state.phase == Refused("C-118") and world.card.credit_fen == 0
    world.pull().say(ListsArrived((NewList("blocked", b"c" * 32, BlockList(3)),))).insert()
    assert world.card.credit_fen == 5000, "found again: it gets its own"


def test_count_0_blocks_every_card_of_the_customer(world):
    every = BlockList(2, (replace(LOST, count=0, why="stolen"),))
    world.say(ListsArrived((NewList("blocked", b"d" * 32, every),)))
    world.card.reading = replace(BLANK, count=900)
    world.insert()
    assert world.state.phase == Refused("C-118") and world.entries[-1].data["why"] == "stolen"


def test_a_customer_without_a_card_is_blocked_too():
    world = Listing(vendor=replace(VENDOR, keypad=True))
    world.customers["1001"] = KeypadCustomer("0001", "1001", "2001", "420100", 3)
    world.say(ListsArrived((BLOCKED,)), on.AskNumber(), on.GiveNumber("1001"))
    assert world.state.phase == Refused("C-118")


def test_what_cannot_be_used_is_recorded_once(world):
    refused = RefusedList("prices/prices.txt", b"x" * 32, "F-702")
    world.say(ListsArrived((refused,)), ListsArrived((refused,)))
    assert world.kinds().count("target.refused") == 1 and world.used == []
    assert world.entries[-1].data == {"name": "prices/prices.txt", "sha256": b"x" * 32, "code": "F-702"}


def test_an_expired_repository_warns_and_sells_on(world):
    world.say(DownlinkSaid("S-632"), DownlinkSaid("S-632"))
    assert [entry.data for entry in world.entries if entry.kind == "downlink.stood"] == [{"code": "S-632"}]
    world.insert()
    assert view(world.state).screen is Screen.ACCOUNT
    world.pull().say(DownlinkSaid(""))
    assert world.entries[-1].data == {"code": ""}


def test_the_message_of_the_day_in_the_customers_language(world):
    world.say(MessageOfTheDay({"zh-CN": "十二月调价", "en": "New prices in December"}))
    assert view(world.state).message == "十二月调价"
    world.say(on.ChooseLanguage("en"))
    assert view(world.state).message == "New prices in December"


def matters(*drafts):
    found = Matters()
    for seq, draft in enumerate(drafts):
        found.see(Entry(seq, 1_000 * seq, 1, draft.kind, draft.sale, draft.post, draft.data))
    return [(each.what, each.number, each.code, each.customer) for each in found.list()]


def test_what_came_down_wrong_is_on_the_attendants_list_until_it_comes_right():
    refused = entries.arrival(RefusedList("blocked/blocked.txt", b"x" * 32, "F-712"))
    shown = entries.card_blocked(Card(1, VENDOR, BLANK, PRICE), "lost")
    expired = entries.downlink_stood("S-632")
    assert matters(expired, refused, shown) == [
        ("downlink", 0, "S-632", ""),
        ("refused", 1, "F-712", ""),
        ("blocked", 2, "", "1001"),
    ]
    assert matters(expired, refused, shown, entries.arrival(PRICES)) == matters(expired, refused, shown)
    assert matters(expired, refused, shown, entries.downlink_stood(""), entries.arrival(BLOCKED)) == []
