"""The machine's half of ID003: strict, and with a machine's memory."""

import pytest
from id003_line import h

from kiosk.devices.acceptor.id003 import wire
from kiosk.devices.acceptor.id003.voice import Id003Voice
from kiosk.devices.acceptor.talk import NEVER
from kiosk.devices.acceptor.validator import Phase, Validator

ACK, REFUSED = h("50"), h("4B")


class Machine:
    """Spoken to by hand."""

    def __init__(self, **more):
        self.machine, self.now = Validator(**more), 1_000_000
        self.voice = Id003Voice(self.machine)
        self.machine.power_on(self.now)

    def ask(self, question):
        self.now += 10
        return b" ".join(wire.Decoder().feed(self.voice.received(wire.encode(h(question)), self.now)))

    def status(self, after_ms=0):
        self.now += after_ms
        return self.ask("11")

    def open(self):
        assert self.ask("40") == ACK
        for setting in ("C0 00 00", "C3 00"):
            assert self.ask(setting) == h(setting)
        assert self.status(3_000) == h("11")
        return self

    def escrow(self, fen=2000):
        self.open()
        assert self.machine.feed(fen, self.now)
        assert self.status(1_200)[:1] == h("13")
        return self


def test_until_reset_it_says_its_power_up_and_takes_nothing():
    it = Machine()
    assert [it.status(), it.status(60_000)] == [h("40"), h("40")]
    assert [it.ask(body) for body in ("C0 00 00", "C3 00", "41", "43", "44")] == [REFUSED] * 5
    assert it.ask("88")[:1] == h("88") and it.ask("8A")[:1] == h("8A") and it.ask("89") == h("89") + b"B05 "
    assert it.ask("40") == ACK and it.status() == h("1B")


def test_it_initializes_until_it_knows_what_it_may_take():
    it = Machine()
    it.ask("40")
    assert it.status(60_000) == h("1B")
    assert it.ask("C0 F0 FF") == h("C0 F0 FF") and it.status() == h("1B")
    assert it.ask("C3 01") == h("C3 01") and it.status() == h("1A")
    assert it.ask("C3 00") == h("C3 00") and it.status() == h("11")
    assert it.machine.look.open_for_fen == {100, 500, 1000, 2000}
    assert (it.ask("80"), it.ask("83"), it.ask("81")) == (h("80 F0 FF"), h("83 00"), h("81 00 00"))


@pytest.mark.parametrize("body", ["C0 00", "C3 00 00", "C3", "C9 00", "11 00", "40 00", "99", "45"])
def test_what_it_does_not_know_is_refused(body):
    assert Machine().open().ask(body) == REFUSED


def test_a_reset_forgets_all_settings():
    it = Machine().open()
    it.ask("40")
    assert it.status(3_000) == h("1B") and it.ask("80") == h("80 00 00")


def test_so_does_a_new_cash_box():
    it = Machine().open()
    it.machine.take_box(it.now)
    assert it.status() == h("44")
    it.machine.put_box(it.now)
    assert [it.status(), it.status(60_000)] == [h("1B"), h("1B")]
    assert not it.machine.look.open_for_fen


@pytest.mark.parametrize("away_ms", [0, 5_000])
def test_and_so_does_a_blink_of_its_power(away_ms):
    it = Machine().open()
    it.machine.power_off(it.now)
    it.now += away_ms
    it.machine.power_on(it.now)
    assert it.status() == h("40")
    it.ask("40")
    assert it.status(3_000) == h("1B")


def test_without_power_it_hears_nothing():
    it = Machine()
    it.machine.power_off(it.now)
    assert it.ask("11") == b"" and it.voice.due_ms() == NEVER


def test_escrow_names_the_note_and_goes_back_by_itself():
    it = Machine().escrow(2000)
    assert it.status() == h("13 64")
    assert it.status(10_000) == h("18") and it.status(1_000) == h("11")
    assert it.machine.handed_back == {2000: 1}


def test_hold_keeps_it():
    it = Machine().escrow()
    for _ in range(5):
        assert it.ask("44") == ACK and it.status(9_000) == h("19")
    assert it.ask("43") == ACK and it.status() == h("18")
    assert [it.ask(body) for body in ("41", "42", "43", "44")] == [REFUSED] * 4


@pytest.mark.parametrize("question", ["88", "89", "8A"])
def test_it_does_not_name_itself_while_a_note_is_under_way(question):
    it = Machine().escrow()
    assert it.ask(question) == REFUSED
    it.ask("42")
    assert it.status(1_000) == h("15") and it.ask(question) == REFUSED


