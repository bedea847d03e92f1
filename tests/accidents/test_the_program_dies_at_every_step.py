"""程序在每一步都可能死掉 · The program dies at every step

The program is killed just after it wrote down that it will write the card: nobody knows whether it did.
Every other step is played by tests/e2e/test_plug_pulled, for money, card and slip; this one shows what people see.
What was recorded decides: at the next start the card is read, and written if the purchase is not on it.
The customer reads that the power failed and that what was paid is recorded; the attendant has nothing to do.
"""

from scene import NOTE_FEN
from stage import VENDORS

WRITE_INTENDED = 5  # of the durable writes of this visit


def test_it_dies_before_the_card_is_written(scene):
    it = scene(VENDORS["rdk"])
    it.free()
    customer = it.customer()
    it.power.cut(WRITE_INTENDED, "after")
    customer.visit(may_end=it.power.off)
    it.power.leave()
    assert it.kinds()[-1] == "write.intended"
    it.world.pull()
    it.happens(("程序被杀死；用户取走了卡；程序重新启动", "The program is killed; the card is taken; it starts again"))
    it.power.start()
    said = ["刚才断电了", "您付的 ¥20 已记录", "不会重复"]
    it.sees("put-back-doubt-resumed", said, ["The power failed", "¥20 you paid are recorded", "written twice"])
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
