"""Entries: the golden bytes, every rule of contract 2 §2, and the traps of CBOR."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.ledger.entry import AT_MAX, FEN_MAX, UINT_MAX, Entry, decode, encode
from kiosk.model.errors import LedgerFault

SALE = bytes(range(16))
GOOD = Entry(
    7, 1_700_000_000_000, 3, "note.stacked", SALE, (("cash:box", 5000), ("owed:1001:42", -5000)), {"b": 1, "aa": True}
)
# Worked out by hand from RFC 8949 §3.1 and §4.2.1.
GOLDEN = bytes.fromhex(
    "a7"  # map of 7
    "626174 1b0000018bcfe56800"  # "at": 1700000000000
    "63736571 07"  # "seq": 7
    "64626f6f74 03"  # "boot": 3
    "6464617461 a2 6162 01 626161 f5"  # "data": {"b": 1, "aa": true}
    "646b696e64 6c6e6f74652e737461636b6564"  # "kind": "note.stacked"
    "64706f7374 82 82 68636173683a626f78 191388 82 6c6f7765643a313030313a3432 391387"  # "post"
    "6473616c65 50000102030405060708090a0b0c0d0e0f"  # "sale"
)
BARE = {"at": 1, "seq": 0, "boot": 1, "data": {}, "kind": "device.up", "post": []}


def raw(**changes):
    return cbor2.dumps({**BARE, **changes}, canonical=True)


def refused(bytes_):
    with pytest.raises(LedgerFault) as fault:
        decode(bytes_)
    return fault.value.code == "L-501"


def test_the_bytes_are_those_worked_out_by_hand():
    assert encode(GOOD).hex() == GOLDEN.hex()
    assert decode(GOLDEN) == GOOD


def test_a_bare_entry_is_taken():
    assert decode(raw()) == Entry(0, 1, 1, "device.up", None, (), {})


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x80",  # an array
        raw() + b"\x00",  # bytes behind it
        raw()[:-1],
        b"\xbf" + raw()[1:] + b"\xff",  # indefinite
        raw().replace(b"\x62at\x01", b"\x62at\x18\x01"),  # a long form
        b"\xa7" + raw()[1:] + b"\x62at\x01",  # a key twice
        cbor2.dumps(dict(reversed(BARE.items()))),  # out of order
        cbor2.dumps(dict(sorted(BARE.items()))),  # in order of the texts, not of their encoding
        raw(at=AT_MAX + 1),
        raw(at=-1),
        raw(seq=-1),
        raw(seq=True),
        raw(boot=False),
        raw(at=1.0),
        raw(kind=7),
        raw(kind=b"device.up"),
        raw(sale=None),
        raw(sale=b"short"),
        raw(sale="0123456789abcdef"),
        raw(extra=1),
        raw(data=[]),
        raw(data=None),
        raw(data={"x": None}),
        raw(data={"x": cbor2.undefined}),
        raw(data={"x": 1.5}),
        raw(data={"x": cbor2.CBORSimpleValue(99)}),
        raw(data={"x": 2**64}),
        raw(data={"x": cbor2.CBORTag(1234, 1)}),
        raw(data={1: "x"}),
        raw(data={"x": {b"k": 1}}),
        raw(data={"x": "y" * 16_384}),
        cbor2.dumps({key: value for key, value in BARE.items() if key != "post"}, canonical=True),
        raw(data={"x": 1}).replace(b"\x61x\x01", b"\x61x\xc2\x41\x01"),  # a bignum that would fit
        raw(data={"x": 1}).replace(b"\x61x\x01", b"\x61x\xd9\xd9\xf7\x01"),  # a tag that vanishes when read
        raw(data={"x": "é"}).replace("é".encode(), b"\xc3\x28"),  # not UTF-8
        raw(data={"x": "abc"}).replace(b"abc", b"\xed\xa0\x80"),  # a lone surrogate
    ],
    ids=range(37),
)
def test_whatever_encode_would_not_write_is_refused(wrong):
    assert refused(wrong)


@pytest.mark.parametrize(
    "post",
    [
        [["cash:box", 5]],  # does not sum to zero
        [["cash:box", 0]],
        [["cash:box", 5], ["cash:box", -5]],
        [["unassigned", -5], ["cash:box", 5]],  # not sorted
        [["qr:a", 5], ["float", -5]],  # shorter first is the order of map keys, not of accounts
        [["cash:box", FEN_MAX + 1], ["unassigned", -FEN_MAX - 1]],
        [["cash:box", True], ["unassigned", -1]],
        [["cash:box", 5, 1], ["unassigned", -5]],
        [["cash", 5], ["unassigned", -5]],
        [["cash:box\n", 5], ["unassigned", -5]],
        [["owed:1001", 5], ["unassigned", -5]],
        [["owed:1001:", 5], ["unassigned", -5]],
        [["owed:1001:" + "x" * 65, 5], ["unassigned", -5]],
        [["owed:1001:é", 5], ["unassigned", -5]],
        [["sold:a:b", 5], ["unassigned", -5]],
        [[5, 5], ["unassigned", -5]],
        {"cash:box": 5},
        [[f"sold:{at:03d}", 1 if at % 2 else -1] for at in range(66)],
    ],
)
def test_postings_out_of_order_or_out_of_bounds_are_refused(post):
    assert refused(raw(post=post))


def test_postings_at_their_bounds_are_taken():
    widest = [[f"sold:{at:03d}", FEN_MAX if at % 2 else -FEN_MAX] for at in range(64)]
    assert len(decode(raw(post=widest)).post) == 64
    accounts = ["carried:1", "cash:bag:b-1", "cash:box", "float", "over-short", "owed:a:b", "qr:wx", "sold:a"]
    post = [[account, 1 if at % 2 else -1] for at, account in enumerate([*accounts, "unassigned", "voucher:9"])]
    assert [account for account, _ in decode(raw(post=post)).post] == [account for account, _ in post]


def nested(depth):
    """Data whose innermost array lies at ``depth``, the entry's own map being 1."""
    value = []
    for _ in range(depth - 3):
        value = [value]
    return raw(data={"x": value})


