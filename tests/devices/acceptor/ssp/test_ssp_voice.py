"""The voice is as strict as the manual: what is acted on, what is only said again, what is refused, what is kept."""

import pytest
from ssp_pair import PLAIN, below, make_voice

from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import FIXED_KEY, HostKeys
from kiosk.devices.acceptor.ssp.voice import VoiceSettings
from kiosk.devices.acceptor.ssp.wire import Packet, Told
from kiosk.devices.acceptor.validator import Phase, Validator

ALL = wire.inhibits(frozenset(range(1, 7)))


class Host:
    """Asks by hand."""

    def __init__(self, settings=VoiceSettings(), key=FIXED_KEY):
        self.machine = Validator()
        self.machine.power_on(0)
        self.voice = make_voice(self.machine, settings, seed="voice")
        self.now, self.bit, self.seal, self.key = 10_000, 0x80, None, key
        self.voice.wake(0)
        self.voice.wake(self.now)

    def send(self, question, bit):
        said = self.voice.received(wire.encode(Packet(bit, question)), self.now)
        packets = wire.Decoder().feed(said)
        assert all(packet.head == bit for packet in packets)
        return packets[0].data if packets else None

    def ask(self, question):
        question = bytes(question)
        if question[0] == wire.SYNC:
            self.bit, self.seal = 0x80, None
        sealed = self.seal.close(question) if self.seal else question
        answer = self.send(sealed, self.bit)
        self.bit ^= 0x80
        if self.seal:
            self.seal.count += 1
            return self.seal.open(answer) if answer else None
        return answer

    def meet(self):
        keys = HostKeys(below("host"))
        self.seal = None
        for question in keys.questions:
            answer = self.ask(question)
        self.seal = keys.agree(answer, self.key)
        return self

    def poll(self, command=wire.POLL):
        return wire.parse_poll(self.ask((command,)))[0]

    def open(self):
        self.ask(ALL)
        self.ask((wire.ENABLE,))
        self.poll(wire.POLL_ACK if self.seal else wire.POLL)
        return self

    def escrow(self, fen=2000):
        assert self.machine.feed(fen, self.now)
        return self.later(1_300)

    def stack(self, command=wire.POLL):
        self.escrow()
        self.poll(command)
        self.poll(command)
        return self.later(1_000)

    def later(self, ms):
        self.now += ms
        self.voice.wake(self.now)
        return self

    def blink(self):
        self.machine.power_off(self.now)
        self.later(100)
        self.machine.power_on(self.now)
        return self.later(1).later(3_000).later(7_000)


def test_the_same_bit_is_not_acted_on_again():
    host = Host().open()
    assert host.send(bytes((wire.DISABLE,)), host.bit) == b"\xf0"
    host.machine.enable(frozenset({1}), frozenset({1}), host.now)
    assert host.send(bytes((wire.SERIAL,)), host.bit) == b"\xf0"  # the last answer again, whatever is asked
    assert host.send(bytes((wire.SERIAL,)), host.bit ^ 0x80)[1:] == (4_880_564).to_bytes(4, "big")


def test_sync_begins_anew():
    host = Host()
    host.ask((wire.SERIAL,))
    assert host.ask((wire.SYNC,)) == b"\xf0" and host.bit == 0
    assert host.ask((wire.SYNC,)) == b"\xf0"
    assert len(host.ask((wire.SERIAL,))) == 5


def test_another_address_is_not_answered():
    assert Host().voice.received(wire.encode(Packet(0x10, b"\x07")), 20_000) == b""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("FE", 0xF2),
        ("5C00", 0xF2),
        ("0700", 0xF3),
        ("02", 0xF3),
        ("4A01", 0xF3),
        ("4A0400000000000000", 0xF4),  # no prime
        ("4C0400000000000000", 0xF8),  # no generator and modulus yet
        ("0609", 0xF8),
        ("08", 0xF5),
        ("18", 0xF5),
        ("56", 0xFA),
        ("57", 0xFA),
    ],
)
def test_what_is_refused(question, answer):
    assert Host().ask(bytes.fromhex(question)) == bytes((answer,))


def test_what_it_does_not_know():
    simple = Host(VoiceSettings(seals=False, acknowledges=False, counts=False))
    for command in ("4A0300000000000000", "56", "57", "58"):
        assert simple.ask(bytes.fromhex(command)) == b"\xf2"


def test_the_poll_after_the_escrow_was_told_stacks():
    host = Host().open().escrow(5000)
    assert host.poll() == [Told(wire.READ, 5)] and host.machine.phase is Phase.ESCROW
    assert host.poll() == [Told(wire.STACKING)] and host.machine.phase is Phase.STACKING
    host.later(1_000)
    assert host.poll() == [Told(wire.STACKED), Told(wire.CREDIT, 5)]
    assert host.poll() == [] and host.machine.box == {5000: 1}


@pytest.mark.parametrize("command", [wire.HOLD, wire.SERIAL, wire.SETUP])
def test_any_other_command_holds_for_ten_seconds(command):
    host = Host().open().escrow()
    host.poll()
    for _ in range(5):
        host.later(9_000).ask((command,))
    assert host.machine.phase is Phase.HOLDING
    host.later(12_000)
    assert host.machine.handed_back == {2000: 1}
    assert host.ask((wire.LAST_REJECT,)) == bytes((0xF0, wire.ESCROW_TIMEOUT))
    assert Told(wire.REJECTED) in host.poll()


