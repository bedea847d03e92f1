"""Two office programs on one database at once: contract 2 §6's order holds between them as within one."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import ORIGIN, Terminal, cosigned_time
from hq_server import Server, kiosk
from voucher_fakes import issue, qr

pytestmark = pytest.mark.slow
SEED2 = b"NEVER USE IN A REAL SYSTEM seed2"


@pytest.fixture
def offices(tmp_path, database):
    with Server(tmp_path, database=database) as first, first.beside() as second:
        yield first, second


def at_once(*acts):
    """Runs them together; their answers, in order."""
    ready = threading.Barrier(len(acts))

    def run(act):
        ready.wait(20)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def stored(office, terminal):
    query = "SELECT e.seq, e.content FROM entries e JOIN logs l ON l.id = e.log_id WHERE l.origin = ? ORDER BY 1"
    rows = office.sql(query, terminal.origin)
    assert [seq for seq, _ in rows] == list(range(len(rows)))
    return [bytes(content) for _, content in rows]


def test_one_log_through_two_offices(offices):
    """The same batches, overlapping ones and heartbeats at both, again and again: one history, times never fall."""
    terminal = offices[0].enrol(Terminal()).open().grow(119)
    times, size = [0], 0
    while size < 120:
        ends = [min(size + step, 120) for step in (3, 5, 5, 8)]
        acts = [
            lambda office=offices[place % 2], first=size, end=end: office.post(terminal, terminal.batch(first, end))
            for place, end in enumerate(ends)
        ]
        for answer, end in zip(at_once(*acts), ends, strict=True):
            assert answer.status_code == 200, answer.text
            covers = int(answer.text.split("\n")[1])
            assert covers >= end
            times.append(cosigned_time(answer.text, terminal.note(covers), offices[0].vkey))
        size = max(ends)
        said = {office.get(terminal).text for office in offices}
        assert len(said) == 1 and int(said.pop().split("\n")[1]) == size
    assert stored(offices[0], terminal) == terminal.entries
    assert offices[0].sql("SELECT count(*) FROM evidence") == [(0,)]


def test_two_histories_at_two_offices_in_the_same_moment(offices):
    """Whichever comes first is kept; the other one is a fork, whatever office it came to."""
    for number in range(8):
        origin = ORIGIN.replace("0007", f"01{number:02d}")
        one = offices[0].enrol(Terminal(origin)).open().grow(3)
        twin = Terminal(origin).open().append(version="2", unclean=True).grow(2)
        answers = at_once(
            lambda one=one: offices[0].post(one, one.batch()), lambda twin=twin: offices[1].post(twin, twin.batch())
        )
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        kept = (one, twin)[[answer.status_code for answer in answers].index(200)]
        assert stored(offices[0], kept) == kept.entries
        (log,) = offices[0].sql("SELECT quarantined, size FROM logs WHERE origin = ?", origin)
        assert (bool(log[0]), log[1]) == (True, 4)
        assert {office.post(one, one.batch(4, 4)).status_code for office in offices} == {422}
    assert offices[0].sql("SELECT count(*) FROM evidence") == [(8,)]


def test_one_purchase_sold_twice_is_seen_although_each_office_books_one_of_them(offices):
    for number in range(8):
        sellers = [
            offices[0].enrol(
                Terminal(ORIGIN.replace("0007", f"0{place}{number:02d}"), seed=bytes([place, number]) * 16)
            )
            for place in (1, 2)
        ]
        for seller in sellers:
            seller.open().sell(bytes([number]) * 16, 5000, 8928, [5000], meter=f"7{number:04d}", count=5)
        answers = at_once(
            *(
                lambda office=office, one=one: office.post(one, one.batch())
                for office, one in zip(offices, sellers, strict=True)
            )
        )
        assert [answer.status_code for answer in answers] == [200, 200]
    for office in offices:
        assert office.client.get("/").status_code == 200  # waits for its books
    told = offices[0].sql("SELECT detail FROM alarms WHERE what = 'count-twice'")
    assert {re.search(r" 7(\d{4}) 5:", detail)[1] for (detail,) in told} == {f"{number:04d}" for number in range(8)}


def test_a_voucher_is_redeemed_once_by_two_programs(offices, tmp_path):
    """At two counters in the same moment, each a program of its own."""
    from kiosk.hq import vouchers
    from kiosk.hq.store import Store

    terminal = offices[0].enrol(Terminal()).open()
    slips = [qr(issue(terminal, f"0007-{number:010x}")) for number in range(6)]
    stores = [Store(offices[0].database.url) for _ in range(2)]

    def redeem(store, slip, who):
        try:
            vouchers.redeem(store, vouchers.read(store, slip), "cash", who, 1)
        except vouchers.AlreadyRedeemed:
            return False
        return True

    for slip in slips:
        paid = at_once(
            lambda slip=slip: redeem(stores[0], slip, "李四"), lambda slip=slip: redeem(stores[1], slip, "王五")
        )
        assert sorted(paid) == [False, True]
    for store in stores:
        store.close()
    said = kiosk("voucher", "list", "--data", offices[0].folder)
    assert said == "0 vouchers are not settled"


def test_one_card_gets_one_order_although_two_programs_take_a_voucher_each(offices):
    from kiosk.hq import vouchers
    from kiosk.hq.store import Store
    from kiosk.model.errors import LedgerFault

    terminal = offices[0].enrol(Terminal()).open()
    stores = [Store(offices[0].database.url) for _ in range(2)]

    def order(store, slip):
        try:
            vouchers.redeem(store, vouchers.read(store, slip), "card", "李四", 1)
        except LedgerFault as fault:
            return str(fault)
        return ""

    for number in range(6):
        pair = [qr(issue(terminal, f"0007-{number:08x}{place:02x}", meter=f"7000{number}")) for place in range(2)]
        said = at_once(
            *(lambda store=store, slip=slip: order(store, slip) for store, slip in zip(stores, pair, strict=True))
        )
        assert sorted(map(bool, said)) == [False, True] and "only one can follow it" in max(said)
    for store in stores:
        store.close()
