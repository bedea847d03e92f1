"""一张纸币卡在收钞器里 · A note jams

A note sticks in the acceptor on its way into the cash box.
It is not credited until the acceptor says that it lies in the box, and it is credited then, when somebody has freed
it.
The customer reads that notes are not taken and what can be done; the attendant's list says which device, and the
screen why.
"""

from scene import NOTE_FEN, Phase
from stage import VENDORS


def jams(it):
    """The note sticks before the cash box; whether it does."""
    look = it.world.acceptor.look
    return look.phase is Phase.STACKING and look.place == "stacker" and it.world.acceptor.jam()


def test_it_is_freed(scene):
    it = scene(VENDORS["nlt"])
    customer = it.customer()
    customer.visit(may_end=lambda: jams(it))
    it.happens(("纸币卡住了", "The note sticks"))
    it.sees("cash-V-412", ["收钞暂停（V-412）", "纸币已记录"], ["(V-412)", "The one inside is recorded"])
    it.code("V-412")
    it.attends([["收钞器不可用（V-412）", "开箱取出"]], [["the note acceptor cannot work (V-412)", "free the note"]])
    it.world.acceptor.clear_jam()
    it.happens(("现场人员取出卡钞，纸币进了钞箱", "The attendant frees the note: it goes into the box"))
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
    it.no_note_is_lost()


def test_nobody_frees_it(scene):
    """Nobody comes for long: the note counts as not accounted for, until somebody looks."""
    it = scene(VENDORS["nlt"], changes="note_ms = 1000\njam_ms = 2500\ndone_ms = 8000", part="nobody-frees-it")
    customer = it.customer(NOTE_FEN, 1000)
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(it.world.look.open_for_fen))
    customer.visit(may_end=lambda: jams(it))
    it.happens(("第二张（十元）卡住，很久没有人来", "The second note (10 yuan) sticks, and nobody comes for long"))
    lost = (["有一张纸币去向不明", "会在凭条上注明"], ["A note cannot be accounted for", "stands on your slip"])
    it.wait(lambda: "note.lost" in it.kinds(), "the verdict")
    it.sees("cash-note-lost-V-412", *lost)
    customer.notes_fen = (NOTE_FEN,)
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "一张 ¥10 的纸币去向不明", "95598"], ["Your card is loaded", "A note of ¥10", "95598"])
    it.slip()
    gone, down = ["一张 ¥10.00 的纸币去向不明", "清点钞箱"], ["收钞器不可用（V-412）"]
    gone_en, down_en = ["a note of ¥10.00 is not accounted for", "count the cash box"], ["the note acceptor", "V-412"]
    it.attends([down, gone], [down_en, gone_en])
    it.money()
    it.world.acceptor.clear_jam()
    it.happens(("现场人员取出卡钞，纸币进了钞箱", "The attendant frees the note: it goes into the box"))
    it.free()
    it.slip()  # of money that belongs to no sale any more
    it.attends([gone, ["¥10", "不属于任何购电"]], [gone_en, ["¥10", "belongs to no purchase"]])
    it.money(unassigned=1000)
