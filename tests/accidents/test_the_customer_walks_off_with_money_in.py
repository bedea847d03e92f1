"""付了钱，没等写卡就拔卡走了 · The customer pays, takes the card and walks off

A customer pays, pulls the card before anything is written, and goes.
The money is owed to that card, in the ledger and on the slip, and is written first when the card comes again.
The customer reads that the money is recorded for this card; the attendant's list says whom the kiosk owes how much.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_the_money_waits_for_the_card(scene):
    it = scene(VENDORS["rdk"], changes="away_ms = 3000\ndone_ms = 6000")
    customer = it.customer()
    customer.notes_fen = (NOTE_FEN, NOTE_FEN)
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(it.world.look.open_for_fen))
    it.world.pull()
    it.happens(("用户付了二十元，拔卡走了", "The customer has paid 20 yuan, pulls the card and goes"))
    it.sees("put-back", ["您已付 ¥20", "不会丢", "下次在本机"], ["You have paid ¥20", "cannot be lost", "come later"])
    it.sees("done-owed", ["钱已记账", "本机欠您 ¥20"], ["Paid, recorded", "We owe you ¥20"])
    it.slip()
    it.money(owed=NOTE_FEN)
    owed = ["欠户号 042010023567", "¥20", "最先补写"]
    owed_en = ["¥20", "owed to customer 042010023567", "it is written first"]
    it.attends([owed], [owed_en])
    it.free()
    it.comes_back().visit()
    it.happens(("第二天用户持卡再来", "The customer comes back with the card"))
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
