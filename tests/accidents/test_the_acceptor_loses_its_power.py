"""收钞器自己断电了，一张纸币正在里面 · The acceptor alone loses its power with a note inside

Only the acceptor's power goes, between escrow and cash box; the kiosk runs on.
At its power-up the acceptor says that a note lies in the stacker: it is the note that was recorded, and is credited
once.
The customer reads that the acceptor does not answer and may wait or come back; the attendant's list has the code
until it is back.
"""

from scene import NOTE_FEN, Phase
from stage import VENDORS


def test_the_note_is_credited_when_the_power_is_back(scene):
    it = scene(VENDORS["nlt"])
    customer = it.customer()
    inside = lambda: it.world.look.phase is Phase.STACKING and it.world.look.place == "stacker"  # noqa: E731
    customer.visit(may_end=lambda: inside() and (it.world.acceptor.power_off() or True))
    it.happens(("收钞器断电", "The acceptor loses its power"))
    it.sees("cash-V-411", ["收钞暂停（V-411）"], ["No notes now (V-411)"])
    it.attends([["收钞器不可用（V-411）"]], [["the note acceptor cannot work (V-411)"]])
    it.world.acceptor.power_on()
    it.happens(("收钞器来电", "The acceptor has its power again"))
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
    it.no_note_is_lost()
