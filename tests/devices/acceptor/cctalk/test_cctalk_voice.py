"""The device's half: strict with frames, forgetful without power, and what its machine does is in its table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor.cctalk import table as tables
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.table import Table
from kiosk.devices.acceptor.cctalk.voice import BOOT_MS, Plate
from kiosk.devices.acceptor.cctalk.voice_bills import BillVoice
from kiosk.devices.acceptor.cctalk.voice_coins import WATCH_MS, CoinVoice
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.talk import NEVER
from kiosk.devices.acceptor.validator import Phase, Validator

SILENT = Plate(echo=False)
OPEN, SHUT = b"\1", b"\0"


class Device:
    """A voice, its machine, and a hand on the line; time goes by as it is told."""

    def __init__(self, voice_of, machine, plate=SILENT, **more):
        self.machine, self.plate, self.now = machine, plate, 1_000
        self.voice = voice_of(machine, plate, **more)
        self.address = self.voice.usual_address
        machine.power_on(self.now)
        self.wait(5_000)

    def wait(self, ms):
        until = self.now + ms
        while self.now < until:
            self.voice.wake(self.now)
            self.now = min(until, max(self.now + 1, self.voice.due_ms()))
        self.voice.wake(self.now)

    def raw(self, frame):
        return self.voice.received(frame, self.now)

    def ask(self, header, data=b""):
        """The answer's data; None if there is none."""
        said = self.raw(wire.encode(self.address, header, data, check=self.plate.check))
        self.wait(60)
        return wire.decode(said, self.plate.check).data if said else None

    @property
    def table(self):
        events = wire.BILL_EVENTS if self.address == wire.BILL_VALIDATOR else wire.COIN_EVENTS
        return tables.parse(self.ask(events))

    def open(self):
        if self.address == wire.BILL_VALIDATOR:
            assert self.ask(wire.OPERATING_MODE, b"\3") == b""
        assert self.ask(wire.INHIBITS, wire.KINDS_ALL) == b""
        assert self.ask(wire.MASTER_INHIBIT, OPEN) == b""
        return self


@pytest.fixture(params=["bills", "coins"])
def device(request):
    return bills() if request.param == "bills" else coins()


def bills(**more):
    return Device(BillVoice, Validator(), **more)


def coins(**more):
    return Device(CoinVoice, CoinMachine(), **more)


def test_it_says_who_it_is(device):
    assert device.ask(wire.SIMPLE_POLL) == b""
    assert device.ask(wire.SERIAL) == bytes.fromhex("4E 61 BC")
    assert device.ask(wire.CATEGORY) in (b"Bill Validator", b"Coin Acceptor")
    assert (device.ask(wire.MANUFACTURER), device.ask(wire.PRODUCT)) == (b"KSK", b"CT1")
    assert wire.polling_ms(device.ask(wire.POLLING_PRIORITY)) == 200
    assert device.ask(wire.SELF_CHECK) == b"\0"
    assert device.table == Table()


def test_the_facts_frames_are_answered_as_printed():
    it = coins()
    for asked, answer in (
        ("02 00 01 F2 0B", "01 03 02 00 4E 61 BC 8F"),
        ("02 00 01 F5 08", "01 0D 02 00 43 6F 69 6E 20 41 63 63 65 70 74 6F 72 16"),
        ("02 00 01 FE FF", "01 00 02 00 FD"),
    ):
        assert it.raw(bytes.fromhex(asked)) == bytes.fromhex(answer)
    it = bills(plate=Plate(echo=False, check="crc"))
    assert it.raw(bytes.fromhex("28 00 46 01 3F")) == bytes.fromhex("01 00 30 00 37")


@pytest.mark.parametrize(
    "frame",
    [
        wire.encode(3, wire.SIMPLE_POLL),  # another's
        wire.encode(2, wire.SIMPLE_POLL)[:-1] + b"\0",  # wrong check
        wire.encode(2, wire.SIMPLE_POLL, check="crc"),
        wire.encode(2, 99),  # unknown
        wire.encode(2, wire.SIMPLE_POLL, b"\1"),  # data where none is
        wire.encode(2, wire.INHIBITS, b"\xff"),
        wire.encode(2, wire.MASTER_INHIBIT),
        wire.encode(2, wire.COIN_ID),
        wire.encode(2, wire.COIN_ID, b"\0"),
        wire.encode(2, wire.COIN_ID, b"\x11"),
        wire.encode(2, wire.BILL_EVENTS),
        wire.encode(2, wire.ROUTE, b"\1"),
    ],
)
def test_what_it_does_not_understand_it_does_not_answer(frame):
    it = coins()
    assert it.raw(frame) == b""
    it.wait(60)
    assert it.ask(wire.SIMPLE_POLL) == b""


