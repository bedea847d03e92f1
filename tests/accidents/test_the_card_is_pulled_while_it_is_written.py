"""正在写卡，用户把卡拔了出来 · The card is pulled while it is written

The customer pulls the card in the middle of the write; it holds half of what it should.
The write was in the ledger before it began, so the kiosk reads the card when it is back, finishes what is missing,
and writes nothing twice.
The customer reads that the money is recorded and is asked to put the card back; the attendant has nothing to do.
"""

import pytest
from stage import PLAYED, VENDORS

# what a torn write leaves where a card is not written byte by byte: an erased page, erased words, a block of garbage
TORN = {**dict.fromkeys(PLAYED, (0, 7, 20)), **dict.fromkeys(("hld", "axn", "mfc"), (7,))}


def tear(it, customer, written_bytes):
    """The customer's card, in the slot, will die under the write: its bytes are counted from here, once."""
    customer.visit(may_end=lambda: it.world.inserted is not None)
    it.world.tear_write(written_bytes)


@pytest.mark.parametrize("vendor", TORN)
def test_it_is_put_back(scene, vendor):
    it = scene(VENDORS[vendor], part="" if vendor == "rdk" else vendor)
    for written_bytes in TORN[vendor]:
        it.free()
        customer = it.customer()
        tear(it, customer, written_bytes)
        customer.visit(may_end=lambda: it.eyes.page.startswith("put-back"))
        if written_bytes == 7:
            it.happens(("写到第 7 个字节，卡被拔出", "The card is pulled after 7 bytes"))
            it.sees(
                "put-back-doubt",
                ["插回来", "您付的 ¥20 已记录", "不会重复"],
                ["put your card back", "¥20", "recorded", "twice"],
            )
        assert customer.visit().startswith("done")
        if written_bytes == 7:
            it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
        assert "write.failed" in it.kinds()
        it.money()
        it.world.pull()
    it.attends()
    it.slip(len(TORN[vendor]))
