"""凭条打到一半没纸了 · The paper runs out in the middle of the slip

The card is written; the roll ends in the middle of the slip.
The sale stands in the ledger and the credit on the card: the slip alone is missing, and half of one has no code.
The customer reads that the slip did not come out and that the sale is recorded; the attendant's list names the
slip, and the printer until paper is in.
"""

from stage import VENDORS


def test_the_screen_says_what_the_slip_would_have_said(scene):
    it = scene(VENDORS["nlt"], changes="done_ms = 15000")
    customer = it.customer()
    customer.visit(may_end=lambda: customer.paid_fen == sum(customer.notes_fen))
    it.world.printer.paper_out(rows_left=300)
    it.happens(("写好卡，凭条打到一半纸没了", "The card is written; the roll ends in the middle of the slip"))
    assert customer.visit().startswith("done-V-422")
    said = ["购电成功", "¥20", "凭条没有打出来（V-422）", "记录已存"]
    it.sees("done-V-422", said, ["¥20", "The slip did not come out (V-422)", "The sale is recorded"])
    slip, down = ["流水", "凭条没有打印出来（V-422）"], ["打印机不可用（V-422）"]
    slip_en, down_en = ["did not come out (V-422)", "look it up at head office"], ["the printer cannot work (V-422)"]
    it.wait(lambda: "device.down" in it.kinds(), "the printer to be known as empty")
    it.attends([down, slip], [down_en, slip_en])
    it.world.printer.refill()
    it.happens(("现场人员装纸", "The attendant puts paper in"))
    it.free()
    it.attends([slip], [slip_en])
    it.money()
