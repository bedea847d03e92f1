"""Whose card is it: exactly one vendor's, or a reason why not (contract 1 §9, §4.12)."""

import pytest
from driver_bench import GoneCard, MemoryCard, write_vendor

from kiosk.drivers.identify import identify
from kiosk.drivers.manifest import load_manifest
from kiosk.drivers.registry import Registry
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError
from kiosk.model.errors import CardFault, CardRefused

RDK = '[[card]]\ntype = "SLE4442"\nmark = [{ zone = 0, addr = 32, hex = "52444B01" }]\n'
TWO_PARTS = (
    '[[card]]\ntype = "SLE4442"\n'
    'mark = [{ zone = 0, addr = 40, hex = "4E4C54" }, { zone = 0, addr = 60, hex = "01" }]\n'
)
CPU = '[[card]]\ntype = "CPU"\nmark = [{ apdu = "00A40000023F00" }, { apdu = "00B0810004", begins = "6801" }]\n'
SELECT, READ = bytes.fromhex("00A40000023F00"), bytes.fromhex("00B0810004")


@pytest.fixture
def registry(tmp_path):
    """Loaded one by one: what the registry would refuse is tried here too."""

    def make(*cards):
        return Registry(
            tuple(
                load_manifest(write_vendor(tmp_path / f"v{at}", b"x", code=f"000{at}", abbr=f"V{at}", card=card))
                for at, card in enumerate(cards)
            )
        )

    return make


def image(*parts):
    memory = bytearray(b"\xff" * 256)
    for addr, content in parts:
        memory[addr : addr + len(content)] = content
    return MemoryCard(bytes(memory))


class CpuCard(MemoryCard):
    """Answers from a table; ``resets`` counts how often it was powered afresh."""

    def __init__(self, answers):
        super().__init__(family=60)
        self.answers, self.resets = answers, 0

    def reset(self):
        self.resets += 1

    def transmit(self, apdu):
        self.calls.append(("transmit", apdu))
        return self.answers.get(apdu, b"\x6a\x82")


def never():
    raise AssertionError("a memory card needs no reset for its mark")


def refused(kind, port, vendors, reset=never):
    with pytest.raises(kind) as fault:
        identify(port, vendors, reset)
    return fault.value.code


def test_one_vendors_memory_card(registry):
    vendors = registry(RDK, TWO_PARTS, CPU)
    assert identify(image((32, b"RDK\1")), vendors, never).vendor.abbr == "V0"
    assert identify(image((40, b"NLT"), (60, b"\1")), vendors, never).vendor.abbr == "V1"


def test_looking_reads_and_does_nothing_else(registry):
    card = image((40, b"NLT"), (60, b"\1"))
    identify(card, registry(RDK, TWO_PARTS), never)
    assert card.calls == [("card_type",), ("read", 0, 32, 4), ("read", 0, 40, 3), ("read", 0, 60, 1)]


def test_all_parts_of_a_mark_must_match(registry):
    assert refused(CardRefused, image((40, b"NLT")), registry(RDK, TWO_PARTS)) == "C-101"


def test_a_card_with_two_vendors_marks_is_nobodys(registry):
    card = image((32, b"RDK\1"), (40, b"NLT"), (60, b"\1"))
    assert refused(CardRefused, card, registry(RDK, TWO_PARTS)) == "C-102"


def test_two_marks_of_one_vendor_are_one_vendor(registry):
    vendors = registry(RDK + RDK.replace("addr = 32", "addr = 64"))
    assert identify(image((64, b"RDK\1")), vendors, never).vendor.abbr == "V0"
    assert identify(image((32, b"RDK\1"), (64, b"RDK\1")), vendors, never).vendor.abbr == "V0"


def test_a_chip_nobody_uses(registry):
    assert refused(CardRefused, MemoryCard(family=31), registry(RDK, CPU)) == "C-108"
    assert refused(CardRefused, image(), registry()) == "C-108"


def test_a_cpu_card_is_asked_afresh_for_every_mark(registry):
    card = CpuCard({SELECT: b"\x90\x00", READ: b"\x68\x02\x00\x00\x90\x00"})
    other = CPU.replace('"6801"', '"6802"')
    assert identify(card, registry(CPU, RDK, other), card.reset).vendor.abbr == "V2"
    assert card.resets == 2
    assert [call[1] for call in card.calls if call[0] == "transmit"] == [SELECT, READ, SELECT, READ]


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {SELECT: b"\x90\x00", READ: b"\x69\x00\x00\x00\x90\x00"},
        {SELECT: b"\x90\x00", READ: b"\x68\x90\x00"},  # shorter than what it must begin with
        {SELECT: b"\x62\x83", READ: b"\x68\x01\x00\x00\x90\x00"},
        {SELECT: b"\x90\x00", READ: b"\x68\x01\x62\x82"},  # the right bytes, but not SW 9000
    ],
)
def test_a_cpu_card_without_the_mark(registry, answers):
    card = CpuCard(answers)
    assert refused(CardRefused, card, registry(CPU), card.reset) == "C-101"


@pytest.mark.parametrize("answers", [{SELECT: b""}, {SELECT: b"\x90"}])
def test_a_cpu_card_that_dies(registry, answers):
    card = CpuCard(answers)
    assert refused(CardFault, card, registry(CPU), card.reset) == "C-201"


def test_no_chip_and_no_answer(registry):
    assert refused(CardFault, MemoryCard(family=0), registry(RDK)) == "C-205"
    assert refused(CardFault, GoneCard(), registry(RDK)) == "C-202"
    dumb = MemoryCard()
    dumb.fail = CardPortError(IO_FAULT)
    assert refused(CardFault, dumb, registry(RDK)) == "C-205"


class Failing(MemoryCard):
    """Knows its family, fails every read."""

    def __init__(self, code):
        super().__init__()
        self.code = code

    def read(self, zone, addr, length):
        raise CardPortError(self.code)


@pytest.mark.parametrize(
    ("code", "kind", "house"),
    [
        (NO_CARD, CardFault, "C-202"),
        (IO_FAULT, CardFault, "C-201"),
        (DENIED, CardRefused, "C-101"),
        (BAD_ARGUMENT, CardRefused, "C-101"),
        (LOCKED, CardRefused, "C-101"),
    ],
)
def test_a_mark_that_cannot_be_read(registry, code, kind, house):
    assert refused(kind, Failing(code), registry(RDK)) == house


def test_a_card_taken_out_while_it_is_powered_afresh(registry):
    def reset():
        raise CardPortError(NO_CARD)

    assert refused(CardFault, CpuCard({}), registry(CPU), reset) == "C-202"
