"""The stage of the end-to-end tests: the real programs in a real world, and what must hold after anything happened."""

import json
import subprocess
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import zxingcpp
from PIL import Image

from kiosk.desk.customer import Customer
from kiosk.desk.programs import call
from kiosk.desk.town import lay_out
from kiosk.desk.world import World
from kiosk.devices.acceptor.ccnet.validator import Timings, Validator
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Vkey
from kiosk.model.card import Unit

ROOT = Path(__file__).resolve().parents[2]
VENDORS = {path.parent.name: path.parent for path in (ROOT / "build" / "vendors").glob("*/vendor.toml")}
PATIENCE_S = 40


def set_up(folder, vendors, changes="", others=(), **more):
    """A world with these vendors' cards, and a validator in a hurry. The kiosk serves the ``others``, too."""
    town = lay_out(folder, (*vendors, *others), folder / "screens", changes)
    town = replace(town, vendors=town.vendors[: len(vendors)])
    return World(town, offscreen=True, validator=Validator(timings=Timings().faster(6)), **more)


class Power:
    """The kiosk's power: kills its process at an exact write, and fills its disk, from outside (powercut.c)."""

    def __init__(self, world, folder):
        self._world, self._folder = world, folder
        self._library = folder / "powercut.so"
        source = Path(__file__).with_name("powercut.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", self._library, source, "-ldl"], check=True)
        self.full = folder / "disk-is-full"

    def start(self, at=0, when="after"):
        """Starts the kiosk; it dies at its ``at``-th durable write to the ledger."""
        kiosk = self._world.kiosk
        settings = {
            "LD_PRELOAD": str(self._library),
            "POWERCUT_AT": str(at),
            "POWERCUT_WHEN": when,
            "POWERCUT_FILE": "/ledger.db",
            "POWERCUT_FULL": str(self.full),
        }
        kiosk.start(**settings)

    def off(self):
        return not self._world.kiosk.running


def entries(world):
    """Every entry of the kiosk's ledger so far."""
    with JournalReader(world.town.kiosk / "ledger.db") as log:
        return [decode(raw) for raw in log.entries(0, log.size)]


def sums(world):
    return json.loads(
        call("ledger", "totals", world.town.kiosk / "ledger.db", "--json", "--key", world.town.kiosk_vkey)
    )


def nothing_is_lost(world, card):
    """Notes in the box = notes in the ledger; what was paid is on the card or owed; the meter counts it once."""
    told = sums(world)  # verifies every entry, root and signature on the way
    balances, log = told["balances"], entries(world)
    stacked = sum(entry.data["fen"] for entry in log if entry.kind == "note.stacked")
    assert balances.get("cash:box", 0) == world.box_fen() == stacked
    owed = -sum(fen for account, fen in balances.items() if account.startswith("owed:"))
    sold = -sum(fen for account, fen in balances.items() if account.startswith("sold:"))
    assert owed >= 0 and sold + owed + -balances.get("unassigned", 0) == stacked
    written = [entry.data for entry in log if entry.kind == "write.done"]
    assert len({entry["count"] for entry in written}) == len(written)
    meter = card.meter.insert(card.chip)
    assert meter["count"] == len(written) == card.reading().count
    assert meter["remaining"] == sum(each["fen" if card.unit is Unit.MONEY else "energy"] for each in written)
    return owed


def slips_are_genuine(world, key):
    """Every slip's code verifies, and no closed sale has moved money without one."""
    numbers = Counter()
    for paper in world.papers():
        codes = zxingcpp.read_barcodes(Image.open(paper))
        assert len(codes) == 1, paper
        told = call("receipt", "verify", codes[0].text, "--key", key)
        numbers[told.partition(" as entry ")[2].partition(" ")[0]] += 1
    return numbers


def office_size(world):
    """How many entries head office has cosigned."""
    origin = Vkey.parse(world.town.kiosk_vkey.read_text().strip()).name
    answer = httpx.get(
        f"http://127.0.0.1:{world.town.hq_port}/v1/logs/{sha256(origin.encode()).hexdigest()}/checkpoint"
    )
    return int(answer.text.split("\n")[1]) if answer.status_code == 200 else 0


__all__ = ["VENDORS", "Customer", "Power", "entries", "nothing_is_lost", "set_up"]
