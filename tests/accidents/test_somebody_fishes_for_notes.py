"""有人用线钓钞 · Somebody fishes for notes

Somebody puts a tool into the slot while a customer is paying; the acceptor notices.
What was credited before is in the box and can be written; no cash is taken for ten minutes, and a note in escrow
goes back.
The customer reads that notes are not taken and that the money in is safe; the attendant's list says that somebody
tampered, and what to look for.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_it_is_recorded_and_no_cash_is_taken(scene):
    it = scene(VENDORS["nlt"])
    customer = it.customer(NOTE_FEN, NOTE_FEN)
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(it.world.look.open_for_fen))
    assert it.world.acceptor.cheat()
    it.happens(("有人把工具伸进入钞口", "Somebody puts a tool into the slot"))
    it.sees("cash-V-416", ["收钞暂停（V-416）", "已付的钱可以现在写卡"], ["(V-416)", "What you paid can be written"])
    tampered, paused = ["收钞器做手脚", "录像"], ["收款口不可用（V-416）"]
    tampered_en, paused_en = ["somebody tampered with the note acceptor", "video"], ["the slot for cash", "V-416"]
    it.attends([paused, tampered], [paused_en, tampered_en])
    customer.notes_fen = (NOTE_FEN,)
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.slip()
    it.sees("out-of-service-V-416", ["暂停服务", "收钞口需要检查"], ["Out of service", "must be looked at"])
    it.code("V-416")
    it.world.kiosk.stop()
    it.power.start()
    it.happens(("现场人员检查入钞口，重启终端", "The attendant looks into the slot and restarts the kiosk"))
    it.free()
    it.attends([tampered], [tampered_en])  # stays on the list: somebody must look at the video
    it.money()
