"""有人在用户付钱时取走了钞箱 · Somebody takes the cash box out while a customer pays

The cash box is pulled out while a customer is paying; one note is in it.
What was in it is booked and on the slip, so whoever has the box owes what the ledger says; nothing more is taken.
The customer reads that notes are not taken and that the money in can be written; the attendant's list says that the
box is out.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_the_ledger_knows_what_was_in_it(scene):
    it = scene(VENDORS["nlt"])
    customer = it.customer(NOTE_FEN, NOTE_FEN)
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(it.world.look.open_for_fen))
    taken = it.world.acceptor.take_box()
    it.happens(("有人取走了钞箱", "Somebody takes the cash box out"))
    assert taken == {NOTE_FEN: 1}
    it.sees("cash-V-414", ["收钞暂停（V-414）", "已付的钱可以现在写卡"], ["(V-414)", "What you paid can be written"])
    it.attends([["收钞器不可用（V-414）"]], [["the note acceptor cannot work (V-414)"]])
    customer.notes_fen = ()
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.slip()
    it.sees("out-of-service-V-414", ["暂停服务", "钞箱不在"], ["Out of service", "The cash box is out"])
    it.world.acceptor.put_box()
    it.happens(("钞箱装回去了", "The box is put back"))
    it.free()
    it.attends()
    it.money(taken_fen=NOTE_FEN)