def test_a_rejected_note():
    host = Host().open().escrow()
    assert host.ask((wire.REJECT,)) == b"\xf0"
    assert host.poll() == [Told(wire.REJECTING)]
    host.later(2_000)
    assert host.poll() == [Told(wire.REJECTED)] and host.poll() == []
    assert host.ask((wire.LAST_REJECT,)) == bytes((0xF0, wire.BY_HOST))


def test_a_plain_poll_destroys_the_credit():
    host = Host().open().stack()
    assert Told(wire.CREDIT, 4) in host.poll()
    host.blink()
    assert Told(wire.CREDIT, 4) not in host.poll()
    assert wire.parse_counters(host.ask((wire.COUNTERS,))) == 1


def test_an_untold_credit_and_the_counters_outlive_the_power():
    host = Host().open().stack().blink()
    assert host.poll() == [Told(wire.WAS_RESET), Told(wire.DISABLED), Told(wire.CREDIT, 4)]
    assert wire.parse_counters(host.ask((wire.COUNTERS,))) == 1


def test_with_acknowledgement_the_answer_stays_until_it():
    host = Host().meet().open().stack(wire.POLL_ACK)
    told = host.poll(wire.POLL_ACK)
    assert told == [Told(wire.STACKED), Told(wire.CREDIT, 4)]
    assert [host.later(5_000).poll(wire.POLL_ACK) for _ in range(3)] == [told] * 3
    assert not host.machine.feed(2000, host.now)  # no note before it
    assert host.ask((wire.EVENT_ACK,)) == b"\xf0"
    assert host.poll(wire.POLL_ACK) == []
    assert host.ask((wire.EVENT_ACK,)) == b"\xf5"
    assert host.machine.feed(2000, host.now)


def test_only_what_was_told_is_let_go():
    host = Host().meet().open().stack(wire.POLL_ACK)
    host.poll(wire.POLL_ACK)
    host.voice.kept.untold.append(Told(wire.CREDIT, 6))  # came since
    assert host.ask((wire.EVENT_ACK,)) == b"\xf0"
    assert host.poll(wire.POLL_ACK) == [Told(wire.CREDIT, 6)]


def test_an_acknowledgement_before_any_poll_lets_nothing_go():
    host = Host().meet().open().stack(wire.POLL_ACK)
    host.blink()
    host.bit = 0
    host.meet()
    assert host.ask((wire.EVENT_ACK,)) == b"\xf5"
    assert Told(wire.CREDIT, 4) in host.poll(wire.POLL_ACK)


@pytest.mark.parametrize(("wait_ms", "event"), [(200, wire.TO_FRONT_AT_START), (600, wire.TO_BOX_AT_START)])
def test_a_note_in_the_path_at_power_up(wait_ms, event):
    host = Host(PLAIN).open().escrow(5000)
    host.poll()
    host.poll()
    host.later(wait_ms).blink()
    assert host.poll() == [Told(wire.WAS_RESET), Told(wire.DISABLED), Told(event, 5)]
    assert host.machine.box.total() + host.machine.handed_back.total() == 1
    assert host.voice.kept.stacked == host.machine.box.total()


def test_the_power_takes_key_inhibits_and_enabling():
    host = Host().meet().open()
    seal = host.seal
    host.blink()
    assert host.machine.phase is Phase.DISABLED
    assert host.send(seal.close(b"\x07"), 0) == bytes((wire.NO_KEY,))
    assert Host(VoiceSettings(says_no_key=False)).send(seal.close(b"\x07"), 0) is None


def test_another_count_or_key_is_silently_dropped():
    host = Host().meet()
    again = host.seal.close(b"\x0c")
    assert len(host.ask((wire.SERIAL,))) == 5
    assert host.send(again, host.bit) is None  # the old count
    host.seal.count += 1
    assert host.ask((wire.SERIAL,)) is None
    other = Host(key=FIXED_KEY + 1).meet()
    assert other.ask((wire.SERIAL,)) is None


def test_fraud_full_and_box_events():
    host = Host().meet().open()
    host.machine.cheat(host.now)
    host.later(100)
    assert host.poll(wire.POLL_ACK) == [Told(wire.FRAUD, 0)] == host.poll(wire.POLL_ACK)
    host.later(2_000)
    assert host.ask((wire.EVENT_ACK,)) == b"\xf0" and host.poll(wire.POLL_ACK) == []
    host.machine.take_box(host.now)
    host.later(100)
    assert host.poll(wire.POLL_ACK) == [Told(wire.BOX_OUT)] == host.poll(wire.POLL_ACK)
    host.machine.put_box(host.now)
    host.later(100)
    assert host.poll(wire.POLL_ACK) == [Told(wire.BOX_IN), Told(wire.INITIALIZING)]
    host.machine.fail(0x50, host.later(10_000).now)
    assert host.ask((wire.POLL_ACK,)) == bytes((wire.SOFTWARE_ERROR,))


def test_disabling_and_inhibiting_are_told_once():
    host = Host().open()
    host.ask((wire.DISABLE,))
    assert host.poll() == [Told(wire.DISABLED)] and host.poll() == []
    host.ask((wire.INHIBITS, 0, 0))
    assert host.poll() == [Told(wire.CHANNELS_OFF)]


def test_a_reset_is_a_power_cycle():
    host = Host().open()
    assert host.ask((wire.RESET,)) == b"\xf0"
    host.later(10_000)
    assert host.poll() == [Told(wire.WAS_RESET), Told(wire.DISABLED)]
