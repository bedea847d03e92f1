"""The stage of the end-to-end tests: the real programs in a real world, and what must hold after anything happened."""

import json
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import zxingcpp
from PIL import Image

from kiosk.desk.customer import Customer, Eyes
from kiosk.desk.programs import call
from kiosk.desk.town import lay_out
from kiosk.desk.world import World, has_cards
from kiosk.devices.acceptor.validator import Timings, Validator
from kiosk.drivers.manifest import load_manifest
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Vkey
from kiosk.model.card import Unit

ROOT = Path(__file__).resolve().parents[2]
BUILT = {path.parent.name: path.parent for path in sorted((ROOT / "build" / "vendors").glob("*/vendor.toml"))}
VENDORS = {name: folder for name, folder in BUILT.items() if has_cards(load_manifest(folder))}
KEYPADS = {name: folder for name, folder in BUILT.items() if load_manifest(folder).keypad}
PLAYED = ("nlt", "rdk")  # a CPU card served in Python, a memory card served in C: most accidents ask no further
PATIENCE_S = 40
DYING_S = 30


def set_up(folder, vendors, changes="", others=(), reader="pcsc", acceptor="ccnet"):
    """A world with these vendors' cards, and a validator in a hurry. The kiosk serves the ``others``, too."""
    town = lay_out(folder, (*vendors, *others), folder / "screens", changes, reader, acceptor)
    town = replace(town, vendors=town.vendors[: len(vendors)])
    return World(town, offscreen=True, validator=Validator(timings=Timings().faster(6)))


class Power:
    """The kiosk's power and disk, in the hand of the test, from outside (powercut.c)."""

    def __init__(self, world, folder):
        self._world = world
        self._library = folder / "powercut.so"
        source = Path(__file__).with_name("powercut.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", self._library, source, "-ldl"], check=True)
        self._plug = folder / "plug"
        self.full = folder / "disk-is-full"

    def start(self, also="", **more):
        """Starts the kiosk; ``also``: one more library to be preloaded, ``more``: for its environment."""
        files = {"POWERCUT_FILE": "/ledger.db", "POWERCUT_PLUG": str(self._plug), "POWERCUT_FULL": str(self.full)}
        self._world.kiosk.start(LD_PRELOAD=f"{self._library} {also}".strip(), **files, **more)

    def cut(self, at, when):
        """The kiosk dies at its ``at``-th durable write to the ledger from now on, ``before`` or ``after`` it."""
        self._plug.write_text(f"{at} {when}")

    def leave(self):
        """No cut any more."""
        self._plug.unlink(missing_ok=True)

    def off(self):
        """Whether the kiosk is gone. One whose plug has just been pulled is waited for: it may still look alive."""
        kiosk = self._world.kiosk
        if kiosk.running and self._plug.exists() and self._plug.read_text().startswith("0"):
            self._world.wait_until(lambda: not kiosk.running, DYING_S, "the end of a kiosk whose plug is out")
        return not kiosk.running


def entries(world):
    """Every entry of the kiosk's ledger so far."""
    with JournalReader(world.town.kiosk / "ledger.db") as log:
        return [decode(raw) for raw in log.entries(0, log.size)]


def sums(world):
    return json.loads(
        call("ledger", "totals", world.town.kiosk / "ledger.db", "--json", "--key", world.town.kiosk_vkey)
    )


def nothing_is_lost(world, card, taken_fen=0):
    """Notes in the box = notes in the ledger; what was paid is on the card or owed; the meter counts it once.

    ``taken_fen``: what somebody has taken out with the cash box, counted.
    """
    told = sums(world)  # verifies every entry, root and signature on the way
    balances, log = told["balances"], entries(world)
    stacked = sum(entry.data["fen"] for entry in log if entry.kind in ("note.stacked", "coin.credited"))
    assert balances.get("cash:box", 0) == world.box_fen() + taken_fen == stacked
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
    """Every sale that took money has a slip whose code verifies; a slip that the power cut short has none."""
    proven = set()
    for paper in world.papers():
        for code in zxingcpp.read_barcodes(Image.open(paper)):
            told = call("receipt", "verify", code.text, "--key", key)
            proven.add(int(told.partition(" as entry ")[2].partition(" ")[0]))
    assert proven == {entry.seq for entry in entries(world) if entry.kind == "sale.closed" and entry.data["paid"]}


def office_size(world):
    """How many entries head office has cosigned."""
    origin = Vkey.parse(world.town.kiosk_vkey.read_text().strip()).name
    answer = httpx.get(
        f"http://127.0.0.1:{world.town.hq_port}/v1/logs/{sha256(origin.encode()).hexdigest()}/checkpoint"
    )
    return int(answer.text.split("\n")[1]) if answer.status_code == 200 else 0


__all__ = ["VENDORS", "Customer", "Eyes", "Power", "entries", "nothing_is_lost", "set_up"]
