"""拿一张复制的卡来骗第二次 · A copy of the card is shown

The write reaches the card, but the card is gone before it could answer; then the customer shows a copy made before
the purchase, on which nothing is written.
The kiosk believes what it reads and writes the copy, under the same purchase count: the meter takes that count
once, from whichever card comes first, and refuses the other.
The customer sees an ordinary purchase, once paid and once credited; the attendant has nothing to do.
"""

import copy

from scene import NOTE_FEN
from stage import VENDORS

from kiosk.devices.reader.faces import face_of

UPDATE, UPDATES = 0xD6, 2  # content and seal of a first purchase


def gone_when_written(slot):
    """The card is pulled when all is written, before the driver can read it back."""
    seen = []

    def hear(apdu):
        seen.append(apdu[1])
        if seen.count(UPDATE) >= UPDATES and apdu[1] != UPDATE:
            slot._pulled.set()

    return hear


def test_the_meter_takes_the_purchase_once(scene):
    it = scene(VENDORS["nlt"], changes="away_ms = 3000\ndone_ms = 6000")
    (card,) = it.world.cards
    kept = copy.deepcopy(card.chip)
    customer = it.customer()
    it.world.slot.before_answer = gone_when_written(it.world.slot)
    customer.visit(may_end=lambda: customer.eyes.page.startswith("put-back"))
    it.world.slot.before_answer = None
    it.world.pull()
    assert card.reading().count == 1
    it.happens(("写好的一刻卡被拔走，终端没有得到回答", "The card is written, and pulled before it could answer"))
    it.sees("done-doubt", ["等待核对", "¥20"], ["to be checked", "¥20"])
    it.slip()
    it.attends([["¥20", "待核实"]], [["is ¥20.00 on the card?"]])
    it.free()
    original = card.chip
    card.chip, card.face = kept, face_of(kept)
    it.comes_back().visit()
    it.happens(("用户插入购电前复制的卡", "The customer puts in the copy made before"))
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.slip()
    first, again = card.meter.insert(original), card.meter.insert(kept)
    assert first["count"] == again["count"] == 1 and first["remaining"] == again["remaining"]
    assert first["remaining"] == NOTE_FEN
    it.happens(("电表只认一次", "The meter takes it once"))
    it.attends()
    it.money()
