"""A new epoch forgets no list: versions go over, files come down again first; and head office knows the sealing key."""

import argparse
from types import SimpleNamespace

import pytest
from enrol_stage import PLACE, Machine, Office, shown

from kiosk.app import enrol_command
from kiosk.app.in_force import NEEDED, Shelf, at_start, really_in_force, shelf_of
from kiosk.app.installer import Installer, Selling, Who
from kiosk.app.signing import opened_signer, sealing_opener
from kiosk.billing.blocked import BlockedCard, BlockList
from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.hq.command import add_parsers
from kiosk.ledger.enrolment import make_request, parse_code
from kiosk.ledger.installed import Listed
from kiosk.ledger.sealing import parse_sealed
from kiosk.model import targets
from kiosk.model.card import KeypadCustomer
from kiosk.model.errors import ConfigFault
from kiosk.sale.arrivals import ListsArrived, NewList, RefusedList
from kiosk.sale.books import Memory
from kiosk.sale.entries import arrival
from kiosk.sale.events import DeviceDown, DeviceUp
from kiosk.sync.downlink.offer import FILES, Offer, write_offer

PRICES = PriceBook(7, {"0001": 5600})
BLOCKED = BlockList(3, (BlockedCard("0001", "10023", "2026", 0, "stolen"),))
CUSTOMERS = CustomerList(4, {"3": KeypadCustomer("0009", "3", "7", "420100", 12)})
IN_FORCE = {"price": PRICES, "blocked": BLOCKED, "customers": CUSTOMERS}
ROOT = b'{"signed": 1}'
NAMES = {
    "price": targets.PRICES,
    "blocked": targets.BLOCKED,
    "customers": targets.for_terminal("420100/0007", targets.CUSTOMERS),
}


@pytest.fixture
def hq(tmp_path, monkeypatch):
    office = Office(tmp_path / "hq")
    root = office.folder / "publish" / "repository" / "metadata" / "1.root.json"
    root.parent.mkdir(parents=True)
    root.write_bytes(ROOT)
    monkeypatch.setattr(enrol_command, "ask_office", office.ask)
    yield office
    office.close()


def enrol(hq, machine):
    code = hq.code()
    status, said, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert status == 0, why
    hq.confirm(code[:4], shown(said))


def office_does(hq, *words):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True))
    given = parser.parse_args(["hq", *map(str, words), "--data", str(hq.folder)])
    return given.run(given)


def puts_in_force(machine, **lists):
    """What came down is on the shelf, and its entry in the ledger."""
    shelf = shelf_of(machine.config)
    with machine.opened() as journal:
        journal.append(
            arrival(NewList(name, shelf.put(listed.text().encode()), listed)) for name, listed in lists.items()
        )


class Started:
    """The kiosk at its start, as far as lists go."""

    def __init__(self, machine):
        self.config, self.memory = machine.config, Memory()
        self.shelf = shelf_of(self.config)
        with machine.opened(self.memory.see):
            self.found, self.drafts = at_start(self.config, self.memory, self.shelf)
        held = set(really_in_force(self.memory, self.shelf))
        parts = SimpleNamespace(use_prices=lambda book: None, use=lambda **lists: None)
        self.selling = Selling(self.found, held, parts, parts, self.config.vkeys, self.shelf, lambda: None)
        self.posted = []
        who = Who(opened_signer(self.config).vkey, None)
        clock = SimpleNamespace(civil=lambda: "20261124120000")
        self.installer = Installer(
            self.config.downlink_folder, self.shelf, self.memory, who, self.selling, None, clock, self.posted.append
        )

    def offered(self, **lists):
        files = self.config.downlink_folder / FILES
        files.mkdir(parents=True, exist_ok=True)
        offer = {NAMES[name]: Shelf(files, files).put(each.text().encode()).hex() for name, each in lists.items()}
        write_offer(self.config.downlink_folder, Offer(9, 1, "", offer))
        return self

    def look(self):
        self.posted.clear()
        self.installer.look()
        return [each for event in self.posted if isinstance(event, ListsArrived) for each in event.lists]

    def taken_up(self):
        found = self.look()
        self.selling.use(tuple(each for each in found if isinstance(each, NewList)))
        return found


