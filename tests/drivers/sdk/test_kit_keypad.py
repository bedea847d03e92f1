"""Vendors whose meters have keypads: no card, a token."""

from __future__ import annotations

import pytest
from kit_bench import MANIFEST, bench_for, failed, verdicts_of, write_folder
from tst_driver import PURCHASE, Driver, Refused

from kiosk.drivers.sdk.kit.rules import conforms
from kiosk.drivers.sdk.kit.verdict import Outcome

METER = """
TAKEN, REMAINING = {}, {}


def enter(meter, token):
    taken, accepted = TAKEN.setdefault(meter, set()), False
    if len(token) == 20 and token[:4] == meter[-4:] and sum(map(int, token)) % 10 == 0:
        accepted = token[4:8] not in taken
        if accepted:
            taken.add(token[4:8])
            REMAINING[meter] = REMAINING.get(meter, 0) + int(token[8:18])
    said = "taken" if accepted else "refused"
    return {"accepted": accepted, "count": len(taken), "remaining": REMAINING.get(meter, 0), "said": said}
"""


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
        if any(0x0400 < di < 0x0500 for di in items):
            raise Refused(0x0E)
        if password == "!":
            raise Refused(0x06)
        return self.token(items)

    def token(self, items):
        return {0x0507: self.digits(items, int.from_bytes(items[0x0207], "big"))}

    def digits(self, items, value):
        """Meter, count, value, a digit that makes the sum of all a multiple of ten."""
        text = f"{items[0x0204][-4:].decode()}{int.from_bytes(items[0x0206], 'big'):04d}{value:010d}0"
        return (text + str(-sum(map(int, text)) % 10)).encode()


class NoToken(Keypad):
    def token(self, items):
        return {}


class GivesNothingAway(Keypad):
    def check_value(self, items, limit, remaining):
        pass


class TakesAnyPassword(Keypad):
    def act(self, icdev, command, data, password):
        return super().act(icdev, command, data, "A1B2C3")


class SkipsSettings(Keypad):
    def check_items(self, command, items):
        super().check_items(command, items)
        for di in [di for di in items if 0x0400 < di < 0x0500]:
            del items[di]


class NewTokenEachTime(Keypad):
    made = 0

    def digits(self, items, value):
        self.made += 1
        return super().digits(items, value + self.made)


class RemembersUntilThePowerGoes(Keypad):
    """Gives the same token again, but draws a number for each new one and keeps it in memory."""

    drawn = 0

    def __init__(self):
        self.known = {}

    def digits(self, items, value):
        RemembersUntilThePowerGoes.drawn += 1
        number = self.known.setdefault(bytes(items[0x0204] + items[0x0206]), self.drawn)
        return super().digits(items, value + number)


class OneTokenForAll(Keypad):
    def digits(self, items, value):
        return b"12345678901234567890"


class ForgetsTheValue(Keypad):
    def digits(self, items, value):
        return super().digits(items, 100)


class GivesLess(Keypad):
    def digits(self, items, value):
        return super().digits(items, value - 1)


class SaysLess(Keypad):
    def token(self, items):
        return {**super().token(items), 0x0207: (int.from_bytes(items[0x0207], "big") - 1).to_bytes(4, "big")}


