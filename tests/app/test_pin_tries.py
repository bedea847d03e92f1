"""Wrong PINs are counted, wait, and lock; no power cut, no clock and no second program gives a try for nothing."""

import json

import pytest

from kiosk.app.pin_tries import TRIES_MAX, WAIT_MAX_S, PinTries, Said
from kiosk.billing.staff import Person
from kiosk.model.errors import LedgerFault

LI = Person("1001", ("attendant",), "hash-of-402917", "李四", "Li Si")
MINUTE_MS = 60_000


class Hand:
    def __init__(self):
        self.ms = 1_800_000_000_000

    def utc_ms(self):
        return self.ms


class Bench:
    def __init__(self, folder):
        self.path, self.clock, self.looked = folder / "pin-tries.json", Hand(), []
        self.dies = False

    def matches(self, pin, phc):
        self.looked.append(pin)
        if self.dies:
            raise KeyboardInterrupt
        return phc == f"hash-of-{pin}"

    def try_(self, pin, person=LI, after_s=0):
        self.clock.ms += after_s * 1000
        return PinTries(self.path, self.clock, self.matches).verify(person, pin)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_the_right_pin_is_right_and_leaves_no_trace(bench):
    assert bench.try_("402917").said is Said.RIGHT
    assert json.loads(bench.path.read_text()) == {}
    assert bench.path.stat().st_mode & 0o077 == 0


def test_wrong_ones_wait_ever_longer_and_what_comes_too_soon_is_not_looked_at(bench):
    waits = []
    for _ in range(TRIES_MAX - 1):
        verdict = bench.try_("000001", after_s=WAIT_MAX_S)
        assert verdict.said is Said.WRONG
        waits.append(verdict.wait_ms // 1000)
        if waits[-1]:
            looked = len(bench.looked)
            assert bench.try_("402917").said is Said.WAIT, "not even the right one"
            assert bench.try_("402917", after_s=waits[-1] - 1).wait_ms == 1000 and len(bench.looked) == looked
    assert waits == [0, 0, 30, 60, 300, 900, 900, 900, 900]


def test_after_ten_the_person_is_locked_until_there_is_another_pin(bench):
    for _ in range(TRIES_MAX):
        last = bench.try_("000001", after_s=WAIT_MAX_S)
    assert last.said is Said.LOCKED
    assert bench.try_("402917", after_s=86_400 * 365).said is Said.LOCKED
    fresh = Person("1001", LI.roles, "hash-of-730518", LI.zh, LI.en)
    assert bench.try_("730518", fresh).said is Said.RIGHT


def test_the_right_pin_begins_the_count_anew(bench):
    bench.try_("000001")
    bench.try_("000002")
    assert bench.try_("402917").said is Said.RIGHT
    assert [bench.try_("000003").wait_ms for _ in range(3)] == [0, 0, 30_000]


def test_a_plug_that_is_pulled_while_the_pin_is_looked_at_has_used_the_try(bench):
    bench.dies = True
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            bench.try_("000001")
    bench.dies = False
    assert bench.try_("402917").said is Said.WAIT


def test_a_clock_that_was_set_back_shortens_nothing(bench):
    for _ in range(4):
        bench.try_("000001", after_s=30)
    bench.clock.ms -= 3_600_000
    assert bench.try_("402917").wait_ms == MINUTE_MS
    assert bench.try_("402917", after_s=60).said is Said.RIGHT


def test_a_number_that_nobody_has_is_looked_at_as_long_and_kept_nowhere(bench):
    assert bench.try_("402917", None).said is Said.WRONG
    assert bench.looked == ["402917"] and not bench.path.exists()


def test_others_are_not_locked_with_one(bench):
    wang = Person("2001", ("supervisor",), "hash-of-118844", "王五", "Wang Wu")
    for _ in range(TRIES_MAX):
        bench.try_("000001", after_s=WAIT_MAX_S)
    assert bench.try_("118844", wang).said is Said.RIGHT
    assert bench.try_("402917").said is Said.LOCKED


@pytest.mark.parametrize("content", ["", "{", "[]", '{"1001": {}}', '{"1001": {"wrong": "0", "at_ms": 1, "tag": "x"}}'])
def test_a_damaged_count_lets_nobody_in(bench, content):
    bench.path.write_text(content)
    with pytest.raises(LedgerFault, match=r"L-502.*damaged"):
        bench.try_("402917")
    assert bench.looked == []


def test_a_disk_that_takes_nothing_lets_nobody_in(bench):
    bench.path.parent.joinpath(".pin-tries.json").mkdir()
    with pytest.raises(LedgerFault, match="L-502"):
        bench.try_("402917")
    assert bench.looked == []
