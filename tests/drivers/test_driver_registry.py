"""Vendors that live together: no card may be taken for two of them (contract 1 §9)."""

from dataclasses import replace
from pathlib import Path

import pytest
from driver_bench import MemoryCard, write_vendor
from hypothesis import given
from hypothesis import strategies as st

from kiosk.drivers.answer import Description
from kiosk.drivers.identify import OK, identify
from kiosk.drivers.manifest import CardMark, DriverFile, Manifest, MarkApdu, MarkBytes, SaleRules, VendorName
from kiosk.drivers.registry import Registry, can_both_match, load_registry, vendor_of
from kiosk.model.card import CardType, Unit
from kiosk.model.cardport import CardPortError
from kiosk.model.errors import CardRefused, ConfigFault


def memory(*parts, family=CardType.SLE4442):
    return CardMark(family, memory=tuple(MarkBytes(zone, addr, content) for zone, addr, content in parts))


def cpu(*parts):
    return CardMark(CardType.CPU, cpu=tuple(MarkApdu(bytes.fromhex(apdu), bytes.fromhex(said)) for apdu, said in parts))


MF, DF = ("00A40000023F00", ""), ("00A4000002DF01", "")
SFI_1, SFI_1_FROM_2, SFI_2 = "00B0810004", "00B0810204", "00B0820004"
PLAIN, PLAIN_FROM_2 = "00B0000004", "00B0000204"

APART = {
    "another chip": (memory((0, 32, b"AB")), memory((0, 32, b"AB"), family=CardType.SLE4428)),
    "another byte in one place": (memory((0, 32, b"AB")), memory((0, 32, b"AC"))),
    "another byte where two marks overlap": (memory((0, 32, b"ABC")), memory((0, 34, b"D"))),
    "another byte in the second part": (memory((0, 0, b"A"), (0, 9, b"B")), memory((0, 9, b"C"))),
    "another answer to the same APDUs": (cpu(MF, (SFI_1, "6801")), cpu(MF, (SFI_1, "6802"))),
    "another answer to the first APDU": (cpu(("00A40000023F00", "6F10")), cpu(("00A40000023F00", "6F11"), (SFI_1, ""))),
    "one file by identifier, other offsets": (cpu((SFI_1, "68010203")), cpu((SFI_1_FROM_2, "0204"))),
    "one file after another was read": (cpu((SFI_1, "68")), cpu((SFI_2, "01"), (SFI_1, "69"))),
    "one current file, other offsets": (cpu(DF, (PLAIN, "68010203")), cpu(DF, (PLAIN_FROM_2, "0204"))),
}
TOGETHER = {
    "the same mark": (memory((0, 32, b"AB")), memory((0, 32, b"AB"))),
    "one mark is the other's beginning": (memory((0, 32, b"AB")), memory((0, 32, b"A"))),
    "other places": (memory((0, 32, b"AB")), memory((0, 40, b"CD"))),
    "other zones": (memory((0, 1, b"AB")), memory((1, 1, b"CD"))),
    "two bytes agree, none differs": (memory((0, 32, b"AB"), (0, 40, b"C")), memory((0, 33, b"B"), (0, 41, b"D"))),
    "a SELECT against a SELECT": (cpu(MF), cpu(DF)),
    "other files": (cpu((SFI_1, "68")), cpu((SFI_2, "69"))),
    "one file in two directories": (cpu(MF, (SFI_1, "68")), cpu(DF, (SFI_1, "69"))),
    "one number in two directories": (
        cpu(MF, ("00A40000020001", "6F10")),
        cpu(DF, ("00A40000020001", "6F11")),
    ),
    "one answer begins the other": (cpu((SFI_1, "68")), cpu((SFI_1, "6801"))),
    "no answer is wanted": (cpu((SFI_1, "")), cpu((SFI_1, "68"))),
    "the current file after another file was read": (cpu((SFI_1, ""), (PLAIN, "68")), cpu((SFI_2, ""), (PLAIN, "69"))),
    "other classes": (cpu((SFI_1, "68")), cpu(("80B0810004", "69"))),
}


@pytest.mark.parametrize("name", APART)
def test_marks_that_are_kept_apart(name):
    one, other = APART[name]
    assert not can_both_match(one, other)
    assert not can_both_match(other, one)


@pytest.mark.parametrize("name", TOGETHER)
def test_marks_that_one_card_may_carry_both(name):
    one, other = TOGETHER[name]
    assert can_both_match(one, other)
    assert can_both_match(other, one)


