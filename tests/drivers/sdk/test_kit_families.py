"""The kit on every memory family there is: zones, keys, pages, words; what is right passes, what is wrong is found."""

from __future__ import annotations

from pathlib import Path

import pytest
import tst_broken
from kit_bench import InThisProcess, failed, no_cpu_card, verdicts_of
from zoned import Zoned, zoned_folder

from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.drivers.sdk import CardPortError
from kiosk.drivers.sdk.kit import states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.drivers.sdk.kit.layout import layout_of
from kiosk.drivers.sdk.kit.rules import RULES, run
from kiosk.drivers.sdk.kit.rules_watch import SPARE_THE_KEY
from kiosk.drivers.sdk.kit.tear import ways_of
from kiosk.drivers.sdk.kit.verdict import Outcome
from kiosk.model.card import CardType
from kiosk.model.chip import CHIPS

TOO_SMALL = (CardType.AT24C01, CardType.AT88SC102)  # for TST's card, which takes 156 bytes
FAMILIES = [kind for kind in CHIPS if kind not in TOO_SMALL]
QUICK = (CardType.AT24C04, CardType.AT88SC153, CardType.MIFARE1K)
UNMADE = "rule_tear_purchase rule_tear_open rule_tear_reissue rule_tear_reverse rule_tear_clear rule_tear_marking"


class Restarted(InThisProcess):
    """Zoned drivers are told their family."""

    def restart(self) -> None:
        self.driver = type(self.driver)(self.driver.kind)


def prefix_only(type_name: str, image: bytes, secret: bytes):
    """A chip that leaves nothing but prefixes, as TST's layout asks for."""
    card = memory_card(type_name, image, secret)
    card.tear_ways = card.tear_ways[:1]
    return card


def bench_of(tmp_path, kind: CardType, driver=None, images: int = 40, card_maker=prefix_only) -> Bench:
    folder = load_folder(zoned_folder(tmp_path / "tst", kind))
    return Bench(folder, Restarted(driver or Zoned(kind)), card_maker, no_cpu_card, states.make, images=images)


def rules(*names: str):
    return tuple(rule for rule in RULES if rule.check.__name__ in names)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.name)
def test_a_driver_passes_on_its_family(tmp_path, kind):
    verdicts = verdicts_of(bench_of(tmp_path, kind))
    assert failed(verdicts) == {}
    assert [each.why for each in verdicts if each.outcome is Outcome.BLOCKED] == []
    offered_not = {each.rule.check.__name__ for each in verdicts if each.outcome is Outcome.NOT_OFFERED}
    chip = CHIPS[kind]
    assert ("rule_one_try_left" in offered_not) == (not chip.counts_tries)
    assert ("rule_secret_refused" in offered_not) == (not chip.secrets)
    assert ("rule_read_presents_nothing" in offered_not) == (kind is CardType.MIFARE1K)


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.name)
def test_the_first_rules_on_a_family_of_each_kind(tmp_path, kind):
    names = ("rule_conformance_files", "rule_unmarked", "rule_other_mark", "rule_purchase", "rule_any_bytes",
             "rule_secret_refused", "rule_malformed_password", "rule_own_bytes_only")  # fmt: skip
    verdicts = list(run(bench_of(tmp_path, kind), rules(*names)))
    assert failed(verdicts) == {}
    assert sum(each.outcome is Outcome.PASSED for each in verdicts) >= 6


IN_PIECES = pytest.mark.parametrize("kind", [CardType.AT24C04, CardType.MIFARE1K], ids=lambda kind: kind.name)


@IN_PIECES
def test_what_a_family_does_to_a_torn_page_or_block_beyond_the_contract_is_advice(tmp_path, kind):
    # TST's kind and records share pages and blocks, and a torn one may take its neighbours with it; §6 says any prefix
    bench = bench_of(tmp_path, kind, card_maker=memory_card)
    read, credited = run(bench, rules("rule_tear_purchase", "rule_torn_credited_once"))
    assert (read.outcome, read.why) == (Outcome.PASSED, "")
    assert read.advice != ()
    assert all(" left " in told and "a real chip can do that too" in told for told in read.advice)
    assert (credited.outcome, credited.why) == (Outcome.PASSED, "")


@IN_PIECES
def test_no_family_is_an_excuse_for_a_torn_prefix(tmp_path, kind):
    class ValidByteFirst(Zoned):
        record_steps = tst_broken.ValidByteFirst.record_steps

    bench = bench_of(tmp_path, kind, ValidByteFirst(kind), card_maker=memory_card)
    (verdict,) = run(bench, rules("rule_tear_purchase"))
    assert verdict.outcome is Outcome.FAILED
    assert "left" not in verdict.why


@pytest.mark.parametrize(("kind", "strict"), [
    (CardType.AT24C04, {"prefix"}), (CardType.MIFARE1K, {"prefix"}), (CardType.AT88SC153, {"old"}),
    (CardType.AT88SC1604, {"old"}), (CardType.SLE4442, {"old"}),
])  # fmt: skip
def test_section_4_7_is_demanded_of_prefixes(tmp_path, kind, strict):
    bench = bench_of(tmp_path, kind, card_maker=memory_card)
    assert {way for way, demanded in ways_of(bench, bench.memory.blank()) if demanded} == strict


