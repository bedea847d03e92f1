"""厂家的驱动在写卡时崩溃 · The vendor's driver crashes while it writes

The program of the card's vendor dies in the middle of a write, once; for the next customer, every time.
It runs in a process of its own: the kiosk starts it again, has the card read, and writes what is missing; after
three times the money stays owed to the card and is written first at its next visit.
The customer sees the card written as ever, or reads that the money is recorded and why it is not on the card; the
attendant's list has what is owed, with the driver's code.
"""

import os
import signal
from pathlib import Path

from scene import NOTE_FEN
from stage import VENDORS

VERIFY, UPDATE = 0x20, 0xD6  # a purchase asks for the PIN first


def drivers_of(kiosk, abbr):
    """The processes that run this vendor's program, wherever its sandbox put them."""
    parents, words = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words[int(folder.name)] = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
    ours = {kiosk.pid}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return [pid for pid in ours if abbr in words[pid] and b"bwrap" not in words[pid][0]]


def crashing(it, at, times):
    """This command to the card is the last thing the driver does; so often."""
    left = [times]

    def hear(apdu):
        if apdu[1] == at and left[0]:
            left[0] -= 1
            victims = drivers_of(it.world.kiosk, b"NLT")
            assert victims
            for pid in victims:
                os.kill(pid, signal.SIGKILL)

    return hear


def test_once_and_every_time(scene):
    it = scene(VENDORS["nlt"], changes="done_ms = 8000")
    customer = it.customer()
    it.world.slot.before_answer = crashing(it, UPDATE, 1)
    it.happens(("驱动崩溃一次", "The driver crashes once"))
    assert customer.visit().startswith("done")
    assert {entry.data["code"] for entry in it.entries() if entry.kind == "write.failed"} == {"D-301"}
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
    it.world.pull()
    it.free()
    customer = it.customer()
    it.world.slot.before_answer = crashing(it, VERIFY, 9)
    it.happens(("下一次，驱动每次都崩溃", "The next time it crashes every time"))
    customer.visit()
    owing = ["钱已记账", "处理这家电卡的程序出了问题", "本机欠您 ¥20"]
    it.sees("done-owed-D-301", owing, ["Paid, recorded", "The program for this vendor", "We owe you ¥20"])
    it.slip()
    it.attends([["欠户号 042010023567", "¥20.00", "D-301"]], [["¥20.00 owed to customer 042010023567", "D-301"]])
    it.money(owed=NOTE_FEN)
    it.world.slot.before_answer = None
    it.world.pull()
    it.free()
    it.happens(("厂家修好后，用户再来", "The vendor has mended it, and the customer comes again"))
    it.comes_back().visit()
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
