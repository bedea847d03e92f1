"""Vendors whose meters have keypads: no card, a token."""

from __future__ import annotations

import pytest
from kit_bench import MANIFEST, bench_for, failed, verdicts_of, write_folder
from tst_driver import PURCHASE, Driver, Refused

from kiosk.drivers.sdk.kit.rules import conforms
from kiosk.drivers.sdk.kit.verdict import Outcome


class Keypad(Driver):
    commands = bytes((0x10, PURCHASE))

    def describe(self):
        return {di: value for di, value in super().describe().items() if di != 0x0104}

    def act(self, icdev, command, data, password):
        if command not in self.commands:
            raise Refused(0x02)
        items = self.unpack(data)
        self.check_items(command, items)
        if command != PURCHASE:
            return self.describe()
        self.check_value(items, 0, 0)
        if password == "!":
            raise Refused(0x06)
        return self.token()

    def token(self):
        return {0x0507: b"12345678901234567890"}


class NoToken(Keypad):
    def token(self):
        return {}


class GivesNothingAway(Keypad):
    def check_value(self, items, limit, remaining):
        pass


class TakesAnyPassword(Keypad):
    def act(self, icdev, command, data, password):
        return super().act(icdev, command, data, "A1B2C3")


class NewTokenEachTime(Keypad):
    given = 0

    def token(self):
        self.given += 1
        return {0x0507: b"%020d" % self.given}


class SellsCardsToo(Keypad):
    commands = bytes((0x10, 0x11, PURCHASE))


def folder(tmp_path):
    path = write_folder(tmp_path / "tst")
    text = (path / "vendor.toml").read_text()
    start, end = text.index("[[card]]"), text.index("[sale]")
    (path / "vendor.toml").write_text(text[:start] + text[end:])
    assert "[[card]]" in MANIFEST
    return path


def test_a_keypad_vendor_conforms(tmp_path):
    verdicts = verdicts_of(bench_for(folder(tmp_path), Keypad()))
    assert failed(verdicts) == {}
    assert conforms(verdicts)


@pytest.mark.parametrize("driver", [NoToken, GivesNothingAway, TakesAnyPassword])
def test_a_wrong_token_is_found(tmp_path, driver):
    assert set(failed(verdicts_of(bench_for(folder(tmp_path), driver())))) == {"rule_token"}


def test_another_token_for_the_same_purchase_is_remarked(tmp_path):
    bench = bench_for(folder(tmp_path), NewTokenEachTime())
    assert failed(verdicts_of(bench)) == {}
    assert any("another token" in remark for remark in bench.remarks)


def test_nothing_of_cards_is_said_to_pass(tmp_path):
    passed = [each for each in verdicts_of(bench_for(folder(tmp_path), Keypad())) if each.outcome is Outcome.PASSED]
    assert {"rule_purchase", "rule_count_jumps", "rule_tear_purchase"}.isdisjoint(
        each.rule.check.__name__ for each in passed
    )


def test_a_keypad_vendor_that_reads_cards_is_found(tmp_path):
    assert "rule_keypad_only_sells" in failed(verdicts_of(bench_for(folder(tmp_path), SellsCardsToo())))
