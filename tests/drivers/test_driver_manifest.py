"""vendor.toml (contract 1 §9): the page's own examples, every mistake, all of them at once."""

import hashlib
import re

import pytest
from driver_bench import write_vendor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk.drivers.manifest import CardMark, Manifest, MarkApdu, MarkBytes, load_manifest
from kiosk.model.card import CardType
from kiosk.model.errors import ConfigFault, DriverFault

SHA = hashlib.sha256(b"so").hexdigest()
PAGE = """
[vendor]
code = "0001"                         # four hex digits, unique
abbr = "RDK"                          # the library exports RDKIcard
name = { zh = "阿迪克", en = "RDK" }

[driver]
kind = "native"                       # or "python"
file = "librdk.so"                    # python: "driver.py"
sha256 = "SHA"                        # of that file; checked at load
access = "api"                        # or "serial" (old kind), then baud = 9600
timeout_ms = 3000                     # one call; at most 15000

[[card]]
type = "SLE4442"
mark = [{ zone = 0, addr = 32, hex = "52444B01" }]        # the identification unit 标志单元; all must match

[sale]
regions = ["420100"]                  # cards of other regions are refused (区域)
amount_min_fen = 100
amount_max_fen = 500000
password = "rdk"                      # name of the secret in the key vault, "" if none
""".replace("SHA", SHA)
CPU_CARD = """type = "CPU"
mark = [{ apdu = "00A40000023F00" }, { apdu = "00B0810004", begins = "6801" }]"""
MEMORY_CARD = PAGE[PAGE.index('type = "SLE4442"') : PAGE.index("        # the identification")]


def folder(tmp_path, text, name="rdk"):
    place = tmp_path / name
    place.mkdir(exist_ok=True)
    (place / "librdk.so").write_bytes(b"so")
    (place / "vendor.toml").write_text(text, "utf-8")
    return place


def loaded(tmp_path, text, **more):
    return load_manifest(folder(tmp_path, text), **more)


def mistakes(tmp_path, text, **more):
    with pytest.raises(ConfigFault) as fault:
        loaded(tmp_path, text, **more)
    assert fault.value.code == "F-703"
    first, *lines = str(fault.value).split("\n")
    assert first.endswith("vendor.toml:")
    return [line.strip() for line in lines]


def changed(old, new):
    assert PAGE.count(old) == 1, old
    return PAGE.replace(old, new)


def test_the_page_as_it_is_printed(tmp_path):
    manifest = loaded(tmp_path, PAGE, check_file=True)
    assert (manifest.vendor.code, manifest.vendor.abbr) == ("0001", "RDK")
    assert (manifest.vendor.zh, manifest.vendor.en) == ("阿迪克", "RDK")
    driver = manifest.driver
    assert (driver.kind, driver.access, driver.baud, driver.timeout_ms) == ("native", "api", 0, 3000)
    assert driver.path == tmp_path / "rdk" / "librdk.so"
    assert manifest.cards == (CardMark(CardType.SLE4442, (MarkBytes(0, 32, b"RDK\1"),)),)
    sale = manifest.sale
    assert (sale.regions, sale.amount_min_fen, sale.amount_max_fen) == (("420100",), 100, 500000)
    assert (sale.password, manifest.keypad) == ("rdk", False)


def test_a_cpu_card_as_it_is_printed(tmp_path):
    (card,) = loaded(tmp_path, PAGE.replace(MEMORY_CARD, CPU_CARD)).cards
    parts = (MarkApdu(bytes.fromhex("00A40000023F00")), MarkApdu(bytes.fromhex("00B0810004"), b"\x68\x01"))
    assert card == CardMark(CardType.CPU, cpu=parts)


def test_an_old_library_has_a_baud_rate(tmp_path):
    driver = loaded(tmp_path, changed('access = "api"', 'access = "serial"\nbaud = 9600')).driver
    assert (driver.access, driver.baud) == ("serial", 9600)


