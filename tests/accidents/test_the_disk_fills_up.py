"""硬盘满了 · The disk fills up

Nothing more can be recorded: once when a note lies in escrow, once when a card is to be written.
What cannot be recorded is not done: the note goes back, the card is not touched; what was recorded before stays.
The customer reads that no records can be kept, and that what was paid is safe; the attendant reads the code off the
screen, for the list is made of records.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_a_note_lies_in_escrow(scene):
    it = scene(VENDORS["nlt"], part="a-note-in-escrow")
    customer = it.customer()
    customer.visit(may_end=lambda: bool(it.world.look.open_for_fen))
    it.power.full.touch()
    it.happens(("硬盘满了，用户放入纸币", "The disk is full; the customer puts a note in"))
    assert it.world.feed(NOTE_FEN)
    it.sees("out-of-service-ledger-L-502", ["暂停服务", "不能记账", "会退回"], ["Out of service", "comes back"])
    it.code("L-502")
    it.wait(lambda: bool(it.world.look.handed_back), "the note to come back", 20)
    it.attends()
    it.power.full.unlink()
    it.happens(("现场人员清理硬盘", "The attendant makes room on the disk"))
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.slip()
    it.money()


def test_the_card_is_to_be_written(scene):
    it = scene(VENDORS["nlt"], part="a-card-to-be-written")
    customer = it.customer()
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(it.world.look.open_for_fen))
    it.power.full.touch()
    it.happens(("硬盘满了，用户要写卡", "The disk is full; the customer wants the card written"))
    customer.visit(may_end=lambda: "L-502" in customer.eyes.page)
    said = ["暂停服务", "您放入的 ¥20 已记在您名下", "不会丢"]
    it.sees("out-of-service-ledger-L-502", said, ["Out of service", "¥20", "cannot be lost"])
    it.code("L-502")
    assert customer.card.reading().count == 0
    it.power.full.unlink()
    it.happens(("现场人员清理硬盘", "The attendant makes room on the disk"))
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
