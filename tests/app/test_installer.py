"""What the kiosk makes of what the downlink offers: read, held against the ledger, kept, told to the sale."""

from types import SimpleNamespace

import pytest

from kiosk.app.in_force import InForce, Shelf, kept_list, really_in_force
from kiosk.app.installer import Installer, Selling, Who, vkeys_in
from kiosk.billing.blocked import BlockedCard, BlockList
from kiosk.billing.book import PriceBook, parse_prices
from kiosk.billing.messages import Message, MessageList
from kiosk.ledger.entry import Entry
from kiosk.ledger.note import HEAD_OFFICE, TERMINAL, Vkey
from kiosk.ledger.sealing import load_sealing_key, make_sealing_key, seal
from kiosk.model import targets
from kiosk.model.errors import ConfigFault
from kiosk.sale.arrivals import DownlinkSaid, ListsArrived, MessageOfTheDay, NewList, OtherList, RefusedList
from kiosk.sale.books import Memory
from kiosk.sale.entries import arrival
from kiosk.sale.events import DeviceDown, DeviceUp
from kiosk.sync.downlink.offer import FILES, Offer, write_offer

OWN = Vkey("power.example/kiosk/420100/0007/1", TERMINAL, bytes(32))
OFFICE = Vkey("power.example/ledger-hq/1", HEAD_OFFICE, bytes(32))
OLD, NEW = PriceBook(7, {"0001": 5600}), PriceBook(8, {"0001": 6000}, "20261231")
SECRETS = targets.for_terminal("420100/0007", targets.SECRETS)


class Parts:
    """Card slot and token maker: they note what they were told to sell by."""

    def __init__(self):
        self.told = []

    def use_prices(self, prices):
        self.told.append(prices)

    def use(self, prices=None, customers=None):
        self.told.append(prices or customers)


class Vendors:
    """Sent folders: each is good, bad or not known yet."""

    verdict = None

    def is_good(self, name, digest, serving):
        if self.verdict is False:
            raise ConfigFault("F-703", name)
        return self.verdict


class Kiosk:
    def __init__(self, folder):
        self.folder = folder
        (folder / "downlink" / FILES).mkdir(parents=True)
        self.shelf = Shelf(folder / "lists", folder / "downlink" / FILES)
        self.memory, self.posted, self.parts, self.again = Memory(), [], Parts(), []
        self.day = "20261124120000"
        self.see("price", OLD, b"note")
        self.opener, self.vendors = None, Vendors()
        self.begin()

    def begin(self):
        kept = kept_list(self.memory, self.shelf, "price", parse_prices)
        held = set(really_in_force(self.memory, self.shelf))
        self.selling = Selling(
            InForce(kept or OLD), held, self.parts, self.parts, self.folder / "vkeys.txt", self.shelf,
            lambda: self.again.append(1),
        )  # fmt: skip
        clock = SimpleNamespace(civil=lambda: self.day)
        self.installer = Installer(
            self.folder / "downlink", self.shelf, self.memory, Who(OWN, self.opener), self.selling, self.vendors, clock,
            self.posted.append,
        )  # fmt: skip

    def see(self, name, content, digest):
        self.commit(arrival(NewList(name, digest, content)))

    def commit(self, draft):
        seq = 0 if self.memory.last is None else self.memory.last.seq + 1
        self.memory.see(Entry(seq, 0, 1, draft.kind, None, (), draft.data))

    def offer(self, version=3, code="", **texts):
        """Under the list's own name; ``secrets`` is this terminal's."""
        names = {
            "prices": targets.PRICES,
            "blocked": targets.BLOCKED,
            "messages": targets.MESSAGES,
            "vendor": "vendors/rdk.tar",
        }
        names |= {"vkeys": targets.VKEYS, "secrets": SECRETS}
        offered = {}
        for name, text in texts.items():
            digest = self.shelf.put(text.encode())
            (self.folder / "lists" / digest.hex()).replace(self.folder / "downlink" / FILES / digest.hex())
            offered[names[name]] = digest.hex()
        write_offer(self.folder / "downlink", Offer(version, 1, code, offered))
        return self

    def look(self):
        """What was posted about lists, in one look."""
        self.posted.clear()
        self.installer.look()
        return [each for event in self.posted if isinstance(event, ListsArrived) for each in event.lists]

    def install(self):
        """The sale takes up all that is there."""
        found = self.look()
        for each in found:
            self.commit(arrival(each))
        self.selling.use(tuple(each for each in found if isinstance(each, NewList)))
        return found


