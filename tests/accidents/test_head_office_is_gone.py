"""总部断网 · Head office is gone

Head office does not answer, in the middle of the night or for a month.
Selling needs nothing from it: the ledger is here and signed, and every entry is sent when the line is back.
The customer notices nothing; nor has the attendant anything to do.
"""

from stage import VENDORS, office_size


def test_selling_goes_on_and_every_entry_arrives_later(scene):
    it = scene(VENDORS["nlt"], office=True)
    it.world.office.pull_plug()
    it.happens(("总部断网", "Head office is gone"))
    assert it.customer().visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    it.attends()
    it.slip()
    it.world.open_office()
    it.wait(lambda: office_size(it.world) >= len(it.entries()), "every entry at head office")
    it.happens(("网络恢复，流水全部送到", "The line is back, and every entry arrives"))
    it.money()
