"""The kiosk's own time from the last note's credit to "take your card", held against what the wires and the disk need.

The kiosk's time is what its ledger says: from the entry of the last note to the entry that closes the sale, after which
the page is shown. The limit is measured in the same run: the same exchanges with the same card through the same pcscd,
with the same cold resets, by a program that does nothing else; and as many durable inserts into SQLite.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from bench_screen import SETTLE_S, idle, memory_mb
from stage import VENDORS, Customer, entries, set_up

VISITS = 7
NOTES_FEN = (5000,)  # the whole amount that the customer chooses: the kiosk goes on by itself
COMMITS = 3  # the note, the write that is intended, the write with the end of the sale
RESETS = 1  # the card is powered afresh before the driver is called
ATTRACT_S = 30

REPLAY = """
import os, sys, time
from smartcard import scard
socket, *apdus = sys.argv[1:]
os.environ["PCSCLITE_CSOCK_NAME"] = socket
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
_, names = scard.SCardListReaders(context, [])
result = 1
while result:
    result, card, protocol = scard.SCardConnect(context, names[1], scard.SCARD_SHARE_EXCLUSIVE, 3)
begun = time.perf_counter()
_, protocol = scard.SCardReconnect(card, scard.SCARD_SHARE_EXCLUSIVE, 3, scard.SCARD_UNPOWER_CARD)
pci = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
for apdu in apdus:
    scard.SCardTransmit(card, pci, list(bytes.fromhex(apdu)))
print((time.perf_counter() - begun) * 1000)
"""


def visit(vendor):
    """Visits of one vendor's card: (kiosk's ms, card's ms, disk's ms, seconds to the first frame, MB, idle share)."""
    with tempfile.TemporaryDirectory() as name, set_up(Path(name), (vendor,)) as world:
        world.open_office()
        world.kiosk.start()
        shots = world.town.shots
        world.wait_until(lambda: any(shots.glob("*attract*")), ATTRACT_S, "the first page")
        first_s = min(shots.glob("*.png")).stat().st_mtime - world.kiosk.started_s
        idle(world.kiosk.pid, SETTLE_S)
        rest = idle(world.kiosk.pid)
        kiosk, wire = [], []
        for _ in range(VISITS):
            said = []
            world.slot.before_answer = lambda apdu, said=said: said.append((time.time() * 1000, apdu))
            Customer(world, world.cards[0], NOTES_FEN).visit()
            world.slot.before_answer = None
            begun_ms, ended_ms = last_sale(entries(world))
            kiosk.append(ended_ms - begun_ms)
            wire.append(replay_ms(world, [apdu for at, apdu in said if begun_ms <= at <= ended_ms]))
            world.cards[0].meter.insert(world.cards[0].chip)
        medians = (statistics.median(kiosk), statistics.median(wire), disk_ms(Path(name)))
        return (*medians, first_s, memory_mb(world.kiosk.pid), rest)


def last_sale(log):
    """UTC ms of the last note's entry and of the entry that closes its sale."""
    note = max(entry.at for entry in log if entry.kind == "note.stacked")
    return note, max(entry.at for entry in log if entry.kind == "sale.closed")


def replay_ms(world, apdus):
    """The same exchanges once more, in pcscd's second slot: the card is told what it was told, and stays as it is."""
    slot = world.pcscd.reader(1)
    slot.insert(world.cards[0].face)
    try:
        words = [apdu.hex() for apdu in apdus]
        command = [sys.executable, "-c", REPLAY, str(world.town.pcscd / "pcscd.comm"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        return float(done.stdout)
    finally:
        slot.remove()


def disk_ms(folder, rows=200):
    """As many durable inserts as the kiosk commits, into a bare table in the same folder."""
    with sqlite3.connect(folder / "raw.db", isolation_level=None) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("CREATE TABLE entry (bytes BLOB)")
        taken = []
        for _ in range(rows):
            begun = time.perf_counter()
            raw.execute("INSERT INTO entry VALUES (?)", (bytes(200),))
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * COMMITS * 1000


__all__ = ["VENDORS", "visit"]
