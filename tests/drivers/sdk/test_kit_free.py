"""What contract 1 leaves to the vendor, the kit leaves too: these drivers differ from TST and conform."""

from __future__ import annotations

from pathlib import Path

from kit_bench import bench_for, failed, verdicts_of, write_folder
from tst_driver import PURCHASE, REVERSE, SLOTS, Card, Driver, Refused, number, u4

from kiosk.drivers.sdk.kit.rules import conforms
from kiosk.drivers.sdk.kit.verdict import Outcome
from kiosk.model.cardport import CardPortError

METER = (Path(__file__).parent / "tst_meter.py").read_text()


class CountsItsCalls(Driver):
    """An item the contract does not know, another value in every answer."""

    calls = 0

    def act(self, icdev, command, data, password):
        self.calls += 1
        return {**super().act(icdev, command, data, password), 0x7A01: u4(self.calls)}


class OddLengths(Driver):
    """Customer numbers of nine digits and meter numbers of seven, no others."""

    def plan_make(self, command, items, card):
        steps = super().plan_make(command, items, card)
        if steps and 0x0203 in items and (len(items[0x0203]), len(items[0x0204])) != (9, 7):
            raise Refused(0x0E)
        return steps


class KeepsOnlySums(Driver):
    """0106 bit 0: a purchase over a pending one is added to it; of what is pending only the sums are on the card."""

    def describe(self):
        return {**super().describe(), 0x0106: b"\1"}

    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        if 0x0209 in answer:
            pending = answer[0x0209] == b"\1"
            answer |= {0x020A: answer.get(0x0207, b"") if pending else u4(0)}
            answer |= {0x020B: answer.get(0x0208, b"") if pending else u4(0)}
        return {di: value for di, value in answer.items() if di not in (0x0207, 0x0208, 0x0504)}

    def plan(self, command, items, card):
        here = card.newest is not None and number(items.get(0x0206, b"")) == card.last
        if command in (PURCHASE, REVERSE) and here and not self.gone(items, card):
            raise Refused(0x0D)  # its value is not on the card
        return super().plan(command, items, card)

    def gone(self, items, card: Card) -> bool:
        """Refused for another reason that comes before it."""
        other = items.get(0x0202, card.region) != card.region
        return other or (items[0x0203], items[0x0204]) != (card.customer, card.meter) or card.state() != 1

    def plan_purchase(self, items, card):
        if number(items[0x0206]) == card.last + 1 and card.state() == 1:
            slot = card.newest[1]
            for di, at in ((0x0207, 5), (0x0208, 9)):
                items = {**items, di: u4(number(items[di]) + number(slot[at : at + 4]))}
            card.state = lambda: 0
        elif number(items[0x0206]) == card.last:
            raise Refused(0x0D)
        return super().plan_purchase(items, card)


def verdicts(tmp_path, driver, meter: str | None = None, toml: tuple[str, str] = ("", "")):
    folder = write_folder(tmp_path / "tst", meter)
    file = folder / "vendor.toml"
    file.write_text(file.read_text().replace(*toml))
    return verdicts_of(bench_for(folder, driver))


def test_items_the_contract_does_not_know_may_change(tmp_path):
    assert failed(verdicts(tmp_path, CountsItsCalls())) == {}


def test_numbers_may_have_any_one_length(tmp_path):
    found = verdicts(tmp_path, OddLengths())
    assert failed(found) == {}
    assert conforms(found)


def test_amounts_may_be_far_above_the_kits_hoard_limit(tmp_path):
    toml = ("amount_min_fen = 100\namount_max_fen = 500000", "amount_min_fen = 100000\namount_max_fen = 900000")
    assert failed(verdicts(tmp_path, Driver(), None, toml)) == {}


def test_only_the_sums_of_what_is_pending_may_be_kept(tmp_path):
    newest = "for at in sorted((104, 134), key=lambda at: -number(image[at + 1 : at + 5]) * (image[at] == 0xA5)):"
    meter = METER
    for old, new in (
        ("number(slot[1:5]) == count + 1", "number(slot[1:5]) > count"),
        ("= count + 1, remaining", "= number(slot[1:5]), remaining"),
        ("for at in (104, 134):", newest),
    ):
        assert meter.count(old) == 1
        meter = meter.replace(old, new)
    found = verdicts(tmp_path, KeepsOnlySums(), meter)
    assert failed(found) == {}
    assert conforms(found)
    assert {each.rule.check.__name__ for each in found if each.outcome is Outcome.PASSED} > {"rule_pending_under"}


class LocksItsMark(Driver):
    """Sets the protection bits of bytes it never writes again, as the contract neither asks nor forbids."""

    def carry_out(self, icdev, image, steps):
        try:
            icdev.write(1, 0, b"\x00\xff\xff\xff")
        except CardPortError:
            try:
                same = icdev.read(0, 0, 256) == image
            except CardPortError:
                same = False
            raise Refused(0x10 if same else 0x11, 0 if same else 2) from None
        return super().carry_out(icdev, image, steps)


class KeepsTheTerminalInOneRecord(Driver):
    """One record, in the first slot; READ gives 0502 with it."""

    def items_of(self, answer):
        return {**answer, 0x0502: b"T001"} if 0x0207 in answer else answer

    def act(self, icdev, command, data, password):
        return self.items_of(super().act(icdev, command, data, password))

    def record_steps(self, at, slot):
        return super().record_steps(SLOTS[0], slot)


def test_protection_bits_are_the_vendors_business_but_remarked(tmp_path):
    bench = bench_for(write_folder(tmp_path / "tst"), LocksItsMark())
    assert failed(verdicts_of(bench)) == {}
    assert any("protection bits" in remark for remark in bench.remarks)


def test_with_one_record_a_torn_purchase_loses_the_older_ones_particulars(tmp_path):
    assert failed(verdicts(tmp_path, KeepsTheTerminalInOneRecord())) == {}


def test_a_meter_may_stop_at_zero_and_count_overdraft_apart(tmp_path):
    stops = METER.replace("    remaining -= use\n", "    remaining = max(0, remaining - use)\n")
    assert stops != METER
    assert failed(verdicts(tmp_path, Driver(), stops)) == {}
