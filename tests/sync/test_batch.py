"""The wire format of an upload, against bytes written by hand."""

import cbor2
import pytest

from kiosk.sync.batch import (
    BODY_BYTES_MAX,
    Batch,
    BatchMalformed,
    BatchTooLarge,
    decode_batch,
    encode_batch,
)

BATCH = Batch("power.example/kiosk/420100/0007/1", 3, (b"\xa0", b""), "note\n")

# map(4): "from" 3, "origin", "entries" [h'a0', h''], "checkpoint" "note\n"
GOLDEN = (
    b"\xa4"
    b"\x64from\x03"
    b"\x66origin\x78\x21power.example/kiosk/420100/0007/1"
    b"\x67entries\x82\x41\xa0\x40"
    b"\x6acheckpoint\x65note\n"
)


def test_a_batch_is_these_bytes():
    assert encode_batch(BATCH) == GOLDEN
    assert decode_batch(GOLDEN) == BATCH
    assert BATCH.end == 5


def test_keys_may_come_in_any_order_and_lengths_in_long_form():
    body = (
        b"\xb8\x04"
        b"\x6acheckpoint\x79\x00\x05note\n"
        b"\x78\x07entries\x9b\x00\x00\x00\x00\x00\x00\x00\x02\x58\x01\xa0\x40"
        b"\x66origin\x78\x21power.example/kiosk/420100/0007/1"
        b"\x64from\x1a\x00\x00\x00\x03"
    )
    assert decode_batch(body) == BATCH


FRONT = GOLDEN[: GOLDEN.index(b"\x67entries")]
BACK = b"\x6acheckpoint\x65note\n"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "too early"),
        (GOLDEN[:-1], "too early"),
        (GOLDEN + b"\x00", "behind"),
        (GOLDEN + GOLDEN, "behind"),
        (b"\xa3" + GOLDEN[1:], "behind"),  # three pairs announced, four there
        (b"\xa3" + FRONT[1:] + b"\x67entries\x80", "missing"),
        (b"\xa5" + GOLDEN[1:] + b"\x61x\x00", "unknown key"),
        (b"\xa4" + FRONT[1:] + b"\x64from\x03" + BACK, "twice"),
        (b"\xbf" + GOLDEN[1:] + b"\xff", "indefinite"),
        (FRONT + b"\x67entries\x9f\x41\xa0\xff" + BACK, "indefinite"),
        (FRONT + b"\x67entries\x81\x5f\x41\xa0\xff" + BACK, "indefinite"),
        (FRONT + b"\x67entries\x81\x5c\xa0" + BACK, "reserved"),
        (FRONT + b"\x67entries\x81\x61a" + BACK, "byte string"),
        (FRONT + b"\x67entries\xa0" + BACK, "array"),
        (b"\xc0" + GOLDEN, "map"),
        (b"\x84" + GOLDEN[1:], "map"),
        (GOLDEN.replace(b"\x64from\x03", b"\x64from\x20"), "whole number"),  # −1
        (GOLDEN.replace(b"\x64from\x03", b"\x64from\xf9\x42\x00"), "whole number"),  # 3.0
        (GOLDEN.replace(b"note\n", b"not\xff\n"), "UTF-8"),
        (GOLDEN.replace(b"\x65note\n", b"\x45note\n"), "text"),
        (GOLDEN.replace(b"\x64from", b"\x44from"), "text"),
    ],
)
def test_anything_else_is_malformed(body, why):
    with pytest.raises(BatchMalformed, match=why):
        decode_batch(body)


def _body(entries):
    return cbor2.dumps({"from": 0, "origin": "o", "entries": entries, "checkpoint": "c"})


def test_4096_entries_pass_and_one_more_does_not():
    assert len(decode_batch(_body([b""] * 4096)).entries) == 4096
    with pytest.raises(BatchTooLarge):
        decode_batch(_body([b""] * 4097))
    with pytest.raises(BatchTooLarge):
        encode_batch(Batch("o", 0, (b"",) * 4097, "c"))


def test_an_entry_of_65535_bytes_passes_and_one_more_does_not():
    assert len(decode_batch(_body([b"x" * 65_535])).entries[0]) == 65_535
    with pytest.raises(BatchTooLarge):
        decode_batch(_body([b"x" * 65_536]))


def test_a_body_of_8388608_bytes_passes_and_one_more_does_not():
    entries = [b"x" * 65_000] * 129
    spare = BODY_BYTES_MAX - len(_body(entries))
    full = _body([*entries[:-1], b"x" * 65_000, b"y" * (spare - 3)])
    assert len(full) == BODY_BYTES_MAX
    assert len(decode_batch(full).entries) == 130
    over = Batch("o", 0, (*entries, b"y" * (spare - 2)), "c")
    with pytest.raises(BatchTooLarge):
        encode_batch(over)
    with pytest.raises(BatchTooLarge):
        decode_batch(full + b"z")


def test_a_length_that_reaches_beyond_memory_is_refused_before_it_is_taken():
    with pytest.raises(BatchTooLarge):
        decode_batch(FRONT + b"\x67entries\x9b\xff\xff\xff\xff\xff\xff\xff\xff" + BACK)
    with pytest.raises(BatchTooLarge):
        decode_batch(FRONT + b"\x67entries\x81\x5b\xff\xff\xff\xff\xff\xff\xff\xff" + BACK)