class GivesMoreAndSaysSo(Keypad):
    def token(self, items):
        value = -(-int.from_bytes(items[0x0207], "big") // 100) * 100 + 100
        return {0x0207: value.to_bytes(4, "big"), 0x0507: self.digits(items, value)}


class RefusesAnotherValue(Keypad):
    """A driver may know that a count has a value already."""

    values = {}  # noqa: RUF012 - its own memory, as if on a disk

    def token(self, items):
        if self.values.setdefault(items[0x0204] + items[0x0206], items[0x0207]) != items[0x0207]:
            raise Refused(0x0D)
        return super().token(items)


class SellsCardsToo(Keypad):
    commands = bytes((0x10, 0x11, PURCHASE))


class KeysAreElsewhere(Keypad):
    def token(self, items):
        raise Refused(0x14)


def folder(tmp_path, meter=METER):
    path = write_folder(tmp_path / "tst")
    text = (path / "vendor.toml").read_text()
    start, end = text.index("[[card]]"), text.index("[sale]")
    (path / "vendor.toml").write_text(text[:start] + text[end:])
    assert "[[card]]" in MANIFEST
    (path / "conformance" / "meter.py").write_text(meter)
    if not meter:
        (path / "conformance" / "meter.py").unlink()
    return path


def outcomes(verdicts):
    return {each.rule.check.__name__: each.outcome for each in verdicts}


@pytest.mark.parametrize("driver", [Keypad, GivesMoreAndSaysSo, RefusesAnotherValue])
def test_a_keypad_vendor_conforms(tmp_path, driver):
    verdicts = verdicts_of(bench_for(folder(tmp_path), driver()))
    assert failed(verdicts) == {}
    assert conforms(verdicts)
    assert outcomes(verdicts)["rule_token_taken_once"] is Outcome.PASSED


@pytest.mark.parametrize(
    ("driver", "rules"),
    [
        (NoToken, {"rule_token", "rule_token_stays", "rule_token_taken_once", "rule_token_of_others"}),
        (GivesNothingAway, {"rule_token"}),
        (TakesAnyPassword, {"rule_token"}),
        (SkipsSettings, {"rule_token"}),
        (NewTokenEachTime, {"rule_token_stays", "rule_token_taken_once"}),
        (RemembersUntilThePowerGoes, {"rule_token_stays", "rule_token_taken_once"}),
        (OneTokenForAll, {"rule_token_stays", "rule_token_taken_once", "rule_token_of_others"}),
        (ForgetsTheValue, {"rule_token_stays", "rule_token_taken_once"}),
        (GivesLess, {"rule_token_taken_once"}),
        (SaysLess, {"rule_token_taken_once"}),
        (SellsCardsToo, {"rule_keypad_only_sells"}),
    ],
)
def test_a_driver_that_breaks_a_rule_of_keypads_is_found(tmp_path, driver, rules):
    assert set(failed(verdicts_of(bench_for(folder(tmp_path), driver())))) == rules


def test_a_token_that_is_lost_with_the_power_is_told_as_that(tmp_path):
    why = failed(verdicts_of(bench_for(folder(tmp_path), RemembersUntilThePowerGoes())))["rule_token_stays"]
    assert why.startswith("PURCHASE repeated after a power cut: expected the token ")


METERS = {
    "takes a token twice": ("token[4:8] not in taken", "True"),
    "takes tokens of other meters": ("token[:4] == meter[-4:] and ", ""),
    "takes any digits": (" and sum(map(int, token)) % 10 == 0", ""),
    "takes longer tokens": ("len(token) == 20 and", "len(token) >= 20 and"),
    "takes nothing": ("token[4:8] not in taken", "False"),
    "does not count": ('"count": len(taken)', '"count": 0'),
    "answers something else": ('"remaining": REMAINING.get(meter, 0)', '"remaining": None'),
    "counts what it refuses": ("        if accepted:\n", "        if True:\n"),
}


@pytest.mark.parametrize("meter", METERS)
def test_a_meter_that_breaks_a_rule_is_found(tmp_path, meter):
    old, new = METERS[meter]
    assert METER.count(old) == 1
    found = failed(verdicts_of(bench_for(folder(tmp_path, METER.replace(old, new)), Keypad())))
    assert set(found) & {"rule_token_taken_once", "rule_token_of_others"}
    assert set(found) <= {"rule_token_taken_once", "rule_token_of_others"}


def test_a_meter_that_cannot_be_called_is_found(tmp_path):
    found = failed(verdicts_of(bench_for(folder(tmp_path, "def insert(icdev): ..."), Keypad())))
    assert "def enter(meter, token)" in found["rule_conformance_files"]
    found = failed(verdicts_of(bench_for(folder(tmp_path / "2", "def enter(meter): ..."), Keypad())))
    assert "rule_conformance_files" in found


def test_without_a_meter_its_rules_are_not_offered(tmp_path):
    verdicts = verdicts_of(bench_for(folder(tmp_path, ""), Keypad()))
    assert conforms(verdicts)
    ended = outcomes(verdicts)
    assert ended["rule_token_stays"] is Outcome.PASSED
    assert {ended["rule_token_taken_once"], ended["rule_token_of_others"]} == {Outcome.NOT_OFFERED}


def test_keys_that_are_elsewhere_are_no_fault_and_nothing_is_said_to_hold(tmp_path):
    verdicts = verdicts_of(bench_for(folder(tmp_path), KeysAreElsewhere()))
    assert failed(verdicts) == {}
    ended = outcomes(verdicts)
    assert ended["rule_token"] is Outcome.NOT_OFFERED
    assert ended["rule_keypad_only_sells"] is Outcome.PASSED


def test_nothing_of_cards_is_said_to_pass(tmp_path):
    passed = [each for each in verdicts_of(bench_for(folder(tmp_path), Keypad())) if each.outcome is Outcome.PASSED]
    assert {"rule_purchase", "rule_count_jumps", "rule_tear_purchase"}.isdisjoint(
        each.rule.check.__name__ for each in passed
    )
