"""Head office's signed lists as the terminal takes them: only signed, only whole, never an older one."""

from dataclasses import replace

import pytest

from kiosk.app.lists import load_customers, load_owed
from kiosk.billing.customers import CustomerList, customers_note, parse_customers
from kiosk.billing.owed import OwedList, OwedRow, owed_note
from kiosk.ledger.keys import make_key
from kiosk.ledger.note import Note, Signature
from kiosk.model.card import KeypadCustomer
from kiosk.model.errors import ConfigFault

LISTED = CustomerList(3, {"30000001": KeypadCustomer("0009", "30000001", "71000001", "420100", 0)})


@pytest.fixture
def office(tmp_path):
    (tmp_path / "passphrase").write_text("never use in a real system")
    (tmp_path / "passphrase").chmod(0o600)
    signer = make_key(tmp_path / "key.pem", tmp_path / "passphrase", "power.example/prices/1")
    (tmp_path / "vkey").write_text(str(signer.vkey))

    def publish(listed=LISTED, body=None):
        text = body or customers_note(listed)
        signature = Signature(signer.vkey.name, signer.vkey.key_id, signer.sign(text.encode()))
        (tmp_path / "note").write_text(str(Note(text, (signature,))))
        (tmp_path / "list").write_text(listed.text())
        return tmp_path

    return publish


def load(folder, version_min=0):
    return load_customers(folder / "note", folder / "list", folder / "vkey", version_min)


def test_the_list_and_its_sum(office):
    listed, digest = load(office())
    assert listed == LISTED and len(digest) == 32


def refused(folder, told, version_min=0):
    with pytest.raises(ConfigFault) as fault:
        load(folder, version_min)
    assert fault.value.code == "F-704" and told in str(fault.value)


def test_one_letter_changed_in_the_list(office):
    folder = office()
    (folder / "list").write_text(LISTED.text().replace("420100 0", "420100 9"))
    refused(folder, "is not the one that")


def test_one_letter_changed_in_the_note(office):
    folder = office()
    (folder / "note").write_text((folder / "note").read_text().replace("version 3", "version 4"))
    refused(folder, "is not signed by power.example/prices/1")


def test_an_older_list_is_not_taken(office):
    refused(office(), "version 3; 4 was installed already", version_min=4)


def test_the_note_names_another_version(office):
    refused(office(body=customers_note(LISTED).replace("version 3", "version 5")), "is version 3")


def test_files_that_are_not_there(office):
    folder = office()
    (folder / "list").unlink()
    refused(folder, "No such file")
    (folder / "note").unlink()
    refused(folder, "No such file")


def test_a_meter_stands_once():
    """Two customers' counts of one meter would make two tokens of one count, and it takes one of them."""
    who = LISTED.by_number["30000001"]
    twice = CustomerList(3, {"30000001": who, "30000002": replace(who, customer="30000002")})
    with pytest.raises(ConfigFault, match="meter 71000001 of vendor 0009 stands twice"):
        parse_customers(twice.text())
    other = CustomerList(3, {"30000001": who, "30000002": replace(who, customer="30000002", vendor="000A")})
    assert parse_customers(other.text()) == other


OWED = OwedList(3, (OwedRow("0007-3f2a91c0de", "0001", "10086", "70001", "420100", 5000, 8928, 7),))


def owed(folder, version_min=0):
    return load_owed(folder / "note", folder / "list", folder / "vkey", version_min)


def test_the_list_of_vouchers_is_held_to_the_same_rules(office):
    folder = office(OWED, owed_note(OWED))
    listed, digest = owed(folder, 3)
    assert listed == OWED and len(digest) == 32
    wrong = {
        "is version 3; 4 was installed already": lambda: owed(folder, 4),
        "is not the one that": lambda: owed(office(OWED, owed_note(OwedList(3)))),
        "its note says 5": lambda: owed(office(OWED, owed_note(OWED).replace("version 3", "version 5"))),
        "list is not the one": lambda: owed(office(OWED, customers_note(LISTED))),  # another kind of list's signature
    }
    for told, load_it in wrong.items():
        with pytest.raises(ConfigFault) as fault:
            load_it()
        assert fault.value.code == "F-705" and told in str(fault.value), told