def told(machine):
    return {entry.kind: entry.data["version"] for entry in machine.entries() if entry.kind.endswith(".installed")}


def test_on_the_same_disk_the_next_epoch_sells_by_the_same_lists(hq, tmp_path):
    machine = Machine(tmp_path / "kiosk")
    enrol(hq, machine)
    puts_in_force(machine, **IN_FORCE)  # head office never hears of it: this disk knows more
    enrol(hq, machine)
    assert told(machine) == {"price.installed": 7, "blocked.installed": 3, "customers.installed": 4}
    start = Started(machine)
    assert (start.found.prices, start.found.blocked, start.found.customers) == (PRICES, BLOCKED, CUSTOMERS)
    assert start.found.awaited == frozenset() and start.drafts == []
    (old,) = start.offered(price=PriceBook(6, {"0001": 1})).look()
    assert isinstance(old, RefusedList) and old.code == "F-702"
    assert DeviceUp("lists") in start.posted


def test_on_a_new_disk_nothing_is_sold_before_the_lists_have_come_down_again(hq, tmp_path):
    old = Machine(tmp_path / "old")
    enrol(hq, old)
    puts_in_force(old, **IN_FORCE)
    assert hq.take(old.config.journal).status_code == 200
    new = Machine(tmp_path / "new")
    enrol(hq, new)
    assert told(new) == {"price.installed": 7, "blocked.installed": 3, "customers.installed": 4}
    start = Started(new)
    assert start.found.awaited == set(IN_FORCE) and start.found.prices.price("0001") is None
    assert start.look() == [] and DeviceDown("lists", "F-716") in start.posted

    stale = [PriceBook(6, {"0001": 1}), BlockList(2, ()), CustomerList(3, {})]
    found = start.offered(**dict(zip(IN_FORCE, stale, strict=True))).taken_up()
    assert {each.code for each in found} == {"F-702", "F-712", "F-704"}, "an old stick brings nothing back"
    start.look()
    assert DeviceDown("lists", "F-716") in start.posted

    assert len(start.offered(price=PRICES, blocked=BLOCKED).taken_up()) == 2
    start.look()
    assert DeviceDown("lists", "F-716") in start.posted, "digits would be made again"
    (late,) = start.offered(price=PRICES, blocked=BLOCKED, customers=CUSTOMERS).taken_up()
    start.look()
    assert late.content == CUSTOMERS and DeviceUp("lists") in start.posted


def test_the_same_version_in_other_bytes_ends_the_waiting_too(hq, tmp_path):
    """The list in force had come as a signed note; now the same one comes down."""
    machine = Machine(tmp_path / "kiosk")
    enrol(hq, machine)
    with machine.opened() as journal:
        journal.append([Listed("price", 7, b"n" * 32).draft()])
    start = Started(machine)
    assert start.found.awaited == {"price"}
    (same,) = start.offered(price=PRICES).taken_up()
    assert same.content == PRICES and start.selling.awaited == frozenset()


def test_the_very_first_price_list_may_come_down(hq, tmp_path):
    machine = Machine(tmp_path / "kiosk")
    enrol(hq, machine)
    assert Started(machine).found.awaited == {"price"}, "no file, no list yet: it waits and does not break off"
    machine.config.tuf_root.unlink()
    with pytest.raises(ConfigFault, match="F-702"):
        Started(machine)


def test_a_road_that_was_never_there_is_not_waited_for(hq, tmp_path):
    machine = Machine(tmp_path / "kiosk")
    enrol(hq, machine)
    puts_in_force(machine, **IN_FORCE)
    machine.config.tuf_root.unlink()
    (shelf_of(machine.config)._folder / shelf_of(machine.config).put(BLOCKED.text().encode()).hex()).unlink()
    assert Started(machine).found.awaited == frozenset()
    assert {"price", "customers", "owed", "blocked"} == NEEDED