class SmallCpuCard:
    """Two directories with two files each: SELECT by number, READ BINARY plain and by short file identifier."""

    def __init__(self, files):
        self.files = files  # (directory, identifier 1 or 2) → bytes
        self.reset()

    def reset(self):
        self.directory, self.current = 0x3F00, None

    def card_type(self):
        return 60

    def transmit(self, apdu):
        instruction, p1, p2 = apdu[1], apdu[2], apdu[3]
        if instruction == 0xA4:
            return self._select(int.from_bytes(apdu[5:7], "big"))
        offset = p1 << 8 | p2
        if p1 & 0x80:
            self.current, offset = (self.directory, p1 & 0x1F), p2
        content = self.files.get(self.current)
        if content is None or offset >= len(content):
            return b"\x6a\x82"
        return content[offset : offset + (apdu[4] or 256)] + OK

    def _select(self, number):
        if number in (0x3F00, 0xDF01):
            self.directory, self.current = number, None
        elif number in (1, 2):
            self.current = (self.directory, number)
        else:
            return b"\x6a\x82"
        return bytes((0x6F, self.directory & 0xFF)) + OK


LOOKS = st.lists(
    st.sampled_from(
        (
            MF[0],
            DF[0],
            "00A40000020001",
            "00A40000020002",
            SFI_1,
            SFI_1_FROM_2,
            SFI_2,
            "00B0810100",
            PLAIN,
            PLAIN_FROM_2,
        )
    ).map(bytes.fromhex),
    min_size=1,
    max_size=4,
)


@st.composite
def marks_of_one_cpu_card(draw):
    files = {(at, n): draw(st.binary(min_size=3, max_size=6)) for at in (0x3F00, 0xDF01) for n in (1, 2)}
    card, marks = SmallCpuCard(files), []
    for _ in range(2):
        card.reset()
        answers = [(apdu, card.transmit(apdu)) for apdu in draw(LOOKS)]
        parts = [
            MarkApdu(apdu, said[: draw(st.integers(0, len(said) - 2))]) for apdu, said in answers if said[-2:] == OK
        ]
        marks.append(CardMark(CardType.CPU, cpu=tuple(parts)))
    return card, marks


@st.composite
def marks_of_one_memory_card(draw):
    image = draw(st.binary(min_size=8, max_size=8))
    places = st.tuples(st.integers(0, 7), st.integers(1, 4))
    marks = [
        memory(*((0, a, image[a : a + n]) for a, n in draw(st.lists(places, min_size=1, max_size=3)))) for _ in "ab"
    ]
    return MemoryCard(image), marks


@given(marks_of_one_cpu_card() | marks_of_one_memory_card(), st.sampled_from((0, 1)))
def test_two_marks_found_on_one_card_are_never_called_apart(made, first):
    _, marks = made
    assert can_both_match(marks[first], marks[1 - first])


@given(marks_of_one_cpu_card() | marks_of_one_memory_card(), st.data())
def test_marks_called_apart_are_never_both_found(made, data):
    """From the other side: bend a byte that one mark wants; if that keeps them apart, one vendor is found at most."""
    card, (one, other) = made
    kind = "cpu" if one.cpu else "memory"
    parts = list(getattr(other, kind))
    if not parts:
        assert can_both_match(one, other)
        return
    at = data.draw(st.integers(0, len(parts) - 1))
    name = "begins" if kind == "cpu" else "content"
    bent = bytearray(getattr(parts[at], name) or b"\0")
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(0, 255))
    parts[at] = replace(parts[at], **{name: bytes(bent)})
    other = CardMark(other.type, **{kind: tuple(parts)})
    if not can_both_match(one, other):
        registry = Registry(tuple(with_mark(mark, f"{n:04X}") for n, mark in enumerate((one, other))))
        try:
            found = identify(card, registry, getattr(card, "reset", lambda: None))
        except CardRefused as refused:
            assert refused.code == "C-101"
        else:
            assert found.vendor.code in ("0000", "0001")


def with_mark(mark, code):
    driver = DriverFile("python", Path("driver.py"), "0" * 64, "api", 0, 1000)
    return Manifest(Path(), VendorName(code, "V", "", ""), driver, (mark,), SaleRules(("1",), 1, 2, ""))


def card_toml(mark):
    return f'[[card]]\ntype = "SLE4442"\nmark = [{{ zone = 0, addr = 32, hex = "{mark}" }}]\n'


