"""A PIN: its hash is Argon2id with a salt of its own, it is asked for and not shown, and no easy one is taken."""

import os
import pty
import subprocess
import sys

import pytest

from kiosk.billing.staff import HASH
from kiosk.ledger.pins import hashed, matches, weakness
from kiosk.model.errors import ConfigFault

RFC_LIKE = "$argon2id$v=19$m=65536,t=3,p=4$phc9yLwDhSx+2Fwk5ia9/A$J86Cg+M5QNqwqaPn2X+T4lGTgFe0LZU0v2S5aq85rhs"


def test_a_hash_is_argon2id_and_tells_right_from_wrong():
    one, two = hashed("402917"), hashed("402917")
    assert one != two and HASH.fullmatch(one) and "m=65536,t=3,p=4" in one
    assert matches("402917", one) and matches("402917", two) and not matches("402918", one)
    assert matches("123456", RFC_LIKE), "made elsewhere, with the same parameters"
    assert not matches("４０２９１７", one) and not matches("402917", "nonsense")


@pytest.mark.parametrize(
    "pin", ["12345", "1234567", "12345a", "四零二九一七", "", "000000", "123456", "987654", "567890"]
)
def test_what_is_tried_first_is_no_pin(pin):
    assert weakness(pin)
    with pytest.raises(ConfigFault, match="F-717"):
        hashed(pin)


def test_it_is_not_shown_while_it_is_typed():
    program = "from kiosk.ledger.pins import ask_pin; print('got', len(ask_pin('PIN: ')))"
    main, line = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=line, stdout=line, stderr=line, start_new_session=True
    ):
        os.close(line)
        shown = b""
        while b"PIN: " not in shown:
            shown += os.read(main, 100)
        os.write(main, b"402917\n")
        while b"got 6" not in shown:
            shown += os.read(main, 100)
        os.close(main)
    assert b"402917" not in shown


def test_another_program_may_give_it_as_a_line():
    program = "from kiosk.ledger.pins import ask_pin; print('got', len(ask_pin('PIN: ')))"
    done = subprocess.run([sys.executable, "-c", program], input="402917\n", capture_output=True, text=True, check=True)
    assert done.stdout == "got 6\n"
