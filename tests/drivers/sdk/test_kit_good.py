"""A driver that keeps contract 1 passes every rule."""

from __future__ import annotations

from kit_bench import bench_for, failed, verdicts_of, write_folder
from tst_driver import Driver

from kiosk.drivers.sdk.kit.rules import conforms
from kiosk.drivers.sdk.kit.verdict import Outcome


def test_a_good_driver_passes_every_rule(tmp_path):
    verdicts = verdicts_of(bench_for(write_folder(tmp_path / "tst"), Driver()))
    assert failed(verdicts) == {}
    assert conforms(verdicts)
    offered_not = {each.rule.check.__name__ for each in verdicts if each.outcome is Outcome.NOT_OFFERED}
    assert offered_not == {
        "rule_token", "rule_token_stays", "rule_token_taken_once", "rule_token_of_others", "rule_keypad_only_sells",
    }  # fmt: skip
