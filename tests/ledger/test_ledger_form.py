"""Forms: what is known by the form of another entry is what the decoder takes, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_story import OWED, SALE, closed
from long_story import visit

from kiosk.ledger.entry import Entry, decode, encode
from kiosk.ledger.form import ALIKE_MAX, FORMS_MAX, Forms
from kiosk.model.errors import LedgerFault

AT = 1_764_000_000_000


class Known(Forms):
    """Says which form is known for some bytes, and learns none."""

    def __init__(self, *raws):
        forms = Forms()
        for raw in raws:
            forms.of(raw)
        self._by_length = forms._by_length

    def _learnt(self, _raw):
        return None


def entry(**fields):
    return Entry(**{"seq": 300, "at": AT, "boot": 1, "kind": "x", "sale": None, "post": (), "data": {}, **fields})


def entries(number):
    return [
        entry(seq=300 + at, kind=d.kind, sale=d.sale, post=d.post, data=d.data) for at, d in enumerate(visit(number))
    ]


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.data())
@settings(max_examples=600, deadline=None)
def test_what_is_known_decodes_to_what_is_read_from_its_places(number, other, data):
    known = Known(*map(encode, entries(number)))
    raw = bytearray(encode(data.draw(st.sampled_from(entries(other)))))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(raw)
    form = known.of(raw)
    if form is None:
        return
    try:
        found = decode(raw)
    except LedgerFault as fault:  # what is left to the caller
        assert any(word in str(fault) for word in ("account", "postings", "a posting of")), fault
        return
    assert (found.kind, found.sale) == (form.kind, raw[-16:] if form.sale else None)
    assert [number_at(raw, place) for place in form.front] == [found.at, found.seq, found.boot]
    posted = [(raw[slice(*name)].decode(), number_at(raw, fen)) for name, fen in form.postings]
    assert tuple(posted) == found.post
    for key, place in (("energy", form.energy), ("kept", form.kept)):
        assert (number_at(raw, place) if place else None) == found.data.get(key)


def number_at(raw, place):
    item = raw[slice(*place)]
    value = item[0] & 0x1F if len(item) == 1 else int.from_bytes(item[1:])
    return -1 - value if item[0] & 0x20 else value


BORDERS = [(24, 255), (256, 2**16 - 1), (2**16, 2**32 - 1), (2**32, 2**53 - 1)]
WIDTH = {24: 1, 256: 2, 2**16: 4, 2**32: 8}
FIELDS = {
    "seq": lambda value: entry(seq=value),
    "boot": lambda value: entry(boot=value),
    "at": lambda value: entry(at=value),
    "data": lambda value: entry(data={"fen": value}),
    "negative": lambda value: entry(data={"fen": -1 - value}),
    "deep": lambda value: entry(data={"sums": {"a": [{"b": value}]}}),
}


@given(st.sampled_from(sorted(FIELDS)), st.sampled_from(BORDERS), st.data())
@settings(max_examples=400, deadline=None)
def test_a_number_that_does_not_need_its_width_is_not_known(field, border, data):
    least, most = border
    learnt = FIELDS[field](data.draw(st.integers(least, most)))
    other = data.draw(st.one_of(st.integers(0, most), st.sampled_from([0, least - 1, least, most])))
    raw, width = encode(learnt), WIDTH[least]
    value = {"negative": lambda e: -1 - e.data["fen"], "data": lambda e: e.data["fen"]}.get(field)
    value = value(learnt) if value else max(least, number_of(learnt, field))
    assert raw.count(value.to_bytes(width)) >= 1
    head, _, tail = raw.rpartition(value.to_bytes(width)) if field != "at" else raw.partition(value.to_bytes(width))
    changed = head + other.to_bytes(width) + tail
    form = Known(raw).of(changed)
    if other < least:
        assert form is None
    elif form is not None:
        assert encode(decode(changed)) == changed


def number_of(learnt, field):
    if field == "deep":
        return learnt.data["sums"]["a"][0]["b"]
    return getattr(learnt, field)


def test_numbers_of_one_width_have_one_form():
    first, *others = (encode(entry(data={"fen": fen, "n": n})) for fen, n in ((300, 0), (256, 23), (65_535, 7)))
    assert all(Known(first).of(raw) for raw in others)
    assert Known(first).of(first.replace(b"an\x00", b"an\x18", 1)) is None


def test_what_is_not_alike_is_not_known():
    raw = encode(entry(kind="note.accepted", sale=SALE, data={"note": bytes(8), "t": "ab", "f": True}))
    known = Known(raw)
    for old, new, good in (
        (b"at\x1b", b"aT\x1b", False),
        (b"note.accepted", b"note.acceptee", False),
        (b"\xa7", b"\xa6", False),
        (b"dnote", b"dnotf", False),
        (b"\x62ab", b"\x62\xc3\xa4", False),
        (b"\x62ab", b"\x62a\xff", False),
        (b"\x62ab", b"\x61ab", False),
        (b"\xf5", b"\xf4", True),
        (b"\xf5", b"\xf6", False),
        (b"\xf5", b"\xf7", False),
        (SALE, bytes(16), True),
        (b"\x48" + bytes(8), b"\x48" + bytes(range(8)), True),
        (b"\x62ab", b"\x62Zz", True),
        (AT.to_bytes(8), (2**53 - 1).to_bytes(8), False),  # beyond what a form holds: it is decoded
        (AT.to_bytes(8), (2**53).to_bytes(8), False),
    ):
        assert raw.count(old) == 1
        assert bool(known.of(raw.replace(old, new))) is good, (old, new)


def test_a_time_beyond_what_a_form_holds_is_decoded_each_time():
    forms = Forms()
    far = encode(entry(at=2**53 - 1))
    assert forms.of(far).kind == "x" and forms._count == 0
    with pytest.raises(LedgerFault):
        forms.of(far.replace((2**53 - 1).to_bytes(8), (2**53).to_bytes(8)))


def test_a_text_that_is_not_ascii_is_known_by_itself_only():
    raw = encode(entry(data={"device": "打印机"}))
    assert Known(raw).of(raw) and Known(raw).of(raw.replace("打".encode(), "扫".encode())) is None


def test_a_kept_that_is_no_number_is_said():
    for kept, odd in ((5, False), ("five", True), (True, True)):
        form = Forms().of(encode(entry(kind="sale.closed", sale=SALE, data={**closed().data, "kept": kept})))
        assert (form.kept is None) is odd and form.odd_kept is odd


def test_forms_are_forgotten_before_there_are_too_many():
    forms = Forms()
    for at in range(2 * ALIKE_MAX):
        forms.of(encode(entry(kind=f"kind{at:04d}")))
    assert forms._count == ALIKE_MAX
    for length in range(FORMS_MAX // ALIKE_MAX + 1):
        for at in range(ALIKE_MAX):
            forms.of(encode(entry(kind=f"{at:02d}" + "k" * (length + 30))))
        assert forms._count <= FORMS_MAX


def test_a_plain_form_posts_nothing_and_closes_nothing():
    kinds = {d.kind: Forms().of(encode(entry(kind=d.kind, sale=d.sale, post=d.post, data=d.data))) for d in visit(8)}
    assert {kind for kind, form in kinds.items() if not form.plain} == {"note.stacked", "write.done", "sale.closed"}
    assert kinds["note.stacked"].postings and OWED.startswith("owed:")
