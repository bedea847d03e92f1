"""没有人付钱，钞箱里却多了一张 · Money comes that nobody put in

Nobody is at the kiosk, and the acceptor reports a note in its box: a note stuck for days has come loose.
It is booked as nobody's money, apart from every sale, and a slip of its own is printed that whoever claims it
needs.
The next customer sees nothing but the first page and a slip; the attendant's list says how much, and when.
"""

from scene import NOTE_FEN, Phase
from stage import VENDORS


def falls(machine, now):
    """A note falls into the box by itself."""
    machine.note_fen, machine.place = NOTE_FEN, "stacker"
    machine._go(Phase.STACKING, now, 1)


def test_it_is_booked_as_nobodys_and_has_a_slip(scene):
    it = scene(VENDORS["nlt"])
    it.free()
    it.wait(lambda: it.world.look.phase is Phase.DISABLED, "the acceptor at rest")
    it.world.acceptor._do(falls)
    it.happens(("没有人在，一张二十元落进钞箱", "Nobody is here; a note of 20 yuan falls into the box"))
    it.slip()
    it.attends([["¥20", "不属于任何购电", "凭条"]], [["¥20", "belongs to no purchase", "slip"]])
    it.money(unassigned=NOTE_FEN)
    customer = it.customer()
    assert customer.visit().startswith("done")
    it.happens(("下一位用户正常购电", "The next customer buys as ever"))
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.slip()
    it.attends([["¥20", "不属于任何购电"]], [["¥20", "belongs to no purchase"]])
    it.money(unassigned=NOTE_FEN)
