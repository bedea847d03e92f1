"""scripts/build_vendors.py: from a vendor's sources to the folder the kiosk loads."""

import hashlib

import pytest
from rdk_bench import build_script

from kiosk.drivers.manifest import load_manifest

TOML = """
[vendor]
code = "00F7"
abbr = "PYT"
name = { zh = "测试", en = "PYT" }

[driver]
kind = "python"
file = "driver.py"
sha256 = "known when it is built"
access = "api"
timeout_ms = 3000

[[card]]
type = "CPU"
mark = [{ apdu = "00A40000023F00" }]

[sale]
regions = ["420100"]
amount_min_fen = 100
amount_max_fen = 500000
password = ""
"""
C_DRIVER = """
#include "icard.h"
ICARD_EXPORT icard_call NATIcard;
int32_t NATIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    (void)icdev, (void)sendstr, (void)recvstr, (void)password;
    return ICARD_BAD_FRAME;
}
"""


@pytest.fixture
def script():
    return build_script()


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source" / "pyt"
    (folder / "conformance" / "__pycache__").mkdir(parents=True)
    (folder / "conformance" / "__pycache__" / "meter.pyc").write_bytes(b"\0")
    (folder / "conformance" / "meter.py").write_text("def insert(icdev, seconds=3, use=0): ...\n")
    (folder / "driver.py").write_text("class Driver: ...\n")
    (folder / "vendor.toml").write_text(TOML, "utf-8")
    return folder


def make_native(source):
    native = source.parent / "nat"
    (native / "conformance").mkdir(parents=True)
    toml = TOML.replace("PYT", "NAT").replace("00F7", "00F8").replace('"python"', '"native"')
    (native / "vendor.toml").write_text(toml.replace("driver.py", "libnat.so"), "utf-8")
    (native / "nat.c").write_text(C_DRIVER)
    return native


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_both_kinds_become_finished_folders_with_their_own_sum(script, source, tmp_path, capsys):
    make_native(source)
    target = tmp_path / "build" / "vendors"
    assert script.main(source.parent, target) == 0
    assert capsys.readouterr().out == "· building build/vendors/nat\n· building build/vendors/pyt\n"
    assert names(target / "pyt") == {"vendor.toml", "driver.py", "conformance/meter.py"}
    assert names(target / "nat") == {"vendor.toml", "libnat.so"}
    for folder in (target / "pyt", target / "nat"):
        driver = load_manifest(folder, check_file=True).driver
        assert driver.sha256 == hashlib.sha256(driver.path.read_bytes()).hexdigest()


def test_only_what_is_out_of_date_is_built(script, source, tmp_path, capsys):
    target = tmp_path / "build" / "vendors"
    script.main(source.parent, target)
    first = capsys.readouterr().out
    script.main(source.parent, target)
    assert (first, capsys.readouterr().out) == ("· building build/vendors/pyt\n", "")

    (source / "driver.py").write_text("class Driver: pass\n")
    script.main(source.parent, target)
    assert capsys.readouterr().out == first
    assert (target / "pyt" / "driver.py").read_text() == "class Driver: pass\n"

    (target / "pyt" / "conformance" / "meter.py").unlink()
    script.main(source.parent, target)
    assert capsys.readouterr().out == first
    assert (target / "pyt" / "conformance" / "meter.py").is_file()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("vendor.toml", "sha256 = ", "sum = ", 'vendor.toml has 0 lines sha256 = "…", not one'),
        ("vendor.toml", 'code = "00F8"', 'code = "8"', "code"),
        ("nat.c", "int32_t NATIcard(", "int64_t NATIcard(", "error: conflicting types"),
        ("nat.c", "(void)icdev, ", "getenv_of_another_library(); ", "getenv_of_another_library"),
    ],
)
def test_what_cannot_be_built_is_told_and_the_last_good_one_stays(
    script, source, tmp_path, capsys, file, old, new, told
):
    native, target = make_native(source), tmp_path / "build" / "vendors"
    assert script.main(source.parent, target) == 0
    good = (target / "nat" / "libnat.so").read_bytes()

    path = native / file
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    (source / "driver.py").write_text("class Driver: pass\n")
    assert script.main(source.parent, target) == 1
    assert told in capsys.readouterr().err
    assert (target / "nat" / "libnat.so").read_bytes() == good
    assert (target / "pyt" / "driver.py").read_text() == "class Driver: pass\n"  # the others are built all the same


def test_a_blank_card_is_made_of_what_its_page_says(script):
    text = "# a card\nbytes 10\nfiller FF\n\nat 00  01 02   of the maker\nat 0E  AB CD\n"
    assert script.image_of(text) == b"\x01\x02" + b"\xff" * 12 + b"\xab\xcd"


@pytest.mark.parametrize("line", ["at 0F  AB CD", "at 00", "at 0", "fill 00", "at 00 XY"])
def test_a_line_that_makes_no_sense_is_named(script, line):
    with pytest.raises(ValueError, match=line.split(" ")[0]):
        script.image_of(f"bytes 10\nfiller FF\n{line}\n")
