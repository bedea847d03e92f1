"""The ledger entries a sale makes: one function a kind, so that each posting stands in one place.

Accounts (contract 2 §2): ``cash:box`` grows by a stacked note; ``owed:<vendor>:<customer>`` is what we owe the card
until it is written; ``sold:<vendor>`` is what was verified on a card; ``unassigned`` is money nobody's sale explains.
"""

from __future__ import annotations

from kiosk.ledger.entry import Draft
from kiosk.model.card import WriteOrder
from kiosk.model.cash import Mark
from kiosk.sale.arrivals import NewList, RefusedList
from kiosk.sale.state import Bound, Card, NoteRow, Owed, Sale

Post = tuple[tuple[str, int], ...]


def owed_account(vendor: str, customer: str) -> str:
    """The account of what is owed to a customer's card."""
    return f"owed:{vendor}:{customer}"


def _post(*rows: tuple[str, int]) -> Post:
    return tuple(sorted((row for row in rows if row[1]), key=lambda row: row[0].encode()))


def arrival(listed: NewList | RefusedList) -> Draft:
    """A list of head office is in force, or cannot be used."""
    if isinstance(listed, NewList):
        data = {"version": listed.content.version, "sha256": listed.sha256}
        kind, _, name = listed.name.partition("/")
        return Draft(f"{kind}.installed", None, (), {**data, "name": name} if name else data)
    return Draft("target.refused", None, (), {"name": listed.name, "sha256": listed.sha256, "code": listed.code})


def downlink_stood(code: str) -> Draft:
    """Head office's repository does not verify or has expired; or ("") is well again."""
    return Draft("downlink.stood", None, (), {"code": code})


def card_blocked(card: Card, why: str) -> Draft:
    """A card that was reported lost or stolen was shown, and refused."""
    reading = card.reading
    data = {"vendor": card.vendor.code, "customer": reading.customer, "meter": reading.meter}
    return Draft("card.blocked", None, (), {**data, "count": reading.count, "why": why})


def sale_opened(sale_id: bytes, card: Card, limit_fen: int, brought_fen: int, when: str = "") -> Draft:
    """A sale begins: whose card, at what price, up to what amount; ``when``: the time its token will be asked with."""
    reading = card.reading
    data: dict[str, str | int] = {
        "vendor": card.vendor.code,
        "customer": reading.customer,
        "meter": reading.meter,
        "region": reading.region,
        "count": reading.count,
        "unit": int(card.vendor.unit),
        "price": card.price.per_kwh,
        "tariff": card.price.version,
        "limit": limit_fen,
        "brought": brought_fen,
    }
    if when:
        data["when"] = when
    return Draft("sale.opened", sale_id, (), data)


def note_escrowed(sale: Sale, note: bytes, fen: int) -> Draft:
    """A note lies in escrow."""
    return Draft("note.escrowed", sale.id, (), {"note": note, "fen": fen, "device": "acceptor"})


def note_accepted(sale: Sale, note: bytes) -> Draft:
    """The note will be stacked: recorded before STACK is sent."""
    return Draft("note.accepted", sale.id, (), {"note": note})


def note_stacked(sale: Sale, row: NoteRow, fen: int, how: str, mark: Mark | None = None) -> Draft:
    """The note is in the cash box and credited to the sale."""
    return Draft("note.stacked", sale.id, _paid(sale, fen), {"note": row.id, "fen": fen, "how": how, **_marked(mark)})


def note_unassigned(note: bytes, fen: int, mark: Mark | None = None) -> Draft:
    """A note is in the cash box that no sale explains."""
    return Draft("note.stacked", None, _paid(None, fen), {"note": note, "fen": fen, "how": "unasked", **_marked(mark)})


def coin_credited(sale: Sale | None, coin: bytes, fen: int, mark: Mark | None) -> Draft:
    """A coin is in the cash box: credited to the sale, or one that no sale explains."""
    data = {"coin": coin, "fen": fen, "how": "credit" if sale else "unasked", **_marked(mark)}
    return Draft("coin.credited", sale.id if sale else None, _paid(sale, fen), data)


def _paid(sale: Sale | None, fen: int) -> Post:
    return _post(("cash:box", fen), (owed_account(sale.vendor, sale.customer) if sale else "unassigned", -fen))


def _marked(mark: Mark | None) -> dict[str, str | int]:
    return {"serial": mark.serial, "counter": mark.counter} if mark else {}


def note_unknown(device: str) -> Draft:
    """A note of unknown value is in the cash box that no sale explains: only a count by hand can book it."""
    return Draft("note.unknown", None, (), {"device": device})


def events_lost(device: str, count: int, mark: Mark | None) -> Draft:
    """The device counts what it cannot show: money may lie in the box that is not booked."""
    return Draft("events.lost", None, (), {"device": device, "count": count, **_marked(mark)})


def device_counted(device: str, serial: str, stacked: int) -> Draft:
    """The acceptor's own counter, held against the books from here on."""
    return Draft("device.counted", None, (), {"device": device, "serial": serial, "stacked": stacked})


def fraud_seen(device: str, what: str) -> Draft:
    """Somebody tampered with a cash device."""
    return Draft("fraud.seen", None, (), {"device": device, "what": what})


def note_returned(row: NoteRow, why: str) -> Draft:
    """The note is back in the customer's hand."""
    return Draft("note.returned", row.sale, (), {"note": row.id, "fen": row.fen, "why": why})


