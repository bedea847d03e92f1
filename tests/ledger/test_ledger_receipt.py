"""The receipt's QR: to the byte, and every bent one refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_story import ORIGIN, SALE, closed, make_journal, repeated, stacked, terminal_signer, written

from kiosk.ledger.entry import Entry, decode, encode
from kiosk.ledger.note import Checkpoint
from kiosk.ledger.receipt import base45_decode, base45_encode, parse_receipt, parse_voucher, receipt_text
from kiosk.ledger.tree import Frontier, inclusion_proof, leaf_hash, root_hash
from kiosk.model.errors import LedgerFault

SIGNER = terminal_signer()
LEAVES = [leaf_hash(bytes([at])) for at in range(101)]


def sale_closed(seq):
    return encode(Entry(seq, 1_763_999_999_000, 3, "sale.closed", SALE, (), closed().data))


RAW = sale_closed(100)
TEXT = receipt_text(SIGNER, RAW, Frontier(LEAVES[:100]))


def refused(function, *arguments):
    with pytest.raises(LedgerFault) as fault:
        function(*arguments)
    return fault.value.code == "L-501"


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0"), (b"", "")],
)
def test_the_examples_of_rfc_9285(raw, text):
    assert base45_encode(raw) == text
    assert base45_decode(text) == raw


@pytest.mark.parametrize("text", ["GGW", ":::", "::", "A", "BB8A", "bb8", "B!8", "ÄB8", "V5"])
def test_base45_that_no_encoder_writes_is_refused(text):
    with pytest.raises(ValueError):
        base45_decode(text)


@given(st.binary(max_size=64))
def test_base45_comes_back(raw):
    assert base45_decode(base45_encode(raw)) == raw


def test_the_bytes_of_a_receipt():
    grown = [*LEAVES[:100], leaf_hash(RAW)]
    proof = inclusion_proof(grown, 100, 101)
    signature = SIGNER.sign(str(Checkpoint(ORIGIN, 101, root_hash(grown))).encode())
    origin = ORIGIN.encode()
    body = bytes([1, len(origin)]) + origin + len(RAW).to_bytes(2, "big") + RAW + bytes([0, 0, 0, 101])
    assert base45_decode(TEXT.removeprefix("PK1:")) == body + b"".join(proof) + signature
    assert len(proof) == 3


def test_a_receipt_verifies_with_the_terminals_key_only():
    receipt = parse_receipt(TEXT)
    assert (receipt.origin, receipt.size, receipt.entry.seq) == (ORIGIN, 101, 100)
    assert receipt.verify(SIGNER.vkey) == decode(RAW)
    assert refused(receipt.verify, terminal_signer(seed=b"other").vkey)
    assert refused(receipt.verify, terminal_signer("power.example/kiosk/420100/0007/2").vkey)


@pytest.mark.parametrize("size", [101, 102, 128, 129, 5_000])
def test_a_receipt_signed_at_any_later_size_verifies(size):
    leaves = [*LEAVES[:100], leaf_hash(RAW), *(leaf_hash(at.to_bytes(3, "big")) for at in range(size - 101))]
    signature = SIGNER.sign(str(Checkpoint(ORIGIN, size, root_hash(leaves))).encode())
    proof = b"".join(inclusion_proof(leaves, 100, size))
    origin = ORIGIN.encode()
    head = bytes([1, len(origin)]) + origin + len(RAW).to_bytes(2, "big") + RAW + size.to_bytes(4, "big")
    assert parse_receipt("PK1:" + base45_encode(head + proof + signature)).verify(SIGNER.vkey).seq == 100
    assert refused(parse_receipt, "PK1:" + base45_encode(head + proof[32:] + signature))


@given(st.integers(0, len(base45_decode(TEXT[4:])) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at, change):
    raw = bytearray(base45_decode(TEXT.removeprefix("PK1:")))
    raw[at] ^= change
    assert refused(lambda: parse_receipt("PK1:" + base45_encode(bytes(raw))).verify(SIGNER.vkey))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PK1:",
        TEXT.removeprefix("PK1:"),
        TEXT.replace("PK1:", "PK2:"),
        TEXT.lower(),
        TEXT + " ",
        TEXT + "\n",
        " " + TEXT,
        TEXT[:-3],
        "PK1:" + base45_encode(base45_decode(TEXT[4:]) + b"\0"),
        "PK1:" + base45_encode(base45_decode(TEXT[4:])[:-1]),
        "PK1:" + base45_encode(base45_decode(TEXT[4:])[:30]),
    ],
    ids=range(12),
)
def test_a_bent_text_is_refused(text):
    assert refused(parse_receipt, text)


def test_a_receipt_is_of_a_closed_sale_in_its_place():
    other = encode(Entry(100, 1, 1, "device.up", None, (), {}))
    with pytest.raises(ValueError):
        receipt_text(SIGNER, other, Frontier(LEAVES[:100]))
    with pytest.raises(ValueError):
        receipt_text(SIGNER, RAW, Frontier(LEAVES[:99]))
    raw = base45_decode(TEXT[4:])
    at = 2 + len(ORIGIN)
    bent = raw[:at] + len(other).to_bytes(2, "big") + other + raw[at + 2 + len(RAW) :]
    assert refused(parse_receipt, "PK1:" + base45_encode(bent))
    size_100 = raw.replace(bytes([0, 0, 0, 101]), bytes([0, 0, 0, 100]))  # the entry lies beyond the tree
    assert refused(parse_receipt, "PK1:" + base45_encode(size_100))


@pytest.mark.parametrize(("sale", "more"), [(None, {}), (SALE, {"kept": "x"}), (SALE, {"kept": True})])
def test_a_receipt_is_of_a_sale_closed_in_form(sale, more):
    raw = encode(Entry(100, 1_763_999_999_000, 3, "sale.closed", sale, (), {**closed().data, **more}))
    assert refused(parse_receipt, receipt_text(SIGNER, raw, Frontier(LEAVES[:100])))


def test_the_largest_receipt_fits_one_qr_code():
    origin = f"{'.'.join(['a' * 32] * 3)}/kiosk/{'1' * 8}/11/1"
    data = {**closed().data, "why": "x" * 333}
    raw = encode(Entry(0xFFFF, 1_763_999_999_000, 3, "sale.closed", SALE, (), data))
    frontier = Frontier(leaf_hash(at.to_bytes(4, "big")) for at in range(0xFFFF))  # 16 hashes: the most at this size
    text = receipt_text(terminal_signer(origin), raw, frontier)
    assert 500 <= len(raw) <= 512 and len(origin) >= 118
    assert len(text) <= 2_420  # alphanumeric letters in version 40, error correction Q
    assert parse_receipt(text).verify(terminal_signer(origin).vkey).seq == 0xFFFF


def voucher_issued(seq, customer="10023400567", no="0007-3f2a91c0de"):
    data = {"no": no, "vendor": "0001", "customer": customer, "meter": "202600012345", "region": "420100"}
    post = ((f"owed:0001:{customer}", 5000), (f"voucher:{no}", -5000))
    data |= {"fen": 5000, "energy": 8928, "count": 7}
    return encode(Entry(seq, 1_763_999_999_000, 3, "voucher.issued", None, post, data))


def test_a_vouchers_text_is_built_the_same_and_neither_passes_for_the_other():
    raw = voucher_issued(100)
    text = receipt_text(SIGNER, raw, Frontier(LEAVES[:100]))
    grown = [*LEAVES[:100], leaf_hash(raw)]
    signature = SIGNER.sign(str(Checkpoint(ORIGIN, 101, root_hash(grown))).encode())
    proof = b"".join(inclusion_proof(grown, 100, 101))
    head = bytes([1, len(ORIGIN)]) + ORIGIN.encode() + len(raw).to_bytes(2, "big") + raw + bytes([0, 0, 0, 101])
    assert text == "PV1:" + base45_encode(head + proof + signature)
    assert parse_voucher(text).verify(SIGNER.vkey) == decode(raw)
    for wrong in (TEXT, "PV1:" + TEXT.removeprefix("PK1:"), "pv1:" + text.removeprefix("PV1:"), text[:-3], text + " "):
        assert refused(parse_voucher, wrong)
    assert refused(parse_receipt, text) and refused(parse_receipt, "PK1:" + text.removeprefix("PV1:"))
    assert refused(parse_voucher(text).verify, terminal_signer(seed=b"other").vkey)


def test_a_voucher_of_more_than_512_bytes_gets_no_code():
    longest = voucher_issued(100, customer="9" * 20, no=f"{'n' * 32}-3f2a91c0de")
    assert len(longest) < 360
    long = encode(Entry(100, 1, 1, "voucher.issued", None, (), {"no": "x" * 500}))
    with pytest.raises(ValueError, match="bytes"):
        receipt_text(SIGNER, long, Frontier(LEAVES[:100]))


def test_the_receipt_of_a_sale_in_a_journal(tmp_path):
    with make_journal(tmp_path / "ledger.db", repeated(300)) as journal:
        *_, closing = journal.append([stacked(), written(), closed()])
        journal.append(repeated(5))
        text = receipt_text(SIGNER, encode(closing), journal.frontier(closing.seq))
    assert parse_receipt(text).verify(SIGNER.vkey) == closing