def test_a_vendor_without_cards_is_one_of_keypads_and_needs_no_region(tmp_path):
    text = PAGE.replace(MEMORY_CARD, "").replace("[[card]]", "").replace('["420100"]', "[]")
    assert loaded(tmp_path, text).keypad


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('code = "0001"', 'code = "001"', "[vendor] 'code' must be four hex digits, not '001'"),
        ('code = "0001"', "code = 1", "[vendor] 'code' must be four hex digits, not 1"),
        ('code = "0001"', 'code = "0001\\n"', "[vendor] 'code' must be four hex digits, not '0001\\n'"),
        ('code = "0001"', "", "[vendor] 'code' is missing"),
        ('abbr = "RDK"', 'abbr = "rdk"', "[vendor] 'abbr' must be capitals and digits"),
        ('abbr = "RDK"', 'abbr = "R-K"', "[vendor] 'abbr' must be capitals and digits"),
        ('zh = "阿迪克", ', "", "[vendor] name 'zh' is missing"),
        ('en = "RDK" }', 'en = "RDK", fr = "RDK" }', "[vendor] name unknown key 'fr'"),
        ('name = { zh = "阿迪克", en = "RDK" }', 'name = "RDK"', "[vendor] name must be a table"),
        ('kind = "native"', 'kind = "java"', "[driver] 'kind' must be one of native, python, not 'java'"),
        ('kind = "native"', 'kind = "python"', "[driver] 'file' must end in .py for a python driver"),
        ("librdk.so", "../librdk.so", "[driver] 'file' must be a file's name in lower case"),
        ("librdk.so", "libRDK.so", "[driver] 'file' must be a file's name in lower case"),
        ("librdk.so", "librdk.dll", "[driver] 'file' must end in .so for a native driver"),
        (f'"{SHA}"', '"…"', "[driver] 'sha256' must be 64 hex digits"),
        ('access = "api"', 'access = "usb"', "[driver] 'access' must be one of api, serial, not 'usb'"),
        ('access = "api"', 'access = "api"\nbaud = 9600', "[driver] unknown key 'baud'"),
        ('access = "api"', 'access = "serial"', "[driver] 'baud' is missing"),
        ('access = "api"', 'access = "serial"\nbaud = 9601', "[driver] 'baud' must be one of 1200, "),
        ("timeout_ms = 3000", "timeout_ms = 15001", "[driver] 'timeout_ms' must be a whole number from 1 to 15000"),
        ("timeout_ms = 3000", "timeout_ms = 0", "[driver] 'timeout_ms' must be a whole number from 1 to 15000"),
        ("timeout_ms = 3000", "timeout_ms = 3e3", "[driver] 'timeout_ms' must be a whole number from 1 to 15000"),
        ("timeout_ms = 3000", "timeout_ms = true", "[driver] 'timeout_ms' must be a whole number from 1 to 15000"),
        ('type = "SLE4442"', 'type = "SLE 4442"', "[[card]] 1 'type' must be one of AT24C01, "),
        ('type = "SLE4442"', 'type = "SLE4442"\nsize = 256', "[[card]] 1 unknown key 'size'"),
        ("[{ zone", "[{ zone = 0, adr = 1, addr = 31, hex = '41' }, { zone", "[[card]] 1 mark 1 unknown key 'adr'"),
        ("zone = 0, ", "", "[[card]] 1 mark 1 'zone' is missing"),
        ("zone = 0, ", "zone = 2, ", "[[card]] 1 mark 1 'zone' a SLE4442 has no zone 2"),
        ("addr = 32", "addr = 253", "[[card]] 1 mark 1 'addr' the mark ends at 257, zone 0 of a SLE4442 has 256 bytes"),
        ('hex = "52444B01"', 'hex = "52444B0"', "[[card]] 1 mark 1 'hex' must be pairs of hex digits"),
        ('hex = "52444B01"', 'hex = ""', "[[card]] 1 mark 1 'hex' must have 1 to 256 bytes, not 0"),
        ('hex = "52444B01"', 'hex = "FF00ff00"', "[[card]] 1 'mark' is only 00 or FF, as every new card is"),
        ('["420100"]', "[]", "[sale] 'regions' must have at least 1"),
        ('["420100"]', '["4201000000"]', "[sale] 'regions' must be an array of strings of 1–8 digits"),
        ('["420100"]', "[420100]", "[sale] 'regions' must be an array of strings of 1–8 digits"),
        ('["420100"]', '"420100"', "[sale] 'regions' must be an array of strings of 1–8 digits"),
        ("amount_min_fen = 100\n", "amount_min_fen = 0\n", "[sale] 'amount_min_fen' must be a whole number from 1"),
        ("amount_max_fen = 500000", "amount_max_fen = 99", "[sale] 'amount_min_fen' is more than 'amount_max_fen'"),
        ("amount_max_fen = 500000", "amount_max_fen = -1", "[sale] 'amount_max_fen' must be a whole number from 1"),
        ('password = "rdk"', 'password = "阿"', "[sale] 'password' must be a name in printable ASCII, or empty"),
        ('password = "rdk"', "", "[sale] 'password' is missing"),
        ("[sale]", "[sell]", "[sale] is missing"),
        ("[[card]]", "[card]", "'card' must be an array of tables"),
        ("[vendor]", "trial = true\n[vendor]", "unknown key 'trial'"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, old, new, mistake):
    found = mistakes(tmp_path, changed(old, new))
    assert [line for line in found if line.startswith(mistake)], found
    assert len(found) == 1 or mistake == "[sale] is missing", found


