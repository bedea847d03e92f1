"""A world that is only played: the attributes of ``kiosk.desk.world.World``, and a list of what hands did to it."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

from kiosk.devices.acceptor.simulator import CoinLook
from kiosk.devices.acceptor.validator import Look, Phase
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit


class Called:
    """Writes down what is called on it, in order, into one list for the whole world."""

    def __init__(self, name, calls, **answers):
        self._name, self._calls, self._answers = name, calls, answers

    def __getattr__(self, what):
        def call(*given):
            self._calls.append((f"{self._name}.{what}", *given))
            answer = self._answers.get(what)
            return answer() if callable(answer) else answer

        return call


class PlayedProgram:
    def __init__(self, name, calls):
        self.name, self.running, self._calls = name, False, calls

    def start(self):
        self._calls.append((f"{self.name}.start",))
        self.running = True

    def pull_plug(self):
        self._calls.append((f"{self.name}.pull_plug",))
        self.running = False

    def stop(self):
        self._calls.append((f"{self.name}.stop",))
        self.running = False


def reading(count=1, state=PurchaseState.TAKEN, **more):
    return CardReading(CardKind.PURCHASE, "420100", "10023400567", "202600012345", count, state, **more)


class PlayedCard:
    def __init__(self, calls, abbr, zh, en, customer, meter, unit):
        self._calls = calls
        vendor = SimpleNamespace(abbr=abbr, zh=zh, en=en)
        self.manifest, self.customer, self.unit = SimpleNamespace(vendor=vendor), customer, unit
        self.chip = f"chip of {abbr}"
        self.on_it = reading()
        self.shows = {"count": 1, "remaining": 0}
        self.written_back = None  # what is on the card once the meter had it
        self.meter = SimpleNamespace(number=meter, insert=self._meter)

    def reading(self):
        if isinstance(self.on_it, Exception):
            raise self.on_it
        return self.on_it

    def _meter(self, chip, use=0):
        self._calls.append(("meter.insert", chip, use))
        self.on_it = self.written_back or self.on_it
        return dict(self.shows)


class PlayedKeypad:
    """A meter that takes one string of digits, once."""

    def __init__(self, calls, token, gives):
        self._calls, self._token, self._gives, self._has = calls, token, gives, 0
        self.manifest = SimpleNamespace(vendor=SimpleNamespace(abbr="KEY", zh="键盘表厂", en="Keypad Meters"))
        self.customer, self.number, self.unit = "30000001", "71000001", Unit.ENERGY

    def enter(self, digits):
        self._calls.append(("enter", digits))
        accepted = digits == self._token
        if accepted:
            self._has, self._token = self._has + self._gives, ""
        return {"accepted": accepted, "count": 1, "remaining": self._has, "said": "好" if accepted else "不收"}


class PlayedWorld:
    """What the desk drives, without any of it: the attributes of ``kiosk.desk.world.World``."""

    def __init__(self):
        self.calls = []
        self.town = SimpleNamespace(hq_port=51234, acceptor="ccnet")
        self.kiosk, self.office = PlayedProgram("kiosk", self.calls), PlayedProgram("office", self.calls)
        self.printer = Called("printer", self.calls)
        self.acceptor = Called("acceptor", self.calls, take_box=lambda: Counter({2000: 2}), jam=lambda: self.jams)
        self.slot = SimpleNamespace(occupied=False)
        first, second = ("10023400567", "202600012345"), ("10023400888", "202600054321")
        self.cards = [
            PlayedCard(self.calls, "HRT", "华瑞泰电表", "Huaruitai Meters", *first, Unit.MONEY),
            PlayedCard(self.calls, "NXP", "南湘电表厂", "Nanxiang Meter Works", *second, Unit.ENERGY),
        ]
        self.keypads = []
        self.inserted = None
        self.look, self.coin_look = Look(phase=Phase.DISABLED), CoinLook(powered=True)
        self.slips = []
        self.takes_notes = self.jams = True

    def open_office(self):
        self.office.start()

    def insert(self, card):
        self.calls.append(("insert", card))
        self.inserted, self.slot.occupied = card, True

    def pull(self):
        self.calls.append(("pull",))
        self.inserted, self.slot.occupied = None, False

    def tear_write(self, written_bytes):
        self.calls.append(("tear_write", written_bytes))

    def feed(self, fen, *, genuine=True):
        self.calls.append(("feed", fen, genuine))
        return self.takes_notes

    def throw(self, fen):
        self.calls.append(("throw", fen))
        return fen in self.coin_look.open_for_fen

    def papers(self):
        return tuple(self.slips)

    def becomes(self, **changes):
        self.look = replace(self.look, **changes)

    def coins_become(self, **changes):
        self.coin_look = replace(self.coin_look, **changes)


def settle(desk):
    """Everything begun is done, seen and drawn."""
    from kivy.base import EventLoop

    hands = (desk.hands, desk.plug_hand, desk.office_hand)
    for _ in range(3):  # what is seen may set hands going again
        while any(hand.busy for hand in hands):
            for hand in hands:
                hand.finish()
            EventLoop.idle()
        desk.look()
    for _ in range(4):
        EventLoop.idle()
