"""开机时钟错了，回到了 2000 年 · The clock is wrong at start

The clock's battery is dead: after a power cut the kiosk believes that it is the year 2000.
No cash is taken, for tariffs, digits for keypads and slips need the date; the order of the ledger does not.
The customer reads that the clock is wrong; the attendant's list has the code, and when the clock is set the kiosk
sells again by itself.
"""

import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from stage import VENDORS


def test_no_cash_is_taken_until_it_is_set(scene, tmp_path):
    it = scene(VENDORS["nlt"], start=False)
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    offset.write_text(str(int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() - time.time())))
    it.power.start(also=library, CLOCK_OFFSET=str(offset))
    it.happens(("来电，时钟停在 2000 年", "The power is back, and the clock says 2000"))
    it.sees("out-of-service-V-431", ["暂停服务", "终端时钟不正确"], ["Out of service", "clock of this kiosk is wrong"])
    it.code("V-431")
    assert not it.world.look.open_for_fen
    it.attends([["自 2000-01-01", "时钟不可用（V-431）"]], [["since 2000-01-01", "the clock cannot work (V-431)"]])
    offset.unlink()
    it.happens(("现场人员校准时钟", "The attendant sets the clock"))
    assert it.customer().visit().startswith("done")
    it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
    assert "clock.stepped" in it.kinds()
    it.attends()
    it.slip()
    it.money()
