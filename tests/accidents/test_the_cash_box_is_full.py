"""钞箱满了 · The cash box is full

The note that goes in is the last one that the cash box holds.
It is credited like any other, and what is paid can be written; no more is taken until the box has been emptied.
The customer reads that notes are not taken and that the money in can be written; the next one, that the kiosk is
out of service; the attendant's list has the code.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_what_is_paid_is_written_and_nothing_more_is_taken(scene):
    it = scene(VENDORS["nlt"])
    it.world.acceptor.machine.capacity = 1
    customer = it.customer(NOTE_FEN)
    customer.notes_fen = (NOTE_FEN, NOTE_FEN)
    customer.visit(may_end=lambda: "V-413" in customer.eyes.page)
    it.happens(("第一张纸币之后钞箱满了", "After the first note the box is full"))
    it.sees("cash-V-413", ["收钞暂停（V-413）", "已付的钱可以现在写卡"], ["(V-413)", "What you paid can be written"])
    customer.notes_fen = (NOTE_FEN,)
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.slip()
    it.sees(
        "out-of-service-V-413", ["暂停服务", "钞箱满了", "不会丢失"], ["Out of service", "The cash box is full", "lost"]
    )
    it.code("V-413")
    it.attends([["收钞器不可用（V-413）", "本机不收钱"]], [["cannot work (V-413)", "no cash is taken"]])
    it.money()
    taken = it.world.acceptor.take_box()
    it.world.acceptor.put_box()
    it.happens(
        ("现场人员清点：一张二十元，与账本相符；装回空钞箱", "The attendant counts one note of 20, as the ledger says")
    )
    assert taken == {NOTE_FEN: 1}
    it.free()
    it.attends()
    it.money(taken_fen=NOTE_FEN)