def test_vend_valid_comes_until_the_acknowledgement_that_directly_follows_it():
    it = Machine().escrow()
    assert it.ask("50") == b"", "to an ACK there is no answer, asked for or not"
    assert it.ask("42") == ACK and it.status() == h("14")
    assert [it.status(1_000), it.status(60_000)] == [h("15"), h("15")]
    assert it.ask("83") == h("83 00") and it.ask("50") == b"" and it.status() == h("15"), "that followed something else"
    assert it.ask("50") == b"" and [it.status(), it.status()] == [h("16"), h("11")]
    assert it.machine.box == {2000: 1}


def test_stacked_is_said_of_no_later_note():
    it = Machine().escrow()
    it.ask("42")
    assert it.status(1_000) == h("15") and it.ask("50") == b""
    assert it.machine.feed(500, it.now) and it.status() == h("12")
    assert it.status(1_200) == h("13 62") and it.ask("43") == ACK
    assert it.status(1_000) == h("11")


def test_a_reset_lets_a_credit_go_unheard():
    """What a host must never do."""
    it = Machine().escrow()
    it.ask("42")
    assert it.status(1_000) == h("15")
    assert it.ask("40") == ACK and it.status() == h("1B") and it.machine.box == {2000: 1}


def test_by_stack_1_it_comes_at_the_lever():
    it = Machine().escrow()
    assert it.ask("41") == ACK and it.status() == h("14")
    assert it.status(440) == h("15") and not it.machine.box, "past the lever, and not in the box yet"
    assert it.ask("50") == b"" and it.status() == h("14")
    assert it.status(450) == h("16") and it.status() == h("11") and it.machine.box == {2000: 1}


def test_by_stack_1_an_acknowledgement_may_come_late():
    it = Machine().escrow()
    it.ask("41")
    assert it.status(5_000) == h("15") and it.machine.box == {2000: 1}
    it.ask("50")
    assert it.status() == h("16")


@pytest.mark.parametrize("stack", ["41", "42"])
@pytest.mark.parametrize(("after_ms", "says"), [(100, "41"), (500, "42"), (1_000, "42")])
def test_where_the_note_lay_when_the_power_went(stack, after_ms, says):
    it = Machine().escrow()
    it.ask(stack)
    it.status(after_ms)
    it.machine.power_off(it.now)
    it.machine.power_on(it.now)
    assert it.status() == h(says)
    assert (it.ask("88") == REFUSED) and it.ask("40") == ACK
    it.status(10_000)
    assert it.machine.box.total() + it.machine.handed_back.total() == 1


def test_what_is_inhibited_is_turned_back():
    it = Machine().open()
    it.machine.feed(2000, it.now)
    assert it.status() == h("12")
    it.ask("C3 01")
    assert it.status(1_200) == h("17 79") and it.status(1_000) == h("1A")


@pytest.mark.parametrize(("genuine", "says"), [(False, "17 77"), (True, "13 64")])
def test_forged_and_genuine(genuine, says):
    it = Machine().open()
    it.machine.feed(2000, it.now, genuine)
    assert it.status(1_200) == h(says)


def test_faults_in_the_protocols_numbers():
    it = Machine(capacity=1).open()
    it.machine.fail(0x50, it.now)
    assert it.status() == h("49 A2")
    it.machine.mend(it.now)
    it.ask("C0 00 00")
    it.ask("C3 00")
    assert it.status(3_000) == h("11")
    assert it.machine.cheat(it.now) and it.status() == h("48")
    assert it.status(1_000) == h("11") and it.machine.feed(2000, it.now)
    assert it.machine.jam(it.now) and it.status() == h("45")
    it.machine.clear_jam(it.now)
    assert it.status(1_000) == h("11") and it.machine.feed(2000, it.now) and it.status(1_200) == h("13 64")
    it.ask("42")
    it.status(500)
    assert it.machine.jam(it.now) and it.status() == h("46")
    it.machine.clear_jam(it.now)
    assert it.status(10) == h("15")
    it.ask("50")
    assert [it.status(), it.status()] == [h("16"), h("43")]


def test_a_frame_that_stops_is_forgotten():
    it = Machine()
    assert it.voice.received(h("FC 05 11"), it.now) == b""
    assert it.voice.received(h("27 56"), it.now + 5) == wire.encode(h("40"))
    assert it.voice.received(h("FC 2F 11"), it.now + 10) == b""
    assert it.status(100) == h("40")
    assert it.voice.received(h("FC 05 11 27 57"), it.now + 200) == b"", "a wrong check"


@pytest.mark.parametrize("kinds", [(50, 100), tuple(range(100, 1_800, 100))])
def test_notes_that_the_protocol_cannot_name(kinds):
    with pytest.raises(ValueError):
        Id003Voice(Validator(kinds_fen=kinds))


def test_it_falls_due_when_its_machine_does():
    it = Machine().open()
    assert it.voice.due_ms() == NEVER
    it.machine.feed(2000, it.now)
    assert it.voice.due_ms() == it.now + 1_200
    it.now += 1_200
    assert it.voice.wake(it.now) == b"" and it.machine.phase is Phase.ESCROW