def note_lost(row: NoteRow) -> Draft:
    """Nobody can say where the note went; a person must look."""
    return Draft("note.lost", row.sale, (), {"note": row.id, "fen": row.fen})


def note_repeated(fen: int) -> Draft:
    """The acceptor reported a credited note again; it is not credited again."""
    return Draft("note.repeated", None, (), {"fen": fen})


def write_intended(order: WriteOrder, attempt: int) -> Draft:
    """The card will be written: recorded before the driver is called."""
    data = {"count": order.count, "fen": order.amount_fen, "energy": order.energy_centi_kwh, "attempt": attempt}
    return Draft("write.intended", order.sale, (), data)


def write_done(sale: Sale, order: WriteOrder, how: str, voucher: Bound | None = None) -> Draft:
    """The credit is on the card, read back (``written``) or seen there later (``found``); perhaps a voucher's."""
    fen = order.amount_fen
    post = _post((owed_account(sale.vendor, sale.customer), fen), (f"sold:{sale.vendor}", -fen))
    data: dict[str, str | int] = {"count": order.count, "fen": fen, "energy": order.energy_centi_kwh, "how": how}
    if voucher is not None:
        data["voucher"] = voucher.no
    return Draft("write.done", sale.id, post, data)


def voucher_issued(no: str, sale: Sale, owed: Owed) -> Draft:
    """What was owed to this sale's card is a voucher now: no card's any more, but its bearer's. Not of a sale."""
    post = _post((owed_account(sale.vendor, sale.customer), owed.fen), (f"voucher:{no}", -owed.fen))
    data = {
        "no": no,
        "vendor": sale.vendor,
        "customer": sale.customer,
        "meter": sale.meter,
        "region": sale.region,
        "fen": owed.fen,
        "energy": owed.centi_kwh,
        "count": sale.count,
    }
    return Draft("voucher.issued", None, post, data)


def voucher_brought(sale_id: bytes, card: Card, bound: Bound) -> Draft:
    """Head office's order is taken up: the voucher's money is owed to this card now, for this sale to write."""
    owed = owed_account(card.vendor.code, card.reading.customer)
    post = _post((owed, -bound.fen), (f"voucher:{bound.no}", bound.fen))
    data = {"no": bound.no, "region": bound.region, "fen": bound.fen, "energy": bound.centi_kwh, "count": bound.count}
    return Draft("voucher.brought", sale_id, post, data)


def voucher_returned(sale_id: bytes | None, vendor: str, customer: str, bound: Bound) -> Draft:
    """It surely did not get onto the card by us: the bringing is taken back."""
    post = _post((owed_account(vendor, customer), bound.fen), (f"voucher:{bound.no}", -bound.fen))
    return Draft("voucher.returned", sale_id, post, {"no": bound.no, "fen": bound.fen})


def token_made(sale: Sale, order: WriteOrder, digits: str) -> Draft:
    """The digits are made: recorded before anybody sees them, and with that they are the customer's."""
    done = write_done(sale, order, "token", sale.voucher)
    return Draft(done.kind, done.sale, done.post, {**done.data, "token": digits})


def write_failed(sale: Sale, count: int, code: str, *, unchanged: bool) -> Draft:
    """The write did not succeed; whether the card is surely as before."""
    data = {"count": count, "code": code, "card": "unchanged" if unchanged else "unknown"}
    return Draft("write.failed", sale.id, (), data)


def sale_closed(sale: Sale, why: str, code: str) -> Draft:
    """The sale ends; ``kept`` names what is still owed, with its sign."""
    data: dict[str, str | int | bool] = {
        "vendor": sale.vendor,
        "customer": sale.customer,
        "meter": sale.meter,
        "paid": sale.paid_fen,
        "count": sale.written_count or sale.count,
        "written": sale.written_fen,
        "energy": sale.written_centi_kwh,
        "why": why,
        "doubt": sale.order is not None,
    }
    if sale.kept:
        data["kept"] = sale.kept
    if code:
        data["code"] = code
    return Draft("sale.closed", sale.id, (), data)


def receipt_printed(sale_id: bytes | None, number: int) -> Draft:
    """The slip came out."""
    return Draft("receipt.printed", sale_id, (), {"no": number})


def receipt_failed(sale_id: bytes | None, number: int, code: str) -> Draft:
    """The slip did not come out, or not whole."""
    return Draft("receipt.failed", sale_id, (), {"no": number, "code": code})


def voucher_slip(no: str, number: int, code: str) -> Draft:
    """The slip of a voucher came out; or did not, and why."""
    if code:
        return Draft("receipt.failed", None, (), {"no": number, "code": code, "voucher": no})
    return Draft("receipt.printed", None, (), {"no": number, "voucher": no})


def device_down(device: str, code: str) -> Draft:
    """A device cannot work."""
    return Draft("device.down", None, (), {"device": device, "code": code})


def clock_stepped(old_ms: int, new_ms: int) -> Draft:
    """The clock was set; the order of entries is not the clock's."""
    return Draft("clock.stepped", None, (), {"old": old_ms, "new": new_ms})


def device_up(device: str, code: str, lasted_ms: int | None, flaps: int = 0) -> Draft:
    """A device works again; ``lasted_ms`` by a clock that never falls, None if it was down before the last start.

    ``flaps``: how often it came and went meanwhile without an entry.
    """
    data: dict[str, str | int] = {"device": device}
    if code:
        data["code"] = code
    if lasted_ms is not None:
        data["ms"] = lasted_ms
    if flaps:
        data["flaps"] = flaps
    return Draft("device.up", None, (), data)
