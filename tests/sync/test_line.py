"""How much one request holds, and how fast it goes out. Time moves only by the clock."""

import pytest

from kiosk.sync.line import FIRST_BYTES, LEAST_BYTES, MOST_BYTES, REQUEST_MS, Line


class Hand:
    def __init__(self):
        self.ms = 0

    def monotonic_ms(self):
        return self.ms

    def rest(self, seconds):
        self.ms += round(seconds * 1000)


@pytest.fixture
def hand():
    return Hand()


def line(hand, limit=0):
    return Line(hand, limit, hand.rest)


def settle(line, bit_s, packing=4, trip_ms=1_000):
    """Requests as large as wished over a line of this speed; how long each took."""
    took = []
    for _ in range(30):
        body = line.body_bytes
        took.append(body // packing * 8_000 // bit_s + trip_ms)
        line.answered(body, body // packing, took[-1])
    return took


def test_the_first_body_is_small_and_a_fast_line_is_full_after_a_few(hand):
    fast = line(hand)
    assert fast.body_bytes == FIRST_BYTES
    bodies = []
    for _ in range(8):
        bodies.append(fast.body_bytes)
        fast.answered(fast.body_bytes, fast.body_bytes // 4, 40)
    assert bodies == sorted(bodies) and bodies[5] >= MOST_BYTES


@pytest.mark.parametrize("bit_s", [2_400, 9_600, 56_000])
def test_a_request_lasts_about_half_a_minute_on_a_slow_line_and_never_a_whole_one(hand, bit_s):
    took = settle(line(hand), bit_s)
    assert max(took) <= 60_000
    assert 0.8 * REQUEST_MS <= took[-1] <= 1.1 * REQUEST_MS


def test_a_line_that_becomes_slow_gets_smaller_requests(hand):
    changing = line(hand)
    settle(changing, 1_000_000)
    body = changing.body_bytes
    changing.answered(body, body // 4, body // 4 * 8_000 // 9_600)
    assert settle(changing, 9_600)[0] <= 1.2 * REQUEST_MS


def test_a_sign_of_life_says_little_about_the_line(hand):
    waiting = line(hand)
    before = waiting.body_bytes
    waiting.answered(500, 500, 2_000)
    assert waiting.body_bytes == before
    waiting.answered(500, 500, 40_000)
    assert waiting.body_bytes == LEAST_BYTES, "but one that takes so long says enough"


def test_breaks_make_it_smaller_down_to_the_least(hand):
    bad = line(hand)
    for _ in range(7):
        bad.broke()
    assert not bad.keeps_breaking
    bad.broke()
    assert bad.keeps_breaking and bad.body_bytes == LEAST_BYTES
    bad.begin_anew()
    assert not bad.keeps_breaking and bad.body_bytes == LEAST_BYTES


def test_an_answer_between_breaks_is_a_line_that_carries(hand):
    bad = line(hand)
    for _ in range(20):
        bad.broke()
        bad.answered(10, 10, 10)
    assert not bad.keeps_breaking


@pytest.mark.parametrize(("limit", "size"), [(9, 40_000), (96, 1_000_000), (1, 3_000), (64, 10)])
def test_the_limit_is_kept_at_every_moment_and_the_bytes_are_the_same(hand, limit, size):
    slow, sent = line(hand, limit), bytes(n % 251 for n in range(size))
    out, pieces = b"", list(slow.pieces(b""))
    assert pieces == []
    for piece in slow.pieces(sent):
        out += piece
        assert (len(out) - len(piece)) * 1000 <= hand.ms * limit * 125
    assert out == sent
    assert hand.ms <= size * 1020 // (limit * 125) + 100, "and hardly slower"


def test_with_a_limit_no_request_is_longer_than_half_a_minute_not_even_the_first(hand):
    for limit in (1, 2, 9, 64):
        assert line(hand, limit).body_bytes <= max(LEAST_BYTES, limit * 125 * REQUEST_MS // 1000)


def test_without_a_limit_nothing_waits(hand):
    assert list(line(hand).pieces(b"x" * 5_000_000)) == [b"x" * 5_000_000]
    assert hand.ms == 0
