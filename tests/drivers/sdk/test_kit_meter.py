"""Meters that lie are found by the meter's rules."""

from __future__ import annotations

from pathlib import Path

from kit_bench import bench_for, failed, verdicts_of, write_folder
from tst_driver import Driver

METER = (Path(__file__).parent / "tst_meter.py").read_text()


def found(tmp_path, old: str, new: str) -> set[str]:
    assert METER.count(old) == 1
    folder = write_folder(tmp_path / "tst", METER.replace(old, new))
    return set(failed(verdicts_of(bench_for(folder, Driver()))))


def test_a_meter_that_credits_twice(tmp_path):
    old = "if slot[0] == 0xA5 and number(slot[1:5]) == count + 1:"
    assert "rule_meter_takes" in found(tmp_path, old, "if slot[0] == 0xA5 and number(slot[1:5]) in (count, count + 1):")


def test_a_meter_that_forgets_credits_a_copy(tmp_path):
    # the copy has no write-back: only the meter's own memory knows that the purchase is taken
    old = "MEMORY[meter] = (count, remaining, total)"
    changed = found(tmp_path, old, "MEMORY[meter] = (count - 1, remaining, total)")
    assert changed == {"rule_meter_copies", "rule_torn_write_back"}


def test_a_meter_that_is_too_fast(tmp_path):
    assert "rule_meter_early" in found(tmp_path, "or seconds < 3", "or seconds < 2")


def test_a_meter_that_never_counts_down(tmp_path):
    assert {"rule_meter_use", "rule_meter_following"} <= found(tmp_path, "remaining -= use", "remaining -= 0")


def test_a_meter_that_raises_fails_its_own_rule_and_blocks_the_rest(tmp_path):
    names = found(tmp_path, "    remaining -= use\n", "    raise ValueError('no')\n")
    assert names == {"rule_meter_takes", "rule_meter_copies", "rule_repeat_after_meter", "rule_hoard_limit"} | {
        "rule_last_is_largest"
    }
