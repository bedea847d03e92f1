"""放进一张假钞，又放进一张太大的 · A forged note, and one that is too large

Somebody feeds a forged note; then a genuine one that would pass the chosen amount.
Both come back and nothing is booked: only what the acceptor takes for genuine and what fits is recorded and
stacked.
The customer reads why a note came back; nobody need come.
"""

from scene import NOTE_FEN
from stage import VENDORS


def test_both_come_back(scene):
    it = scene(VENDORS["nlt"])
    customer = it.customer(NOTE_FEN, NOTE_FEN, 1000)
    customer.visit(may_end=lambda: bool(it.world.look.open_for_fen))
    it.happens(("放进一张假的五十元", "A forged note of 50 yuan goes in"))
    assert it.world.feed(5000, genuine=False)
    it.sees("cash-note-rejected", ["这张纸币没有收下", "¥0"], ["That note was not taken", "¥0"])
    assert customer.paid_fen == 0
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and 1000 in it.world.look.open_for_fen)
    it.world.feed(5000)  # 20 of 50 yuan are in; the slot may be open for it a moment longer
    it.wait(lambda: 5000 not in it.world.look.open_for_fen and not it.world.look.note_fen, "the limit to hold", 20)
    assert customer.paid_fen == NOTE_FEN
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥50"], ["Your card is loaded", "¥50"])
    it.attends()
    it.slip()
    it.money()