@pytest.mark.parametrize("data", [b"", b"\2", b"\1\1"])
def test_a_route_that_is_none(data):
    it = bills()
    assert it.ask(wire.ROUTE, data) is None


def test_a_frame_that_stops_is_forgotten_and_one_that_goes_on_is_not():
    it = coins()
    poll = wire.encode(2, wire.SIMPLE_POLL)
    assert it.raw(poll[:3]) == b""
    it.wait(40)
    assert it.raw(poll[3:]) == wire.encode(1, 0, sender=2)
    it.raw(poll[:3])
    it.wait(60)
    assert it.raw(poll) == wire.encode(1, 0, sender=2)


def test_the_adapter_lets_the_host_hear_itself():
    it = coins(plate=Plate())
    poll = wire.encode(2, wire.SIMPLE_POLL)
    assert it.raw(poll) == poll + wire.encode(1, 0, sender=2)
    assert it.raw(b"\x99") == b"\x99"
    it.machine.power_off(it.now)
    assert it.raw(poll) == b""


def test_it_hears_nothing_while_it_boots(device):
    device.machine.power_off(device.now)
    device.machine.power_on(device.now)
    assert device.raw(wire.encode(device.address, wire.SIMPLE_POLL)) == b""
    device.wait(BOOT_MS)
    assert device.ask(wire.SIMPLE_POLL) == b""


@pytest.mark.parametrize("how", ["power", "reset"])
def test_the_table_and_the_inhibits_are_gone_with_the_power(device, how):
    device.open()
    device.voice.log((0, 2))
    assert device.table.counter == 1
    if how == "reset":
        assert device.ask(wire.RESET) == b""
    else:
        device.machine.power_off(device.now)
        device.machine.power_on(device.now)
    device.wait(5_000)
    assert device.table == Table()
    assert device.voice.open_for == frozenset()
    assert device.ask(wire.SERIAL) == bytes.fromhex("4E 61 BC")


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=20), st.booleans())
def test_junk_moves_nothing(junk, notes):
    device = bills() if notes else coins()
    for came in junk:
        device.raw(came)
        device.wait(7)
    assert not device.machine.box and not device.machine.handed_back


# ---- coins


def test_the_names_of_coins():
    it = coins()
    assert [it.ask(wire.COIN_ID, bytes((kind,))) for kind in (1, 2, 3, 4, 16)] == [
        b"CN010A",
        b"CN050A",
        b"CN100A",
        b"......",
        b"......",
    ]


def test_coins_are_taken_only_while_somebody_listens():
    it = coins().open()
    assert not it.machine.open_for_fen
    assert it.table == Table()
    assert it.machine.open_for_fen == {10, 50, 100} and it.voice.due_ms() < NEVER
    it.wait(WATCH_MS)
    assert not it.machine.open_for_fen
    it.ask(wire.COIN_EVENTS)
    assert it.machine.open_for_fen
    it.ask(wire.INHIBITS, wire.mask(frozenset({2})))
    assert it.machine.open_for_fen == {50}
    it.ask(wire.MASTER_INHIBIT, SHUT)
    assert not it.machine.open_for_fen


def test_what_coins_do_is_in_the_table():
    it = coins().open()
    it.ask(wire.COIN_EVENTS)
    it.machine.feed(100, it.now)
    it.machine.feed(100, it.now, genuine=False)
    it.wait(500)
    it.machine.string(it.now)
    assert it.table == Table(3, ((0, 20), (3, 1), (0, 1), (0, 0), (0, 0)))
    assert it.ask(wire.ACCEPT_COUNTER) == b"\1\0\0"
    it.machine.feed(10, it.now)
    it.machine.jam(it.now)
    it.wait(10)
    assert it.ask(wire.SELF_CHECK) == b"\xfd" and it.table.pairs[0] == (0, 14)


# ---- notes


