"""Head office publishes; the running kiosk sells at the new price, refuses a lost card, brings what is owed."""

import shutil

import pytest
from stage import VENDORS, Customer, entries, nothing_is_lost

from kiosk.billing.blocked import BlockedCard, BlockList
from kiosk.billing.book import PriceBook
from kiosk.billing.owed import OwedList, OwedRow
from kiosk.desk.programs import call
from kiosk.hq.publish import keyfiles
from kiosk.hq.publish.repository import ROLES, Repository
from kiosk.model import targets
from kiosk.model.clock import SystemClock
from kiosk.model.texts import load_texts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WHO = "420100/0007"
POLL = "\n[downlink]\npoll_ms = 1000\n"
TEXTS = VENDORS["rdk"].parents[2] / "assets" / "text"


class Publishing:
    """Head office's hand on what is published, beside its running server."""

    def __init__(self, world):
        self.world, self.folder = world, world.town.folder
        call("hq", "publish", "init", "--data", world.town.hq, "--root-keys", self.folder / "root")
        repository = world.town.hq / "publish" / "repository"
        shutil.copyfile(repository / "metadata" / "1.root.json", world.town.kiosk / "tuf-root.json")
        self.repository = Repository(repository, SystemClock())
        keys = world.town.hq / "publish" / "keys"
        self.keys = {role: keyfiles.found([keys], f"{role}-")[0] for role in ROLES}

    def put(self, name, text):
        """By the command that staff use."""
        (self.folder / "sent").write_text(text, encoding="utf-8")
        given = name if "=" in name else f"{name}={self.folder / 'sent'}"
        call("hq", "publish", "put", "--data", self.world.town.hq, *f"--{given}".split("=", 1))

    def publish(self, name, text):
        """What staff's commands make out of the database."""
        self.repository.publish({name: text.encode()}, self.keys)

    def arrives(self, kind, version):
        def is_there():
            return any(e.kind == kind and e.data["version"] == version for e in entries(self.world))

        self.world.wait_until(is_there, 40, f"{kind} {version}")


def last(world, kind):
    return [entry for entry in entries(world) if entry.kind == kind][-1].data


def test_prices_lost_cards_and_debts_come_down_to_a_running_kiosk(stage):
    world, power = stage(VENDORS["rdk"], changes=POLL)
    office, (card,) = Publishing(world), world.cards
    vendor = card.manifest.vendor.code
    power.start()
    assert Customer(world, card, (5000,)).visit() == "done-zh-CN"
    before = last(world, "sale.opened")
    assert before["tariff"] == 1
    drive(card)

    office.put("prices", PriceBook(2, {vendor: before["price"] + 1000}, "20991231").text())
    office.arrives("price.installed", 2)
    assert Customer(world, card, (5000,)).visit() == "done-zh-CN"
    sold = last(world, "sale.opened")
    assert (sold["tariff"], sold["price"]) == (2, before["price"] + 1000)
    assert nothing_is_lost(world, card) == 0

    reading = card.reading()
    lost = BlockedCard(vendor, reading.customer, reading.meter, reading.count, "stolen")
    office.put("blocked", BlockList(1, (lost,)).text())
    office.arrives("blocked.installed", 1)
    customer = Customer(world, card, (5000,))
    assert customer.visit() == "refused-C-118-zh-CN" and customer.paid_fen == 0
    assert any("这张卡已挂失" in line for line in customer.eyes.words)
    assert "lost or stolen" in load_texts(TEXTS, "screens", "en").text("what.C-118")
    assert last(world, "card.blocked")["why"] == "stolen"

    row = OwedRow("0007-3f2a91c0de", vendor, reading.customer, reading.meter, reading.region, 3000, 5000, reading.count)
    office.publish(targets.OWED, OwedList(1, (row,)).text())
    office.put("blocked", BlockList(2).text())
    office.arrives("blocked.installed", 2)
    office.arrives("owed.installed", 1)
    world.insert(card)
    world.wait_until(lambda: card.reading().count == reading.count + 1, 40, "the debt on the card")
    assert last(world, "write.done")["voucher"] == row.no


def drive(card):
    """The customer puts the card into the meter, which takes the purchase."""
    card.meter.insert(card.chip)


def test_what_is_in_force_stays_so_without_head_office_and_over_a_power_cut(stage):
    world, power = stage(VENDORS["rdk"], changes=POLL)
    office, (card,) = Publishing(world), world.cards
    vendor = card.manifest.vendor.code
    office.put("prices", PriceBook(2, {vendor: 7000}).text())
    call("hq", "publish", "lists", "--data", world.town.hq)
    power.start()
    office.arrives("price.installed", 2)
    world.wait_until(lambda: (world.town.kiosk / "vkeys.txt").exists(), 40, "all public keys")
    told = (world.town.kiosk / "vkeys.txt").read_text().splitlines()
    assert {world.town.kiosk_vkey.read_text().strip(), world.town.hq_vkey.read_text().strip()} <= set(told)

    world.office.stop()
    world.kiosk.pull_plug()
    power.start()
    assert Customer(world, card, (5000,)).visit() == "done-zh-CN"
    assert last(world, "sale.opened")["price"] == 7000
    assert [e.data["version"] for e in entries(world) if e.kind == "price.installed"] == [1, 2]
    assert nothing_is_lost(world, card) == 0


def test_a_vendor_that_settings_do_not_name(stage):
    """Its folder comes down, is checked while the kiosk sells, and its cards are served without anybody's hand."""
    world, power = stage(VENDORS["rdk"], VENDORS["nlt"], changes=POLL)
    Publishing(world)
    known, new = world.cards
    settings = world.town.config.read_text()
    world.town.config.write_text(settings.replace(f', "{VENDORS["nlt"]}"', ""))
    assert world.town.config.read_text() != settings
    power.start()
    assert Customer(world, new, ()).visit().startswith("refused-C-10")
    call("hq", "publish", "put", "--data", world.town.hq, "--vendor", VENDORS["nlt"])
    assert Customer(world, known, (5000,)).visit() == "done-zh-CN", "meanwhile"
    world.wait_until(lambda: any(e.kind == "vendor.installed" for e in entries(world)), 120, "the vendor in force")
    assert last(world, "vendor.installed")["name"] == "nlt"
    assert Customer(world, new, (5000,)).visit() == "done-zh-CN"


def test_secrets_that_were_sealed_to_this_terminal(stage):
    """The vault has none for this vendor; it comes down sealed, and the vendor is served without anybody's hand."""
    world, power = stage(VENDORS["rdk"], changes=POLL)
    office, (card,) = Publishing(world), world.cards
    vault = world.town.folder / "vendor-secrets.toml"
    right = vault.read_text()
    vault.write_text("")
    power.start()
    assert Customer(world, card, ()).visit() == "refused-C-108-zh-CN"  # nobody uses such a chip yet
    (world.town.folder / "right").write_text(right)
    key, sealed = world.town.kiosk / "sealing-key.txt", world.town.folder / "sealed"
    call("hq", "seal", "--key", key, "--secrets", world.town.folder / "right", "--version", 1, "--out", sealed)
    call("hq", "publish", "put", "--data", world.town.hq, "--secrets", f"{WHO}={world.town.folder / 'sealed'}")
    office.arrives("secrets.installed", 1)
    assert Customer(world, card, (5000,)).visit() == "done-zh-CN"
    assert nothing_is_lost(world, card) == 0