@pytest.fixture
def kiosk(tmp_path):
    return Kiosk(tmp_path)


def test_a_newer_list_is_told_until_it_is_in_force_and_kept_before_that(kiosk):
    kiosk.offer(prices=NEW.text())
    (told,) = kiosk.look()
    assert told.name == "price" and told.content == NEW
    assert (kiosk.folder / "lists" / told.sha256.hex()).read_text() == NEW.text()
    assert kiosk.look() == [told], "until the ledger says so"
    kiosk.install()
    assert kiosk.parts.told == [NEW, NEW] and kiosk.look() == []
    kiosk.begin()
    assert kiosk.selling.prices == NEW, "after a restart, too"


def test_a_list_in_force_whose_file_is_gone_comes_again(kiosk):
    kiosk.offer(prices=NEW.text()).install()
    for folder in ("lists", "downlink/files"):
        for path in (kiosk.folder / folder).iterdir():
            path.unlink()
    kiosk.begin()
    kiosk.offer(prices=NEW.text())
    assert [each.content for each in kiosk.look()] == [NEW]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("prices", OLD.text().replace("5600", "0"), "F-702"),
        ("prices", PriceBook(6, {"0001": 1}).text(), "F-702"),  # older than the one in force
        ("blocked", "prepaid-kiosk/prices/v1\n", "F-712"),
        ("messages", "", "F-713"),
        ("vkeys", f"{OFFICE}\n", "F-714"),  # without this terminal's own
        ("vkeys", f"{OWN}\n", "F-714"),
        ("vkeys", f"{OWN}\n{OFFICE}\n\n", "F-714"),
        ("secrets", "prepaid-kiosk/sealed/v1\n", "F-715"),
    ],
)
def test_what_cannot_be_used_is_kept_out_with_its_code_and_told_once(kiosk, name, text, code):
    (told,) = kiosk.offer(**{name: text}).install()
    assert isinstance(told, RefusedList) and told.code == code
    assert kiosk.parts.told == [] and kiosk.look() == []


def test_the_same_version_that_lies_here_as_a_note_is_nothing_new(kiosk):
    assert kiosk.offer(prices=OLD.text()).look() == []


def test_all_public_keys_become_a_file(kiosk):
    kiosk.offer(version=9, vkeys=f"{OWN}\n{OFFICE}\n")
    assert [each.content for each in kiosk.install()] == [OtherList(9)]
    assert (kiosk.folder / "vkeys.txt").read_text() == f"{OWN}\n{OFFICE}\n"
    assert vkeys_in(f"{OWN}\n{OFFICE}\n", OWN) == [OWN, OFFICE]
    kiosk.offer(version=10, vkeys=f"{OWN}\n{OFFICE}\n")
    assert kiosk.look() == [], "published again, and the same"


