"""Head office publishes; the running kiosk sells at the new price, refuses a lost card, brings what is owed."""

import shutil
import subprocess
import sys

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
from kiosk.model.errors import ConfigFault
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

    def put(self, name, text, refused=""):
        """By the command that staff use; ``refused``: the code with which it must not succeed."""
        (self.folder / "sent").write_text(text, encoding="utf-8")
        given = name if "=" in name else f"{name}={self.folder / 'sent'}"
        words = ("hq", "publish", "put", "--data", self.world.town.hq, *f"--{given}".split("=", 1))
        if refused:
            with pytest.raises(ConfigFault, match=refused):
                call(*words)
            return
        call(*words)

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
    world.wait_until(lambda: last(world, "write.done").get("voucher") == row.no, 10, "its entry, after the read back")


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


def test_settings_and_staff_come_to_a_running_kiosk(stage):
    """The words on the screen and the amounts change between two visits; staff's PINs are known beside the kiosk."""
    world, power = stage(VENDORS["rdk"], changes=POLL)
    office, (card,) = Publishing(world), world.cards
    power.start()
    assert Customer(world, card, (5000,)).visit() == "done-zh-CN"
    drive(card)
    office.put("settings", 'version = 1\n[terminal]\nphone = "12398"\n[visit]\namounts_fen = [5000, 10000]\n')
    own = settings_file(world, 1, 'operator_zh = "江城电力"')
    office.put(f"own-settings={WHO}={own}", "")
    office.arrives("settings.installed", 1)
    world.wait_until(lambda: (world.town.kiosk / "settings" / "own.toml").exists(), 40, "the terminal's own settings")
    customer = Customer(world, card, (5000,))
    assert customer.visit() == "done-zh-CN" and nothing_is_lost(world, card) == 0
    assert any("江城电力" in line for line in customer.eyes.words), "the frame names the operator anew"

    own = settings_file(world, 2, "operator_zh = 7")
    office.put(f"own-settings={WHO}={own}", "", refused="F-718")
    staff = [sys.executable, "-m", "kiosk", "hq", "staff", "add", "1001", "--zh", "李四", "--en", "Li Si"]
    staff += ["--roles", "attendant", "--data", world.town.hq]
    subprocess.run(staff, input="402917\n402917\n", text=True, check=True, capture_output=True)
    key = world.town.kiosk / "sealing-key.txt"
    call("hq", "publish", "staff", "--key", key, "--data", world.town.hq)
    office.arrives("staff.installed", 1)
    check = [sys.executable, "-m", "kiosk", "staff", "check", "1001", "--config", world.town.config]
    told = [subprocess.run(check, input=f"{pin}\n", text=True, capture_output=True) for pin in ("402917", "402918")]
    assert [done.returncode for done in told] == [0, 1] and "李四" in told[0].stdout

    world.kiosk.pull_plug()
    power.start()
    assert Customer(world, card, (5000,)).visit() == "done-zh-CN", "over a power cut"
    assert [e.data["name"] for e in entries(world) if e.kind == "settings.installed"].count("own") == 1


def settings_file(world, version, line):
    path = world.town.folder / "own-settings.toml"
    path.write_text(f"version = {version}\n[terminal]\n{line}\n", encoding="utf-8")
    return path