def test_the_names_of_notes_and_their_scaling():
    it = bills()
    assert [it.ask(wire.BILL_ID, bytes((kind,))) for kind in (1, 2, 6, 7)] == [
        b"CN0001A",
        b"CN0005A",
        b"CN0100A",
        b".......",
    ]
    assert it.ask(wire.SCALING, b"CN") == bytes.fromhex("64 00 02")
    assert it.ask(wire.SCALING, b"EU") == bytes(3)
    assert it.ask(wire.CURRENCY_REVISION, b"CN") == b"CNA"


@pytest.mark.parametrize(("route", "after"), [(wire.STACK, (4, 0)), (wire.RETURN, (0, 1))])
def test_a_note_by_way_of_escrow(route, after):
    it = bills().open()
    it.machine.feed(2000, it.now)
    it.wait(2_000)
    assert it.table.pairs[0] == (4, 1) and it.machine.phase is Phase.ESCROW
    assert it.ask(wire.ROUTE, bytes((route,))) == b""
    it.wait(2_000)
    assert it.table.pairs[:2] == (after, (4, 1)) and it.table.counter == 2
    assert it.ask(wire.ROUTE, bytes((route,))) == bytes((wire.ESCROW_EMPTY,))
    assert it.ask(wire.ACCEPT_COUNTER)[0] == (route == wire.STACK)


def test_without_the_mode_a_note_is_stacked_at_once():
    it = bills()
    it.ask(wire.INHIBITS, wire.KINDS_ALL)
    it.ask(wire.MASTER_INHIBIT, OPEN)
    it.machine.feed(2000, it.now)
    it.wait(5_000)
    assert it.table == Table(1, ((4, 0), *tables.NOTHING[1:]))


def test_escrow_runs_out_unless_it_is_held():
    it = bills().open()
    it.machine.feed(2000, it.now)
    it.wait(8_000)
    assert it.ask(wire.ROUTE, bytes((wire.HOLD,))) == b""
    it.wait(8_000)
    assert it.machine.phase is Phase.HOLDING
    it.wait(4_000)
    assert it.table.pairs[0] == (0, 1)


def test_an_inhibit_waits_for_the_note_that_moves():
    it = bills().open()
    it.machine.feed(2000, it.now)
    it.ask(wire.MASTER_INHIBIT, SHUT)
    it.wait(3_000)
    assert it.machine.phase is Phase.ESCROW
    it.ask(wire.ROUTE, bytes((wire.STACK,)))
    it.wait(3_000)
    assert it.machine.phase is Phase.DISABLED and it.machine.box == {2000: 1}


@pytest.mark.parametrize(
    ("hand", "code", "check"),
    [
        (lambda it: it.machine.take_box(it.now), 11, 44),
        (lambda it: it.machine.cheat(it.now), 18, 0),
        (lambda it: it.machine.fail(0x50, it.now), 13, 38),
    ],
)
def test_what_hands_do_is_in_the_table(hand, code, check):
    it = bills().open()
    hand(it)
    it.wait(10)
    assert it.table.pairs[0] == (0, code) and it.ask(wire.SELF_CHECK) == bytes((check,))


@pytest.mark.parametrize(("where", "code"), [("validator", 6), ("stacker", 7)])
def test_jams_are_in_the_table(where, code):
    it = bills().open()
    it.machine.feed(2000, it.now)
    it.wait(1_500)
    it.ask(wire.ROUTE, bytes((wire.STACK,)))
    it.wait(600 if where == "stacker" else 10)
    assert it.machine.place == where and it.machine.jam(it.now)
    assert it.table.pairs[0] == (0, code) and it.ask(wire.SELF_CHECK) == b"\x27"


@pytest.mark.parametrize(("tells", "pairs"), [(True, ((0, 21),)), (False, ())])
def test_a_note_on_its_way_is_stacked_at_power_up(tells, pairs):
    it = bills(tells_power_up=tells).open()
    it.machine.feed(2000, it.now)
    it.wait(1_500)
    it.ask(wire.ROUTE, bytes((wire.STACK,)))
    it.wait(600)
    assert it.machine.place == "stacker"
    it.machine.power_off(it.now)
    it.machine.power_on(it.now)
    it.wait(5_000)
    assert it.table == Table(len(pairs), (*pairs, *tables.NOTHING)[:5])
    assert it.machine.box == {2000: 1} and it.ask(wire.ACCEPT_COUNTER) == b"\1\0\0"
