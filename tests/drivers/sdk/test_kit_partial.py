"""Drivers that do less: their missing commands are reported as not offered; energy counts as well as money."""

from __future__ import annotations

import pytest
from kit_bench import bench_for, failed, small_card, verdicts_of, write_folder
from tst_driver import Driver, Refused

from kiosk.drivers.sdk.kit.rules import conforms
from kiosk.drivers.sdk.kit.verdict import Outcome
from kiosk.model.errors import DriverFault

METER_ENERGY = "slot[9:13]"


class SellsOnly(Driver):
    commands = bytes((0x10, 0x11, 0x12, 0x13))


class ReissuesOnly(Driver):
    commands = bytes((0x10, 0x11, 0x13, 0x14))


class ReadsOnly(Driver):
    commands = bytes((0x10, 0x11))


class CountsEnergy(Driver):
    money = False


class ClaimsReverse(SellsOnly):
    def describe(self):
        return {**super().describe(), 0x0103: self.commands + b"\x18"}


@pytest.mark.parametrize("driver", [SellsOnly, ReissuesOnly, ReadsOnly])
def test_a_driver_with_fewer_commands_conforms(tmp_path, driver):
    verdicts = verdicts_of(bench_for(write_folder(tmp_path / "tst"), driver()))
    assert failed(verdicts) == {}
    assert conforms(verdicts)
    assert {each.rule.check.__name__ for each in verdicts if each.outcome is Outcome.NOT_OFFERED} > {"rule_clear"}


def test_a_command_that_is_claimed_must_work(tmp_path):
    assert "rule_reverse" in failed(verdicts_of(bench_for(write_folder(tmp_path / "tst"), ClaimsReverse())))


def test_cards_that_count_energy(tmp_path):
    source = (write_folder(tmp_path / "x") / "conformance" / "meter.py").read_text()
    folder = write_folder(tmp_path / "tst", source.replace("slot[5:9]", METER_ENERGY))
    assert failed(verdicts_of(bench_for(folder, CountsEnergy()))) == {}


def test_a_meter_that_counts_the_other_unit_is_found(tmp_path):
    verdicts = verdicts_of(bench_for(write_folder(tmp_path / "tst"), CountsEnergy()))
    assert "rule_meter_takes" in failed(verdicts)


def test_nothing_works_without_describe(tmp_path):
    class Silent(Driver):
        def describe(self):
            raise Refused(0x15)

    verdicts = verdicts_of(bench_for(write_folder(tmp_path / "tst"), Silent()))
    assert "rule_describe" in failed(verdicts)
    assert not conforms(verdicts)
    assert sum(each.outcome is Outcome.BLOCKED for each in verdicts) > 40


def test_a_command_that_hangs_is_soon_asked_no_more(tmp_path):
    bench = bench_for(write_folder(tmp_path / "tst"), Driver())
    plain, asked = bench.driver.call, []

    def call(raw, port, password):
        if raw[1:2] == b"\x13" and port is not None and port.card_type() == 21:
            asked.append(raw)
            raise DriverFault("D-302", "TST: no answer within 15000 ms")
        return plain(raw, port, password)

    bench.driver.call = call
    verdicts = verdicts_of(bench)
    assert len(asked) == 3
    assert "rule_deadline" in failed(verdicts)
    blocked = {each.why for each in verdicts if each.outcome is Outcome.BLOCKED}
    assert any("PURCHASE was too late 3 times" in why for why in blocked)
    assert not conforms(verdicts)


def test_the_small_chip_tears_where_it_is_told_to():
    card = small_card("SLE4442", bytes(256), b"\1\2\3")
    card.verify(0, b"\1\2\3")
    card.tear_after = 2
    with pytest.raises(Exception, match="card port"):
        card.write(0, 100, b"\7\7\7")
    card.reset()
    assert card.read(0, 99, 5) == b"\0\7\7\0\0"