def folders(tmp_path, *given):
    names = []
    for at, changes in enumerate(given):
        defaults = {"code": f"000{at}", "abbr": f"V{at}", "card": card_toml(f"4142430{at}")}
        names.append(write_vendor(tmp_path / f"v{at}", b"x", **(defaults | changes)))
    return names


def refused(names, **more):
    with pytest.raises(ConfigFault) as fault:
        load_registry(names, **more)
    assert fault.value.code == "F-703"
    return str(fault.value)


def test_vendors_that_can_live_together(tmp_path):
    registry = load_registry(folders(tmp_path, {}, {}, {"keypad": True}), check_files=True)
    assert [manifest.vendor.abbr for manifest in registry.manifests] == ["V0", "V1", "V2"]
    assert registry.by_code("0001").vendor.abbr == "V1"
    with pytest.raises(KeyError):
        registry.by_code("0009")
    assert load_registry([]).manifests == ()


def test_codes_are_found_in_small_letters_too(tmp_path):
    assert load_registry(folders(tmp_path, {"code": "00ab"})).by_code("00Ab").vendor.code == "00AB"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"code": "0000"}, "both have vendor code 0000"),
        ({"abbr": "V0"}, "both have the abbreviation V0"),
        ({"card": card_toml("41424300")}, "one SLE4442 card can carry both marks"),
        ({"card": card_toml("99") + card_toml("4142")}, "one SLE4442 card can carry both marks"),
    ],
)
def test_vendors_that_cannot(tmp_path, changes, why):
    text = refused(folders(tmp_path, {}, changes))
    assert why in text
    assert "v0" in text
    assert "v1" in text


def test_one_vendors_own_marks_may_both_match(tmp_path):
    names = folders(tmp_path, {"card": card_toml("4142") + card_toml("41")})
    assert len(load_registry(names).manifests[0].cards) == 2


def test_every_mistake_of_every_file_is_told(tmp_path):
    names = folders(tmp_path, {"timeout_ms": 0}, {}, {"access": "usb"}, {"code": "0001", "card": card_toml("414243")})
    text = refused([*names, tmp_path / "absent"])
    for word in ("timeout_ms", "usb", "absent", "vendor code 0001", "can carry both marks"):
        assert word in text


def test_a_driver_that_was_exchanged_is_found_at_load(tmp_path):
    names = folders(tmp_path, {})
    (names[0] / "driver.py").write_bytes(b"y")
    assert "D-305" in refused(names, check_files=True)
    assert len(load_registry(names).manifests) == 1


ABOUT = Description("0000", "1", frozenset((0x10,)), frozenset((21,)), Unit.ENERGY, True)


def test_a_vendor_as_the_rest_of_the_kiosk_sees_it(tmp_path):
    vendor = vendor_of(load_registry(folders(tmp_path, {})).manifests[0], ABOUT)
    assert (vendor.code, vendor.abbr, vendor.name_zh, vendor.name_en) == ("0000", "V0", "测试", "Probe")
    assert (vendor.unit, vendor.may_stack, vendor.regions) == (Unit.ENERGY, True, ("420100",))
    assert (vendor.amount_min_fen, vendor.amount_max_fen) == (100, 500000)


@pytest.mark.parametrize("changes", [{"vendor_code": "0001"}, {"card_types": frozenset((60,))}])
def test_driver_and_manifest_of_two_vendors(tmp_path, changes):
    manifest = load_registry(folders(tmp_path, {})).manifests[0]
    with pytest.raises(ConfigFault) as fault:
        vendor_of(manifest, replace(ABOUT, **changes))
    assert fault.value.code == "F-703"
    assert vendor_of(manifest, replace(ABOUT, card_types=frozenset())).code == "0000"


def test_the_small_card_behaves():
    card = SmallCpuCard({(0x3F00, 1): b"\x68\x01\x02\x03"})
    assert card.transmit(bytes.fromhex(SFI_1)) == b"\x68\x01\x02\x03" + OK
    assert card.transmit(bytes.fromhex(PLAIN_FROM_2)) == b"\x02\x03" + OK
    assert card.transmit(bytes.fromhex(DF[0])) == b"\x6f\x01" + OK
    assert card.transmit(bytes.fromhex(SFI_1)) == b"\x6a\x82"
    with pytest.raises(CardPortError):
        MemoryCard(b"").read(0, 0, 1)
