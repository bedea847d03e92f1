"""The staff list's text: what it may say, and what is refused with all its mistakes."""

import pytest

from kiosk.billing.staff import HEADING, Person, StaffList, in_order, parse_staff
from kiosk.model.errors import ConfigFault

PIN = "$argon2id$v=19$m=65536,t=3,p=4$phc9yLwDhSx+2Fwk5ia9/A$J86Cg+M5QNqwqaPn2X+T4lGTgFe0LZU0v2S5aq85rhs"
LI = Person("1001", ("attendant", "collector"), PIN, "李四", "Li Si")
WANG = Person("2001", ("supervisor",), PIN, "王五", "Wang Wu", "0001:10023400567")


def test_a_list_reads_back_as_it_was_written():
    listed = StaffList(3, (LI, WANG))
    assert parse_staff(listed.text()) == listed
    assert listed.text().splitlines()[:2] == [HEADING, "version 3"]
    assert listed.find("2001") == WANG and listed.with_card("0001:10023400567") == WANG
    assert listed.find("9999") is None and listed.with_card("") is None and LI.name("en") == "Li Si"


def test_nobody_sees_a_hash_by_showing_a_person():
    assert PIN not in repr(LI) + repr(StaffList(1, (LI,)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"12 attendant - {PIN} 李四 | Li Si", "3 to 8 digits"),
        (f"1001 boss - {PIN} 李四 | Li Si", "roles are of"),
        (f"1001 collector,attendant - {PIN} 李四 | Li Si", "in this order"),
        (f"1001 attendant,attendant - {PIN} 李四 | Li Si", "roles are of"),
        (f"1001 attendant ab {PIN} 李四 | Li Si", "card's mark"),
        ("1001 attendant - 123456 李四 | Li Si", "no Argon2id hash"),
        (f"1001 attendant - {PIN.replace('m=65536', 'm=999999')} 李四 | Li Si", "can work out"),
        (f"1001 attendant - {PIN.replace('t=3', 't=99')} 李四 | Li Si", "can work out"),
        (f"1001 attendant - {PIN.replace('id', 'i')} 李四 | Li Si", "no Argon2id hash"),
        (f"1001 attendant - {PIN} 李四", "name in Chinese | in English"),
        (f"1001 attendant - {PIN} {'李' * 41} | Li Si", "both names"),
        ("", "must be number"),
    ],
)
def test_a_wrong_line_is_refused_and_told_without_its_hash(line, said):
    with pytest.raises(ConfigFault) as fault:
        parse_staff(f"{HEADING}\nversion 1\n{line}\n")
    assert fault.value.code == "F-717" and said in str(fault.value) and "phc9y" not in str(fault.value)


def test_all_mistakes_are_told_together():
    with pytest.raises(ConfigFault) as fault:
        parse_staff(f"prepaid-kiosk/blocked/v1\nversion 0\n{LI.text()}{LI.text()}x")
    for said in ("line 1", "line 2", "stands twice", "last line must end"):
        assert said in str(fault.value)


def test_a_card_is_one_persons():
    other = Person("3001", ("technician",), PIN, "赵六", "Zhao Liu", WANG.card)
    with pytest.raises(ConfigFault, match="its card, stands twice"):
        parse_staff(StaffList(1, (WANG, other)).text())


def test_roles_have_an_order():
    assert in_order({"supervisor", "attendant"}) == ("attendant", "supervisor")
