"""A ledger of many days: sales that pay, that keep money back, vouchers, devices that fail; closings in between."""

import hashlib

from ledger_story import StillClock, make_journal

from kiosk.ledger.entry import Draft

DAY_MS = 86_400_000


def visit(number):
    """The drafts of one customer's visit, no two alike."""
    sale = hashlib.sha256(b"%d" % number).digest()[:16]
    customer, vendor = f"{number * 7919 % 10**10:010d}", ("1001", "2002")[number % 2]
    owed, fen, note = f"owed:{vendor}:{customer}", (500, 1000, 5000, 10_000)[number % 4], sale[:8]
    opened = {
        "vendor": vendor,
        "customer": customer,
        "meter": "000098765432",
        "region": "420100",
        "count": number % 300,
        "unit": 1,
        "price": 56,
        "tariff": 3,
        "limit": 100_000,
        "brought": -(number % 3),
    }
    yield Draft("sale.opened", sale, (), opened)
    yield Draft("note.escrowed", sale, (), {"note": note, "fen": fen, "device": "acceptor"})
    yield Draft("note.accepted", sale, (), {"note": note})
    yield Draft("note.stacked", sale, (("cash:box", fen), (owed, -fen)), {"note": note, "fen": fen, "how": "credit"})
    kept = -fen if number % 5 == 0 else 0
    energy = fen * 100 // 56
    if kept:
        failed = {"count": number % 300, "code": "C-204", "card": "unchanged"}
        yield Draft("write.failed", sale, (), failed)
    else:
        done = {"count": number % 300, "fen": fen, "energy": energy, "how": "written"}
        yield Draft("write.done", sale, ((owed, fen), (f"sold:{vendor}", -fen)), done)
    closed = {"vendor": vendor, "customer": customer, "meter": "000098765432", "paid": fen, "count": number % 300}
    closed |= {"written": fen + kept, "energy": 0 if kept else energy, "why": "done", "doubt": False}
    yield Draft("sale.closed", sale, (), closed | ({"kept": kept} if kept else {}))
    yield Draft("receipt.printed", sale, (), {"no": number})
    if number % 7 == 0:
        yield Draft("device.down", None, (), {"device": "打印机" if number % 2 else "printer", "code": "P-301"})
        yield Draft("device.up", None, (), {"device": "printer"})


def long_journal(path, entries, days=5, batch=37):
    """A journal of at least ``entries`` entries over some days, committed in batches."""
    clock = StillClock()
    journal = make_journal(path, clock=clock)
    drafts, number = [], 0
    while journal.size < entries:
        number += 1
        drafts += visit(number)
        if len(drafts) >= batch:
            journal.append(drafts)
            drafts = []
            clock.now += days * DAY_MS * batch // entries
    return journal
