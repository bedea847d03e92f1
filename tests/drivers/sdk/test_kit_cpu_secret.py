"""CPU cards keep their secrets themselves: the kit still sees tries risked, and a write-back whose damage is hidden."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from kit_bench import InThisProcess, failed, small_card

from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.sdk.kit import rules_damage, rules_secret, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.rules import RULES, run
from kiosk.drivers.sdk.kit.verdict import Outcome

ROOT = Path(__file__).resolve().parents[3]
TRIED = (
    rules_secret.rule_secret_refused, rules_secret.rule_one_try_left, rules_secret.rule_malformed_password,
    rules_damage.rule_write_back_damaged, rules_damage.rule_any_bytes, rules_damage.rule_damaged,
)  # fmt: skip
TRIES, VERIFY, BACK = bytes.fromhex("00200001"), bytes.fromhex("0020000106"), bytes.fromhex("00B085")


class Between:
    """The card as a driver sees it; subclasses tell it something else."""

    def __init__(self, port):
        self.port = port

    def card_type(self):
        return self.port.card_type()

    def atr(self):
        return self.port.atr()

    def transmit(self, apdu):
        return self.port.transmit(apdu)


class NeverAsksForTries(Between):
    def transmit(self, apdu):
        return b"\x63\xc5" if apdu == TRIES else super().transmit(apdu)


class SendsTheSecretTwice(Between):
    def transmit(self, apdu):
        if apdu[:5] == VERIFY:
            super().transmit(apdu)
        return super().transmit(apdu)


class SeesNoDamage(Between):
    """A write-back whose check fails is taken for none at all."""

    def transmit(self, apdu):
        answer = super().transmit(apdu)
        return bytes(len(answer) - 2) + answer[-2:] if apdu[:3] == BACK and not self.whole(answer[:-2]) else answer

    def whole(self, file):
        return file[:1] == b"\x68" and sum(file[1:47]) & 0xFF == file[47]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("build_vendors", ROOT / "scripts" / "build_vendors.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    finished = tmp_path_factory.mktemp("vendors") / "nlt"
    finished.mkdir()
    script.build(ROOT / "kiosk" / "drivers" / "vendors" / "nlt", finished)
    return finished


def verdicts(folder, between=Between, before=lambda driver, port, password: None):
    driver = load_python(folder / "driver.py").Driver()

    class Told:
        def icard(self, icdev, send, password):
            before(driver, icdev, password)
            return driver.icard(between(icdev) if icdev else 0, send, password)

    bench = Bench(load_folder(folder), InThisProcess(Told()), small_card, VirtualCpuCard, states.make, images=300)
    return list(run(bench, tuple(rule for rule in RULES if rule.check in TRIED)))


def test_every_such_rule_can_be_tried_on_a_cpu_card(folder):
    assert {each.rule.check for each in verdicts(folder) if each.outcome is Outcome.PASSED} == set(TRIED)


@pytest.mark.parametrize(
    ("between", "rule"),
    [
        (NeverAsksForTries, "rule_one_try_left"),
        (SendsTheSecretTwice, "rule_secret_refused"),
        (SeesNoDamage, "rule_write_back_damaged"),
    ],
)
def test_found_by_the_rule_it_breaks(folder, between, rule):
    assert set(failed(verdicts(folder, between))) == {rule}


def test_a_malformed_password_that_costs_a_try_is_found(folder):
    def guess(driver, port, password):
        if password == "!" and port and port.card_type() == 60:
            for select in ("00A40000023F00", "00A4000002DF01"):
                port.transmit(bytes.fromhex(select))
            port.transmit(VERIFY + bytes(6))

    assert "rule_malformed_password" in failed(verdicts(folder, before=guess))