def test_depth_16_is_taken_and_17_is_not():
    assert decode(nested(16)).data
    assert refused(nested(17))


def test_an_entry_of_16384_bytes_is_taken_and_one_more_is_not():
    room = 16_384 - len(raw(data={"x": "y" * 16_000})) + 16_000
    assert len(raw(data={"x": "y" * room})) == 16_384
    assert decode(raw(data={"x": "y" * room})).data["x"] == "y" * room
    assert refused(raw(data={"x": "y" * (room + 1)}))


def test_a_closed_sale_has_512_bytes_and_no_more():
    room = 512 - len(raw(kind="sale.closed", data={"x": "y" * 400})) + 400
    assert decode(raw(kind="sale.closed", data={"x": "y" * room})).kind == "sale.closed"
    assert refused(raw(kind="sale.closed", data={"x": "y" * (room + 1)}))


def test_a_few_bytes_of_shared_references_do_not_unfold():
    level = bytes.fromhex("d81c80")
    for reference in range(1, 7):
        level = bytes.fromhex("d81c9828") + level + bytes.fromhex(f"d81d{reference - 1:02x}") * 39
    bomb = raw(data={"x": 1}).replace(b"\x61x\x01", b"\x61x" + level)
    assert refused(bomb)
    itself = raw(data={"x": 1}).replace(b"\x61x\x01", b"\x61x" + bytes.fromhex("d81c81d81d00"))
    assert refused(itself)


@pytest.mark.parametrize("bad", [{"x": None}, {"x": 2**64}, {"x": 0.5}, {2: 1}, {"x": {1}}, {"x": "\ud800"}])
def test_what_cannot_be_read_again_is_not_written(bad):
    with pytest.raises(ValueError):
        encode(Entry(0, 1, 1, "device.up", None, (), bad))


values = st.recursive(
    st.booleans() | st.integers(-UINT_MAX - 1, UINT_MAX) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
entries = st.builds(
    Entry,
    seq=st.integers(0, UINT_MAX),
    at=st.integers(0, AT_MAX),
    boot=st.integers(0, UINT_MAX),
    kind=st.text(max_size=20).filter(lambda kind: kind != "sale.closed"),
    sale=st.none() | st.binary(min_size=16, max_size=16),
    post=st.integers(1, FEN_MAX).map(lambda fen: (("cash:box", fen), ("unassigned", -fen))) | st.just(()),
    data=st.dictionaries(st.text(), values, max_size=5),
)


@given(entries)
def test_an_entry_comes_back_from_its_bytes(entry):
    bytes_ = encode(entry)
    assert decode(bytes_) == entry
    assert bytes_ == cbor2.dumps(cbor2.loads(bytes_), canonical=True)


@given(entries, st.data())
def test_a_changed_byte_is_refused_or_is_another_entry(entry, data):
    bytes_ = bytearray(encode(entry))
    at = data.draw(st.integers(0, len(bytes_) - 1))
    bytes_[at] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(bytes_))
    except LedgerFault:
        return
    assert other != entry
    assert encode(other) == bytes_


@given(st.binary(max_size=80))
def test_random_bytes_raise_nothing_but_a_ledger_fault(bytes_):
    try:
        assert encode(decode(bytes_)) == bytes_
    except LedgerFault as fault:
        assert fault.code == "L-501"
