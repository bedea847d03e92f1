"""The list of customers whose meters have keypads: one text form, and every slip of the pen is told."""

import pytest

from kiosk.billing.customers import parse_customers
from kiosk.model.card import KeypadCustomer
from kiosk.model.errors import ConfigFault

TEXT = """prepaid-kiosk/customers/v1
version 3
0009 30000001 71000001 420100 0
000A 30000002 71000002 420100 17
"""


def test_a_list_says_who_is_served():
    listed = parse_customers(TEXT)
    assert listed.version == 3 and listed.text() == TEXT
    assert listed.find("30000002") == KeypadCustomer("000A", "30000002", "71000002", "420100", 17)
    assert listed.find("3") is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (TEXT.replace("/v1", "/v2"), "line 1"),
        (TEXT.replace("version 3", "version 0"), "line 2"),
        (TEXT.replace("000A", "a"), "line 4"),
        (TEXT.replace("30000002", "30000001"), "line 4: customer 30000001 stands twice"),
        (TEXT.replace(" 17", ""), "line 4"),
        (TEXT.replace(" 17", " 017"), "line 4"),
        ("", "line 1"),
    ],
)
def test_slips_of_the_pen(wrong, told):
    with pytest.raises(ConfigFault) as fault:
        parse_customers(wrong)
    assert fault.value.code == "F-704" and told in str(fault.value)


def test_a_long_list_of_mistakes_stays_short():
    with pytest.raises(ConfigFault) as fault:
        parse_customers(TEXT + "x\n" * 5000)
    assert len(str(fault.value)) < 3000
