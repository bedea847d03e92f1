"""The money's own rules: torn cards in the meter, cards torn out of the meter, chips that tear their own way."""

from __future__ import annotations

from pathlib import Path

from kit_bench import InThisProcess, bench_for, failed, no_cpu_card, write_folder
from tst_driver import CLEAR, KIND, READ, SLOTS, Driver, Refused

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.drivers.sdk.kit import report, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.drivers.sdk.kit.rules import RULES, run
from kiosk.drivers.sdk.kit.verdict import Outcome, Verdict

DESCRIBE = 0x10
METER = (Path(__file__).parent / "tst_meter.py").read_text()
MONEY = (
    "rule_torn_credited_once",
    "rule_torn_reverse",
    "rule_torn_write_back",
    "rule_tear_purchase",
    "rule_meter_takes",
)


def judged(folder, driver, card_maker=None, only=MONEY) -> dict[str, Verdict]:
    """The money's rules and how they ended, by name."""
    bench = bench_for(folder, driver)
    if card_maker is not None:
        bench = Bench(load_folder(folder), InThisProcess(driver), card_maker, no_cpu_card, states.make, images=50)
    rules = tuple(rule for rule in RULES if rule.check.__name__ in only)
    return {verdict.rule.check.__name__: verdict for verdict in run(bench, rules)}


def changed(tmp_path, *changes: tuple[str, str]):
    meter = METER
    for old, new in changes:
        assert meter.count(old) == 1
        meter = meter.replace(old, new)
    return write_folder(tmp_path / "tst", meter)


def found(verdicts: dict[str, Verdict]) -> set[str]:
    return set(failed(list(verdicts.values())))


def test_a_meter_that_takes_what_is_not_sealed_credits_what_read_does_not_show(tmp_path):
    folder = changed(tmp_path, ("slot[0] == 0xA5 and number", "number"))
    verdicts = judged(folder, Driver())
    assert found(verdicts) == {"rule_torn_credited_once", "rule_torn_reverse"}


def test_a_driver_that_writes_a_repeated_purchase_twice_is_found_by_the_meter(tmp_path):
    class Twice(Driver):
        """Where the other slot holds a record half written, it writes the purchase there under the next count, too."""

        def plan_purchase(self, items, card):
            steps = super().plan_purchase(items, card)
            torn = [at for at in SLOTS if card.image[at] == 0 and card.image[at + 1 : at + 5].strip(b"\xff\0")]
            if not steps or not torn:
                return steps
            other = next(at for at in SLOTS if at != torn[0])
            again = {**items, 0x0206: (int.from_bytes(items[0x0206], "big") + 1).to_bytes(4, "big")}
            return [*self.record_steps(torn[0], self.slot(items, int.from_bytes(items[0x0206], "big"))),
                    *self.record_steps(other, self.slot(again, int.from_bytes(again[0x0206], "big")))]  # fmt: skip

    verdicts = judged(write_folder(tmp_path / "tst"), Twice(), only=("rule_torn_credited_once", "rule_meter_takes"))
    assert "rule_torn_credited_once" in found(verdicts)


def test_a_meter_that_credits_again_what_its_torn_write_back_did_not_say(tmp_path):
    # it remembers nothing, so a card without a write-back is a new one to it
    folder = changed(
        tmp_path, ("    MEMORY[meter] = (count, remaining, total)\n", ""), ("remaining -= use", "remaining += 1 - use")
    )
    verdicts = judged(folder, Driver(), only=("rule_torn_write_back",))
    assert found(verdicts) == {"rule_torn_write_back"}
    assert "credited once, whenever the card is pulled" in verdicts["rule_torn_write_back"].hint


def test_a_card_pulled_out_of_the_meter_must_not_be_damaged(tmp_path):
    class Thirteen(Driver):
        """A write-back that is not whole is damage to it."""

        def act(self, icdev, command, data, password):
            answer = super().act(icdev, command, data, password)
            if command == READ and answer[0x0209] == b"\3":
                raise Refused(0x13)
            return answer

    folder = changed(tmp_path, ('icdev.write(0, 170, b"\\0")', 'icdev.write(0, 170, b"\\x11")'))
    verdicts = judged(folder, Thirteen(), only=("rule_torn_write_back",))
    assert found(verdicts) == {"rule_torn_write_back"}
    assert "never 13" in verdicts["rule_torn_write_back"].hint


def test_a_credit_that_could_be_paid_back_as_well_is_advice_not_a_failure(tmp_path):
    (verdict,) = judged(write_folder(tmp_path / "tst"), Driver(), only=("rule_torn_write_back",)).values()
    assert verdict.outcome is Outcome.PASSED
    (advice,) = verdict.advice
    assert "REVERSE pays it back as well" in advice
    assert f"      advice: {advice}" in report.line(verdict).splitlines()


class TakesFFForDamage(Driver):
    """Right as long as a torn write leaves a prefix: a record's first byte is 00 or A5 on its cards, never FF."""

    def act(self, icdev, command, data, password):
        image = b"" if command == DESCRIBE or icdev.card_type() != 21 else icdev.read(0, 0, 256)
        customers = image[32:36] == b"TST1" and image[36] in (1, 3)
        self.damaged = customers and 0xFF in (image[at] for at in SLOTS)
        if self.damaged and command not in (DESCRIBE, CLEAR):
            raise Refused(0x13)
        return super().act(icdev, command, data, password)

    def plan_clear(self, items, card):
        return [(KIND, b"\xff")] if self.damaged else super().plan_clear(items, card)


def test_what_only_a_real_chip_does_is_advice_where_the_contract_asks_for_less(tmp_path):
    folder = write_folder(tmp_path / "tst")
    plain = judged(folder, TakesFFForDamage(), only=("rule_tear_purchase",))["rule_tear_purchase"]
    assert (plain.outcome, plain.advice) == (Outcome.PASSED, ())
    real = judged(folder, TakesFFForDamage(), memory_card, ("rule_tear_purchase",))["rule_tear_purchase"]
    assert real.outcome is Outcome.PASSED
    assert len(real.advice) > 0
    assert all("what was being written left FF: READ: error 13" in advice for advice in real.advice)
