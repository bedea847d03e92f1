"""CPU cards whose every UPDATE wants a MAC: no key leads in, so the damage is shown instead of written."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import pytest
from kit_bench import InThisProcess, failed, small_card

from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.sdk.kit import rules_damage, rules_secret, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.files import Chunk, is_secured, written
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.port import WatchedPort
from kiosk.drivers.sdk.kit.rules import RULES, run
from kiosk.drivers.sdk.kit.shown import Shown
from kiosk.drivers.sdk.kit.verdict import Outcome

ROOT = Path(__file__).resolve().parents[3]
TRIED = (
    rules_secret.rule_secret_refused, rules_secret.rule_one_try_left, rules_secret.rule_malformed_password,
    rules_damage.rule_write_back_damaged, rules_damage.rule_any_bytes, rules_damage.rule_damaged,
)  # fmt: skip
MF, DF = bytes.fromhex("00A40000023F00"), bytes.fromhex("00A4000002DF01")
TRIES, AUTHENTICATE, BACK = bytes.fromhex("00820002"), bytes.fromhex("0082000208"), bytes.fromhex("00B085")


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


class SeesNoDamage(Between):
    """A write-back whose check fails is taken for none at all."""

    def transmit(self, apdu):
        answer = super().transmit(apdu)
        bad = apdu[:3] == BACK and (answer[:1] != b"\x68" or sum(answer[1:47]) & 0xFF != answer[47])
        return bytes(len(answer) - 2) + answer[-2:] if bad else answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("build_vendors", ROOT / "scripts" / "build_vendors.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    finished = tmp_path_factory.mktemp("vendors") / "sgc"
    finished.mkdir()
    script.build(ROOT / "kiosk" / "drivers" / "vendors" / "sgc", finished)
    return finished


def verdicts(folder, between=Between):
    driver = load_python(folder / "driver.py").Driver()

    class Told:
        def icard(self, icdev, send, password):
            return driver.icard(between(icdev) if icdev else 0, send, password)

    bench = Bench(load_folder(folder), InThisProcess(Told()), small_card, VirtualCpuCard, states.make, images=150)
    return list(run(bench, tuple(rule for rule in RULES if rule.check in TRIED)))


@pytest.mark.slow
def test_every_such_rule_can_be_tried_on_a_card_with_macs(folder):
    assert {each.rule.check for each in verdicts(folder) if each.outcome is Outcome.PASSED} == set(TRIED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("between", "rule"),
    [(NeverAsksForTries, "rule_one_try_left"), (SeesNoDamage, "rule_write_back_damaged")],
)
def test_found_by_the_rule_it_breaks(folder, between, rule):
    assert rule in failed(verdicts(folder, between))


# -- the parts ---------------------------------------------------------------------------------------------------------


def test_a_mac_is_not_written():
    secured = bytes.fromhex("04D6820007616263") + bytes(4)
    assert (is_secured(secured), written(secured)) == (True, 3)
    assert (is_secured(b"\0" + secured[1:]), written(b"\0" + secured[1:])) == (False, 7)
    assert not is_secured(bytes.fromhex("04B0820009") + bytes(9))


def card_at(folder, changes):
    card = VirtualCpuCard(load_python(folder / "conformance" / "card.py").Card())
    shown = Shown(card, changes)
    shown.reset()
    return shown


def test_what_is_shown_is_read_however_the_path_was_walked(folder):
    card = card_at(folder, ((Chunk((MF, DF, MF, DF), False, 0x82, 2), b"\xaa\xbb"),))
    for way in ((MF, DF), (MF, DF), (MF, MF, DF)):
        for select in way:
            card.transmit(select)
        assert card.transmit(bytes.fromhex("00B0820008"))[:8].hex() == "0000aabb00000000"
        assert card.transmit(bytes.fromhex("00B0820301")).hex() == "bb9000"
    assert card.transmit(bytes.fromhex("00B0850008")) == bytes(8) + b"\x90\x00"
    other = copy.deepcopy(card)
    assert other.image() == card.image() != card.card.image()


def test_what_is_written_stands_there_from_then_on(folder):
    card = card_at(folder, ((Chunk((MF, DF), False, 0x82, 0), b"\xaa" * 8),))
    keys = load_python(folder / "conformance" / "card.py")
    port = WatchedPort(card)
    for select in (MF, DF):
        port.transmit(select)
    challenge = port.transmit(bytes.fromhex("0084000008"))[:8]
    assert port.transmit(AUTHENTICATE + keys.cryptogram(b"SGC00001", challenge)) == b"\x90\x00"
    apdu = bytes.fromhex("04D6820207010203")
    assert port.transmit(apdu + bytes(4))[:1] == b"\x69"  # refused: still as shown
    challenge = port.transmit(bytes.fromhex("0084000004"))[:4]
    assert port.transmit(apdu + keys.mac(b"SGC00001", challenge, apdu)) == b"\x90\x00"
    assert port.transmit(bytes.fromhex("00B0820008"))[:8].hex() == "aaaa010203aaaaaa"
    assert (port.keys, port.session, port.seen.bytes_written) == ({}, None, 6)