def of_one_key(tmp_path, key: bytes) -> Bench:
    """TST presents its key for every read; on these cards it is key A and B of every sector."""
    folder = zoned_folder(tmp_path / "tst", CardType.MIFARE1K)
    blank, meter = folder / "conformance" / "blank.bin", folder / "conformance" / "meter.py"
    image = blank.read_bytes()
    blank.write_bytes(b"".join(image[at : at + 48] for at in range(0, 1024, 64)))
    (folder / "conformance" / "blank.toml").write_text(f'password = "{key.hex()}"\nsecret = "{key.hex()}"\n')
    meter.write_text(meter.read_text().replace(repr(bytes.fromhex("A1B2C3D4E5F6")), repr(key)))
    driver = Restarted(Zoned(CardType.MIFARE1K))
    return Bench(load_folder(folder), driver, prefix_only, no_cpu_card, states.make, images=40)


def test_mifare_may_be_read_with_the_vendors_key_where_a_public_one_would_do(tmp_path):
    bench = of_one_key(tmp_path, b"\xff" * 6)
    assert bench.memory.free
    names = ("rule_blank", "rule_repeat", "rule_same_count", "rule_reverse_repeat", "rule_malformed_password",
             "rule_read_presents_nothing")  # fmt: skip
    verdicts = list(run(bench, rules(*names)))
    assert failed(verdicts) == {}
    assert sum(each.outcome is Outcome.PASSED for each in verdicts) == len(names)
    assert verdicts[-1].advice == (SPARE_THE_KEY,)


def test_a_mark_behind_a_key_of_the_vendors_own_is_told_with_the_keys_that_are_public(tmp_path):
    (verdict,) = run(of_one_key(tmp_path, b"secret"), rules("rule_conformance_files"))
    assert verdict.outcome is Outcome.FAILED
    page = (Path(__file__).parents[3] / "docs" / "add-a-vendor.md").read_text("utf-8")
    assert all(key in verdict.hint and key in page for key in Choices().public_keys)


def test_other_families_may_not_be_read_with_a_secret(tmp_path):
    class ReadsWithTheSecret(Zoned):
        def read_image(self, icdev):
            icdev.verify(0, bytes.fromhex("A1B2C3"))
            return super().read_image(icdev)

    bench = bench_of(tmp_path, CardType.AT88SC153, ReadsWithTheSecret(CardType.AT88SC153))
    assert bench.reads_freely
    found = failed(list(run(bench, rules("rule_blank", "rule_read_presents_nothing"))))
    assert found.keys() == {"rule_read_presents_nothing"}


class WritesPastItsZones(Zoned):
    """Rewrites a byte of the maker's or of the chip's own, which no driver may."""

    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        if command == 0x13:
            try:
                icdev.verify(0, bytes.fromhex(password)[: CHIPS[self.kind].secrets[0]])
                icdev.write(*{CardType.SLE4428: (0, 9), CardType.AT88SC1604: (0, 4)}[self.kind], b"\x33")
            except CardPortError:
                return answer
        return answer


@pytest.mark.parametrize("kind", [CardType.SLE4428, CardType.AT88SC1604], ids=lambda kind: kind.name)
def test_bytes_that_are_not_the_vendors_are_watched_in_every_zone(tmp_path, kind):
    tried = rules("rule_purchase", "rule_own_bytes_only")
    assert failed(list(run(bench_of(tmp_path, kind, WritesPastItsZones(kind)), tried))).keys() >= {
        "rule_own_bytes_only"
    }
    assert failed(list(run(bench_of(tmp_path / "good", kind), tried))) == {}


@pytest.mark.parametrize("kind", CHIPS, ids=lambda kind: kind.name)
def test_an_image_read_is_the_image_it_was_made_of(tmp_path, kind):
    bench = bench_of(tmp_path, kind) if kind not in TOO_SMALL else None
    layout = layout_of(CHIPS[kind], CHIPS[kind].image_size)
    assert len(layout.places) == sum(zone.end - zone.first for _, zone in CHIPS[kind].own)
    assert layout.size == CHIPS[kind].image_size
    if bench is None:
        return
    memory = bench.memory
    user = bytes(at % 251 for at in range(len(memory.layout.places)))
    card = memory.changed(memory.blank(), user)
    assert memory.user(card) == user
    assert memory.user(memory.foreign(card)) == user
    zone, addr = memory.layout.places[7]
    assert memory.user(memory.poked(card, zone, addr, b"\xee")) == user[:7] + b"\xee" + user[8:]


def test_trailers_are_kept_and_keys_taken_from_them(tmp_path):
    bench = bench_of(tmp_path, CardType.MIFARE1K)
    blank = bench.folder.blank
    card = bench.memory.filled(0x00)
    assert bench.memory.image(card)[48:64] == blank[48:64]
    assert card.image()[112:128] == blank[112:128]
    assert bench.memory.opens(bench.memory.blank())
    assert not bench.memory.opens(bench.memory.foreign(bench.memory.blank()))


def test_rows_of_a_report_tell_the_zone(tmp_path):
    bench = bench_of(tmp_path, CardType.AT88SC153)
    rows = bench.memory.rows(bench.memory.image(bench.memory.blank()))
    assert rows[0] == "zone 0"
    assert rows[1].startswith("     0  54 53 54 31 ff")
    assert [row for row in rows if row.startswith("zone")] == ["zone 0", "zone 1", "zone 2"]
