"""付了钱，插回来的却是另一张卡 · Another card is put back

A write was broken off, and the card that is put back is another customer's.
Nothing is written on it: the money is recorded for one card only, by vendor, customer and meter.
The customer reads that this is not the card; with the right one the purchase is finished, and the attendant has
nothing to do.
"""

from stage import PLAYED, VENDORS
from test_the_card_is_pulled_while_it_is_written import tear


def test_nothing_is_written_on_it(scene):
    it = scene(*(VENDORS[name] for name in PLAYED))
    _, other = it.world.cards
    customer = it.customer()
    tear(it, customer, 7)
    customer.visit(may_end=lambda: customer.eyes.page.startswith("put-back"))
    before = other.chip.image()
    it.world.insert(other)
    it.happens(("插入了另一张卡", "Another card is put in"))
    wrong = (["不是刚才付款的那张卡", "¥20 已记录"], ["not the card you paid for", "¥20 you paid are recorded"])
    it.sees("put-back-doubt-other-card", *wrong)
    assert other.chip.image() == before
    it.world.pull()
    assert customer.visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