def test_sealed_secrets_are_tried_at_once_and_the_parts_are_made_anew(kiosk):
    (kiosk.folder / "passphrase").write_text("never use in a real system")
    for name in ("own", "other"):
        make_sealing_key(kiosk.folder / name, kiosk.folder / "passphrase", "420100/0007")
    own, other = (
        load_sealing_key(kiosk.folder / n, kiosk.folder / "passphrase", "420100/0007") for n in ("own", "other")
    )
    kiosk.opener = own
    kiosk.begin()
    (refused,) = kiosk.offer(secrets=seal(other.key, 2, b'rdk = "x"').text()).install()
    assert refused.code == "F-715" and kiosk.again == []
    (told,) = kiosk.offer(secrets=seal(own.key, 2, b'rdk = "x"').text()).install()
    assert told.content == OtherList(2) and kiosk.again == [1]
    (nonsense,) = kiosk.offer(secrets=seal(own.key, 3, b"rdk = no text").text()).install()
    assert nonsense.code == "F-715" and kiosk.again == [1], "opened, and of no use"
    (old,) = kiosk.offer(secrets=seal(own.key, 1, b'rdk = "old"').text()).install()
    assert old.code == "F-715" and kiosk.again == [1], "an older one played again"


def test_the_price_list_past_its_last_day_stops_the_taking_of_cash(kiosk):
    kiosk.offer(prices=NEW.text()).install()
    kiosk.day = "20261231235959"
    kiosk.look()
    assert DeviceUp("prices") in kiosk.posted
    kiosk.day = "20270101000000"
    kiosk.look()
    assert DeviceDown("prices", "F-711") in kiosk.posted


def test_how_the_repository_stands_is_told_until_it_is_recorded(kiosk):
    kiosk.offer(code="S-632").look()
    assert DownlinkSaid("S-632") in kiosk.posted
    kiosk.memory.downlink = "S-632"
    kiosk.look()
    assert not any(isinstance(event, DownlinkSaid) for event in kiosk.posted)


def test_the_message_of_the_day_comes_and_goes(kiosk):
    kiosk.offer(messages=MessageList(1, (Message("20261124", "20261124", "今天", "Today"),)).text()).install()
    kiosk.look()
    assert MessageOfTheDay({"zh-CN": "今天", "en": "Today"}) in kiosk.posted
    kiosk.day = "20261125000000"
    kiosk.look()
    assert MessageOfTheDay({}) in kiosk.posted


def test_a_block_list_goes_to_the_sale(kiosk):
    listed = BlockList(1, (BlockedCard("0001", "1", "2", 0, "lost"),))
    assert [each.content for each in kiosk.offer(blocked=listed.text()).install()] == [listed]


def test_a_vendors_folder_waits_for_its_check(kiosk):
    kiosk.offer(version=4, vendor="a tar")
    assert kiosk.look() == []
    kiosk.vendors.verdict = True
    (told,) = kiosk.install()
    assert (told.name, told.content) == ("vendor/rdk", OtherList(4)) and kiosk.again == [1]
    assert kiosk.look() == [] and kiosk.memory.version("vendor/rdk") == 4


def test_a_vendors_folder_that_does_not_conform_is_kept_out(kiosk):
    kiosk.vendors.verdict = False
    (told,) = kiosk.offer(vendor="a tar").install()
    assert (told.code, kiosk.again) == ("F-703", []) and kiosk.look() == []


def test_a_damaged_file_is_not_read_and_others_do_not_wait_for_it(kiosk):
    listed = BlockList(1)
    kiosk.offer(prices=NEW.text(), blocked=listed.text())
    for path in (kiosk.folder / "downlink" / FILES).iterdir():
        if path.read_text() == NEW.text():
            path.write_text(NEW.text().replace("6000", "0001"))
    assert [each.content for each in kiosk.look()] == [listed]


def test_a_list_on_the_shelf_that_was_damaged_is_taken_from_what_came_down(kiosk):
    (told,) = kiosk.offer(prices=NEW.text()).install()
    (kiosk.folder / "lists" / told.sha256.hex()).write_text(NEW.text().replace("6000", "6001"))
    kiosk.begin()
    assert kiosk.selling.prices == NEW
    (kiosk.folder / "downlink" / FILES / told.sha256.hex()).write_text("torn")
    assert kiosk.shelf.get(told.sha256) is None


def test_a_key_list_of_nonsense_is_said_so():
    with pytest.raises(ConfigFault, match="F-714"):
        vkeys_in("nonsense", OWN)