@pytest.mark.parametrize(
    ("marks", "mistake"),
    [
        ("[]", "'mark' must have at least one entry"),
        ("[5]", "[[card]] 1 mark 1 must be a table"),
        ('[{ apdu = "00A4" }]', "'apdu' must have 4 to 261 bytes"),
        ('[{ apdu = "00D0810001AA" }]', "'apdu' must be a SELECT or a read"),  # UPDATE BINARY
        ('[{ apdu = "0020000003FFFFFF" }]', "'apdu' must be a SELECT or a read"),  # VERIFY
        ('[{ apdu = "FFB0000004" }]', "'apdu' must be a SELECT or a read"),  # to the reader, not the card
        ('[{ apdu = "00A40000053F00" }]', "'apdu' is not a short APDU"),
        ('[{ apdu = "00A4000000023F00" }]', "'apdu' is not a short APDU"),  # an extended one
        ('[{ apdu = "00A40000023F00", hex = "68" }]', "[[card]] 1 mark 1 unknown key 'hex'"),
    ],
)
def test_a_cpu_mark_only_looks(tmp_path, marks, mistake):
    text = PAGE.replace(MEMORY_CARD, f'type = "CPU"\nmark = {marks}')
    found = mistakes(tmp_path, text)
    assert len(found) == 1, found
    assert mistake in found[0]


@pytest.mark.parametrize("apdu", ["00B08100", "00B0810004", "00A40000023F00", "00A40000023F0000", "00CA9F7F00"])
def test_every_form_of_a_short_apdu_is_taken(tmp_path, apdu):
    text = PAGE.replace(MEMORY_CARD, f'type = "CPU"\nmark = [{{ apdu = "{apdu}" }}]')
    assert loaded(tmp_path, text).cards[0].cpu[0].apdu == bytes.fromhex(apdu)


def test_a_mark_that_can_never_match_is_a_mistake(tmp_path):
    two = '[{ zone = 0, addr = 32, hex = "4142" }, { zone = 0, addr = 33, hex = "43" }]'
    found = mistakes(tmp_path, re.sub(r"mark = \[.*\]", f"mark = {two}", PAGE))
    assert found == ["[[card]] 1 'mark' wants two different bytes in one place and can never match"]


@pytest.mark.parametrize(
    ("family", "zone", "size"),
    [
        ("AT24C01", 0, 128),
        ("AT24C02", 0, 256),
        ("AT24C04", 0, 512),
        ("AT24C08", 0, 1024),
        ("AT24C16", 0, 2048),
        ("SLE4442", 0, 256),
        ("SLE4442", 1, 4),
        ("SLE4428", 0, 1024),
        ("SLE4428", 1, 128),
        ("MIFARE1K", 15, 48),
    ],
)
def test_a_mark_lies_on_the_chip(tmp_path, family, zone, size):
    def page(addr):
        mark = f'type = "{family}"\nmark = [{{ zone = {zone}, addr = {addr}, hex = "4142" }}]'
        return PAGE.replace(MEMORY_CARD, mark)

    assert loaded(tmp_path, page(size - 2)).cards[0].type.name == family
    assert len(mistakes(tmp_path, page(size - 1))) == 1


