"""读卡器掉线了，钱已经放进去 · The reader is unplugged with money in

The card reader goes while money is in and the card is not written.
The money is recorded for the card; when the reader is back, the card is put in again and written.
The customer reads that the reader does not work now and that the money is safe; the attendant's list has the
reader's code.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_the_card_is_written_when_it_is_back(scene):
    it = scene(VENDORS["nlt"])
    customer = it.customer(NOTE_FEN, NOTE_FEN)
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(it.world.look.open_for_fen))
    it.world.slot.remove()
    it.world.inserted = None
    it.world.pcscd.stop()
    it.happens(("读卡器掉线", "The reader is gone"))
    gone = ["读卡器暂时不能用（V-401）", "您已付 ¥20", "不会丢"]
    it.sees("put-back-V-401", gone, ["does not work now (V-401)", "You have paid ¥20", "cannot be lost"])
    it.attends([["读卡器不可用（V-401）"]], [["the card reader cannot work (V-401)"]])
    it.world.pcscd.start()
    it.happens(("读卡器恢复", "The reader is back"))
    it.wait(lambda: it.eyes.page.startswith("put-back") and "V-401" not in it.eyes.page, "the reader")
    customer.notes_fen = (NOTE_FEN,)
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
