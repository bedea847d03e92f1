"""The list of vouchers for cards: its text to the byte, and every slip of the pen in it."""

import pytest

from kiosk.billing.owed import OwedList, OwedRow, one_a_card, owed_note, parse_owed
from kiosk.model.errors import ConfigFault

ROW = OwedRow("0007-3f2a91c0de", "0001", "10023400567", "202600012345", "420100", 5000, 8928, 7)
OTHER = OwedRow("0008-00000000ff", "000A", "1", "2", "3", 1, 0, 0)
TEXT = """prepaid-kiosk/owed/v1
version 3
0007-3f2a91c0de 0001 10023400567 202600012345 420100 5000 8928 7
0008-00000000ff 000A 1 2 3 1 0 0
"""


def test_the_text_and_back():
    listed = OwedList(3, (OTHER, ROW))
    assert listed.text() == TEXT and parse_owed(TEXT) == OwedList(3, (ROW, OTHER))
    assert parse_owed(OwedList(1).text()) == OwedList(1)


def test_the_note_names_version_and_sum():
    lines = owed_note(OwedList(3, (ROW,))).splitlines()
    assert (
        lines[:2] == ["prepaid-kiosk/owed/v1", "version 3"] and lines[2].startswith("sha256 ") and len(lines[2]) == 71
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("owed/v1", "owed/v2", "line 1"),
        ("version 3", "version 0", "line 2"),
        ("0007-3f2a91c0de", "0007-3F2A91C0DE", "line 3"),
        ("0007-3f2a91c0de", "3f2a91c0de", "line 3"),
        ("5000 8928", "0 8928", "line 3"),
        ("5000 8928", "-5000 8928", "line 3"),
        ("5000 8928 7", "5000 8928", "line 3"),
        ("5000 8928 7", "5000 8928 07", "line 3"),
        ("0001 1002", "1 1002", "line 3"),
        ("0008-00000000ff", "0007-3f2a91c0de", "voucher 0007-3f2a91c0de stands twice"),
        ("000A 1 2 3", "0001 10023400567 202600012345 3", "customer 10023400567 with meter 202600012345 stands twice"),
    ],
)
def test_a_mistake_is_told_with_its_line(old, new, told):
    with pytest.raises(ConfigFault, match=told) as fault:
        parse_owed(TEXT.replace(old, new, 1))
    assert fault.value.code == "F-705"


def test_a_card_gets_the_first_of_its_vouchers_only():
    second = OwedRow("0009-0000000001", *(ROW.vendor, ROW.customer, ROW.meter, ROW.region), 7, 7, 7)
    assert one_a_card((ROW, second, OTHER)) == (ROW, OTHER)