def test_all_mistakes_of_a_file_are_told_together(tmp_path):
    text = changed('code = "0001"', 'code = "x"\nage = 3')
    text = text.replace("timeout_ms = 3000", "timeout_ms = 99999").replace("addr = 32, ", "")
    text = text.replace("[sale]", '[[card]]\ntype = "AT24C99"\nmark = []\n[sale]\ncolour = "red"')
    text = text.replace("amount_min_fen = 100\n", "") + "\n[other]\n"
    found = mistakes(folder(tmp_path, text, "RDK").parent, text)
    assert len(found) == 8, found
    in_capitals = load_mistakes_of(tmp_path / "RDK")
    assert in_capitals[0] == "the folder's name 'RDK' is not in lower case"
    assert in_capitals[1:] == found


def load_mistakes_of(place):
    with pytest.raises(ConfigFault) as fault:
        load_manifest(place)
    return [line.strip() for line in str(fault.value).split("\n")[1:]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not toml",
        b"\xff\xfe",
        b"a = " + b"9" * 5000,
        b"a = " + b"[" * 5000,
        b'[vendor]\ncode = "1"\n[vendor]\n',
        b"card = 5\nvendor = 7\ndriver = []\nsale = 'x'",
    ],
)
def test_any_other_file_is_f_703(tmp_path, content):
    place = folder(tmp_path, "")
    (place / "vendor.toml").write_bytes(content)
    with pytest.raises(ConfigFault) as fault:
        load_manifest(place)
    assert fault.value.code == "F-703"


def test_a_folder_that_is_not_there_or_goes_round_in_circles_is_f_703(tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for place in (tmp_path / "absent", tmp_path / "circle"):
        with pytest.raises(ConfigFault) as fault:
            load_manifest(place)
        assert fault.value.code == "F-703"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("00B0810004"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("zone", "addr", "hex", "apdu")), inner)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
@given(st.data())
def test_any_value_at_any_key_is_taken_or_f_703(tmp_path, monkeypatch, data):
    """The TOML reader is stood in for, so that every shape a table can have is tried."""
    tables = {
        "vendor": {"code": "0001", "abbr": "RDK", "name": {"zh": "阿", "en": "A"}},
        "driver": {"kind": "native", "file": "librdk.so", "sha256": SHA, "access": "api", "timeout_ms": 3000},
        "card": [{"type": "SLE4442", "mark": [{"zone": 0, "addr": 32, "hex": "41"}]}],
        "sale": {"regions": ["1"], "amount_min_fen": 1, "amount_max_fen": 2, "password": ""},
    }
    for _ in range(data.draw(st.integers(0, 3))):
        table = data.draw(st.sampled_from((tables, tables["vendor"], tables["driver"], tables["sale"])))
        if isinstance(table, dict):
            table[data.draw(st.sampled_from((*table, "other")))] = data.draw(VALUES)
    place = folder(tmp_path, "")
    with monkeypatch.context() as patch:
        patch.setattr("kiosk.drivers.manifest.tomllib.loads", lambda _text: tables)
        try:
            manifest = load_manifest(place)
        except ConfigFault as fault:
            assert fault.code == "F-703"
            return
    assert isinstance(manifest, Manifest)


def test_the_drivers_file_is_held_against_its_sha256(tmp_path):
    manifest = loaded(tmp_path, PAGE)
    assert manifest.driver.load() == b"so"
    manifest.driver.path.write_bytes(b"os")
    with pytest.raises(DriverFault) as fault:
        manifest.driver.load()
    assert fault.value.code == "D-305"
    manifest.driver.path.unlink()
    with pytest.raises(DriverFault) as fault:
        manifest.driver.load()
    assert fault.value.code == "D-304"
    assert len(load_mistakes_with_file(tmp_path)) == 1


def load_mistakes_with_file(tmp_path):
    with pytest.raises(ConfigFault) as fault:
        load_manifest(tmp_path / "rdk", check_file=True)
    return [line for line in str(fault.value).split("\n")[1:] if "D-304" in line]


def test_the_benches_own_folders_are_good(tmp_path):
    for name, changes in {"python": {}, "native": {"kind": "native"}, "keypad": {"keypad": True}}.items():
        assert load_manifest(write_vendor(tmp_path / name, b"x", **changes), check_file=True).vendor.abbr == "PRB"
