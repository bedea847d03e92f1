"""写卡时拔了卡，再也没有回来 · The card is torn out of a write and never comes back

The customer pulls the card in the middle of the write and goes home with it; nobody knows what is on it.
The purchase is in doubt and stays owed, through a restart and other customers' visits; if the card does come, it is
read first, and written only if the purchase is not there.
The customer's last page and slip say so; the attendant's list keeps customer, meter and amount until the card has
been.
"""

import pytest
from scene import NOTE_FEN
from stage import PLAYED, VENDORS
from test_the_card_is_pulled_while_it_is_written import tear


@pytest.mark.parametrize("vendor", PLAYED)
def test_the_list_keeps_it(scene, vendor):
    it = scene(VENDORS[vendor], changes="away_ms = 3000\ndone_ms = 6000", part="" if vendor == "rdk" else vendor)
    customer = it.customer()
    tear(it, customer, 7)
    customer.visit(may_end=lambda: customer.eyes.page.startswith("put-back"))
    it.world.pull()
    it.happens(("用户带着没写完的卡走了", "The customer goes home with a card half written"))
    unsure = (["等待核对", "¥20", "没写上就补写"], ["to be checked", "¥20", "what is not is written"])
    it.sees("done-doubt", *unsure)
    it.slip()
    closed = [entry for entry in it.entries() if entry.kind == "sale.closed"][-1]
    assert closed.data["kept"] == -NOTE_FEN and closed.data["doubt"]
    doubt = ["户号 042010023567", "¥20", "待核实", "请用户持卡再来"]
    doubt_en = ["customer 042010023567", "is ¥20.00 on the card?", "come back with the card"]
    it.attends([doubt], [doubt_en])
    it.world.kiosk.stop()
    it.power.start()
    it.free()
    it.attends([doubt], [doubt_en])
    it.comes_back().visit()
    it.happens(("一个月后，卡终于来了", "A month later the card comes at last"))
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.money()
