"""凭条纸用完了，没有人在 · There is no paper

The roll is empty before anybody comes.
No cash is taken without paper: nobody shall pay without a slip.
The customer reads that there is no paper and what to do; the attendant's list has the printer, until paper is in.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_no_cash_is_taken(scene):
    it = scene(VENDORS["nlt"])
    it.free()
    it.world.printer.paper_out()
    it.happens(("纸用完了", "The roll is empty"))
    it.sees("out-of-service-V-422", ["暂停服务", "打印纸用完了", "不会丢失"], ["Out of service", "no paper", "lost"])
    it.code("V-422")
    assert not it.world.look.open_for_fen
    it.attends([["打印机不可用（V-422）", "本机不收钱"]], [["the printer cannot work (V-422)", "no cash is taken"]])
    it.world.printer.refill()
    it.happens(("现场人员装纸", "The attendant puts paper in"))
    customer = it.customer()
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