def test_of_several_old_epochs_the_highest_version_counts(hq, tmp_path):
    first, second = Machine(tmp_path / "first"), Machine(tmp_path / "second")
    for machine, listed in ((first, BLOCKED), (second, BlockList(5, ()))):
        enrol(hq, machine)
        puts_in_force(machine, blocked=listed)
        assert hq.take(machine.config.journal).status_code == 200
    puts_in_force(first, blocked=BlockList(9, ()))
    assert hq.take(first.config.journal).status_code == 200, "the first disk was found"
    third = Machine(tmp_path / "third")
    enrol(hq, third)
    assert told(third) == {"blocked.installed": 9}


def test_head_office_seals_to_the_key_that_came_with_the_request(hq, tmp_path, capsys):
    machine, vault, sealed = Machine(tmp_path / "kiosk"), tmp_path / "vault", tmp_path / "sealed"
    enrol(hq, machine)
    vault.write_text('rdk = "112233"\n')
    words = ("seal", "--terminal", "420100/0007", "--secrets", vault, "--version", 1, "--out", sealed)
    assert office_does(hq, *words) == 0
    opener = sealing_opener(machine.config)
    assert opener.open(parse_sealed(sealed.read_text())) == vault.read_bytes()
    enrol(hq, machine)
    assert sealing_opener(machine.config).open(parse_sealed(sealed.read_text())), "the disk lives: so does its key"
    assert office_does(hq, *words[:2], "420100/0008", *words[3:]) == 1
    assert "F-715" in capsys.readouterr().err


def test_after_a_lost_disk_the_new_key_counts_and_people_are_told(hq, tmp_path, capsys):
    old, new = Machine(tmp_path / "old"), Machine(tmp_path / "new")
    told_ = []
    for machine in (old, new):
        code = hq.code()
        _, said, _ = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
        words = ("enrol", "confirm", code[:4], "--fingerprint", shown(said), "--operator", "李四")
        capsys.readouterr()
        assert office_does(hq, *words) == 0
        told_.append("seal its secrets again" in capsys.readouterr().out)
    assert told_ == [False, True]
    vault, sealed = tmp_path / "vault", tmp_path / "sealed"
    vault.write_text('rdk = "112233"\n')
    office_does(hq, "seal", "--terminal", "420100/0007", "--secrets", vault, "--version", 2, "--out", sealed)
    assert sealing_opener(new.config).open(parse_sealed(sealed.read_text())) == vault.read_bytes()
    with pytest.raises(ConfigFault, match="another key"):
        sealing_opener(old.config).open(parse_sealed(sealed.read_text()))


def test_who_puts_another_sealing_key_into_the_request_shows_by_the_fingerprint(hq, tmp_path, monkeypatch):
    """He knows the code, and wants the vendors' secrets: he must sign anew, and so be another request."""
    machine, digits = Machine(tmp_path / "kiosk"), hq.code()

    def between(url, request, transport=None):
        config = machine.config
        from kiosk.app.signing import open_key

        stolen = open_key(
            config, config.terminal.folder / "enrolling", config.origin(1)
        )  # even with the terminal's key
        forged = make_request(parse_code(digits), PLACE, stolen, bytes(1216))
        answer = hq.ask(url, forged)
        from kiosk.ledger.enrolment import make_answer, read_answer

        return make_answer(read_answer(answer, forged, parse_code(digits)), request, parse_code(digits).key)

    monkeypatch.setattr(enrol_command, "ask_office", between)
    _, said, _ = machine.run("--code", digits, "--office", "https://hq", typed="yes\n")
    with pytest.raises(Exception, match="E-908"):
        hq.confirm(digits[:4], shown(said))
    assert not hq.store.logs()
