"""Vouchers as a stranger makes them: from docs/ledger.md and contract 2 alone, on the fake terminal's own tree."""

from fakes import b64, leaf, root

from kiosk.ledger.receipt import base45_encode

CARD = {"vendor": "0001", "customer": "10086", "meter": "70001", "region": "420100"}


def issue(terminal, no="0007-3f2a91c0de", fen=5000, energy=8928, count=7, **changes):
    """Appends a voucher.issued."""
    post = [("owed:0001:10086", fen), (f"voucher:{no}", -fen)]
    data = {"no": no, **CARD, "fen": fen, "energy": energy, "count": count} | changes
    return terminal.append("voucher.issued", None, post, **data)


def proof(leaves, index):
    """The siblings from a leaf to the root, the leaf's own first (RFC 6962 §2.1.1)."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*proof(leaves[:split], index), root(leaves[split:])]
    return [*proof(leaves[split:], index - split), root(leaves[:split])]


def qr(terminal, seq=None, size=None, prefix="PV1:"):
    """The QR text of an entry, signed at ``size``."""
    seq = len(terminal.entries) - 1 if seq is None else seq
    leaves = [leaf(entry) for entry in terminal.entries[: size or len(terminal.entries)]]
    raw, origin = terminal.entries[seq], terminal.origin.encode()
    signature = terminal.key.sign(f"{terminal.origin}\n{len(leaves)}\n{b64(root(leaves))}\n".encode())
    head = bytes([1, len(origin)]) + origin + len(raw).to_bytes(2, "big") + raw + len(leaves).to_bytes(4, "big")
    return prefix + base45_encode(head + b"".join(proof(leaves, seq)) + signature)


def write(terminal, sale, no, fen=5000, energy=8928, count=7, how="written", brings=True, **card):
    """A sale that brings a voucher onto its card."""
    who = CARD | card
    owed = f"owed:{who['vendor']}:{who['customer']}"
    opened = {**who, "count": count, "unit": 2, "price": 5600, "tariff": 1, "limit": 0, "brought": 0}
    terminal.append("sale.opened", sale, **opened)
    if brings:
        facts = {"no": no, "region": who["region"], "fen": fen, "energy": energy, "count": count}
        terminal.append("voucher.brought", sale, [(owed, -fen), (f"voucher:{no}", fen)], **facts)
    done = {"count": count + 1, "fen": fen, "energy": energy, "how": how} | ({"voucher": no} if no else {})
    terminal.append("write.done", sale, [(owed, fen), ("sold:0001", -fen)], **done)
    closed = {key: who[key] for key in ("vendor", "customer", "meter")}
    closed |= {"paid": 0, "count": count + 1, "written": fen, "energy": energy, "why": "done", "doubt": False}
    return terminal.append("sale.closed", sale, **closed, **({} if brings else {"kept": fen}))
