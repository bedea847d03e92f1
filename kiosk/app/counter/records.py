"""The ledger entries of staff's work: one function a kind, so that each posting stands in one place.

Cash at the counter goes into a numbered bag (``cash:bag:<bag>``), not into the cash box. A sale at the counter is a
sale like any other (``sale.opened`` … ``sale.closed``); only how it is paid differs. A reversal takes the credit back
(``sold``) and pays it out of the bag in one entry.
"""

from __future__ import annotations

from kiosk.app.counter.plan import Asked, Plan
from kiosk.ledger.entry import Draft
from kiosk.model.card import CardKind, CardReading, PurchaseState, WriteOrder
from kiosk.sale.entries import owed_account, sale_opened
from kiosk.sale.state import Card

Post = tuple[tuple[str, int], ...]
COUNTER = -1
"""In the place of a session: the card lies at the counter."""


def order(sale: bytes, plan: Plan) -> WriteOrder:
    """What is to be written, in the sale's words."""
    return WriteOrder(sale, plan.customer, plan.meter, plan.region, plan.count, plan.fen, plan.centi_kwh)


def opened(sale: bytes, plan: Plan) -> Draft:
    """The sale at the counter begins."""
    assert plan.price is not None, "a sale has a price"
    reading = CardReading(CardKind.OPEN, plan.region, plan.customer, plan.meter, plan.count - 1, PurchaseState.NONE)
    return sale_opened(sale, Card(COUNTER, plan.vendor, reading, plan.price), plan.fen, 0)


def paid(sale: bytes, asked: Asked, plan: Plan) -> Draft:
    """Cash is in the bag."""
    post = _post((f"cash:bag:{plan.bag}", plan.fen), (owed_account(plan.vendor.code, plan.customer), -plan.fen))
    return Draft("counter.paid", sale, post, {"fen": plan.fen, "bag": plan.bag, "operator": asked.operator})


def handed_back(sale: bytes, asked: Asked, plan: Plan) -> Draft:
    """The card was surely not written: the cash leaves the bag again."""
    post = _post((f"cash:bag:{plan.bag}", -plan.fen), (owed_account(plan.vendor.code, plan.customer), plan.fen))
    return Draft("counter.refunded", sale, post, {"fen": plan.fen, "bag": plan.bag, "operator": asked.operator})


def intended(sale: bytes | None, asked: Asked, plan: Plan) -> Draft:
    """The driver will be called: recorded before."""
    return Draft("card.intended", sale, (), {**_what(asked, plan), "operator": asked.operator})


def done(sale: bytes | None, asked: Asked, plan: Plan, how: str, *, took_back: bool = False) -> Draft:
    """The driver did it and read it back; ``took_back``: a purchase is off the card, its money out of the bag."""
    post: Post = ()
    if took_back:
        fen = plan.pays_back_fen
        post = _post((f"cash:bag:{plan.bag}", -fen), (f"sold:{plan.vendor.code}", fen))
    data = {**_what(asked, plan), "how": how}
    if took_back:
        data["bag"] = plan.bag
    return Draft("card.done", sale, post, data)


def failed(sale: bytes | None, asked: Asked, plan: Plan, code: str, *, unchanged: bool) -> Draft:
    """The driver did not do it, or nobody knows."""
    data = {**_what(asked, plan), "code": code, "card": "unchanged" if unchanged else "unknown"}
    return Draft("card.failed", sale, (), data)


def _what(asked: Asked, plan: Plan) -> dict[str, str | int]:
    return {
        "function": asked.function,
        "vendor": plan.vendor.code,
        "customer": plan.customer,
        "meter": plan.meter,
        "region": plan.region,
        "count": plan.count,
        "fen": plan.fen,
        "energy": plan.centi_kwh,
    }


def _post(*rows: tuple[str, int]) -> Post:
    return tuple(sorted(rows, key=lambda row: row[0].encode()))
