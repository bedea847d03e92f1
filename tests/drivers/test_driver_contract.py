"""The words of contract 1, compared with its tables as they are printed (§2, §3, §7)."""

from kiosk.drivers.contract import DI, WIDTHS, CardAfter, Command, DriverError
from kiosk.drivers.items import DIGITS, RAW, SIGNED, TEXTS, TIMES
from kiosk.model.card import CardKind, CardType, PurchaseState, Unit

COMMANDS = "10 DESCRIBE 11 READ 12 OPEN 13 PURCHASE 14 REISSUE 15 CLEAR 16 SET 17 CHECK 18 REVERSE"
ERRORS = [
    "01 ITEMS · 02 NOT_SUPPORTED · 03 NO_CARD · 04 WRONG_TYPE · 05 NOT_MINE · 06 SECRET · 07 LOCKED · 08 OTHER_REGION",
    "09 OTHER_CUSTOMER · 0A NOT_OPENED · 0B NOT_BLANK · 0C NOT_TAKEN · 0D COUNT · 0E OVER_LIMIT · 0F READ_FAILED",
    "10 WRITE_FAILED · 11 WRITE_INCOMPLETE · 12 READ_BACK · 13 DAMAGED · 14 NO_KEY_CARD · 15 INTERNAL · 16 MISSING",
    "17 TAKEN",
]
# DI, then the width as the table prints it: a number of bytes, "4s" signed, "n" bytes, "d8" up to 8 digits
ITEMS = """
0101 4  0102 text  0103 n  0104 n  0105 1  0106 1
0201 1  0202 d8  0203 d20  0204 d20  0205 n  0206 4  0207 4  0208 4  0209 1  020A 4  020B 4
0301 4s  0302 4  0303 8  0304 4  0305 4  0306 time  0307 4
0401 4  0402 4  0403 4  0404 4  0405 4  0406 4  0410 n  0411 n  0412 time
0501 time  0502 text  0503 text  0504 16  0505 1  0507 d1024
FF01 1  FF02 text  FF03 1
"""


def form(di):
    if di in TEXTS:
        return "text"
    if di in TIMES:
        assert WIDTHS[di] == 14
        return "time"
    if di in DIGITS:
        assert di not in WIDTHS
        return f"d{DIGITS[di]}"
    if di in RAW and di not in WIDTHS:
        return "n"
    return f"{WIDTHS[di]}{'s' if di in SIGNED else ''}"


def test_commands():
    words = COMMANDS.split()
    assert {name: int(code, 16) for code, name in zip(words[::2], words[1::2], strict=True)} == dict(
        Command.__members__
    )


def test_items_and_their_widths():
    words = ITEMS.split()
    printed = {int(di, 16): width for di, width in zip(words[::2], words[1::2], strict=True)}
    assert {int(di): form(di) for di in DI} == printed


def test_error_codes():
    printed = [each.split() for line in ERRORS for each in line.split(" · ")]
    assert {name: int(code, 16) for code, name in printed} == dict(DriverError.__members__)
    assert {each.name: int(each) for each in CardAfter} == {"UNCHANGED": 0, "UNKNOWN": 2}


def test_card_types():
    printed = (
        "1 AT24C01 · 2 AT24C02 · 3 AT24C04 · 4 AT24C08 · 5 AT24C16 · 21 SLE4442 · 31 SLE4428 · 51 AT88SC102 · "
        "52 AT88SC1604 · 53 AT88SC153 · 54 AT88SC1608 · 60 CPU · 70 MIFARE1K"
    )
    pairs = [each.split() for each in printed.split(" · ")]
    assert {name: int(code) for code, name in pairs} == dict(CardType.__members__)


def test_kinds_states_and_units():
    assert {int(kind): kind.name for kind in CardKind} == {
        0: "BLANK",
        1: "OPEN",
        2: "PURCHASE",
        3: "REISSUE",
        5: "SET",
        6: "CHECK",
    }
    assert {int(state): state.name for state in PurchaseState} == {0: "NONE", 1: "PENDING", 2: "TAKEN", 3: "UNKNOWN"}
    assert {int(unit): unit.name for unit in Unit} == {1: "MONEY", 2: "ENERGY"}
