"""The HTTP client: what goes out, and how little it lets in."""

import gzip
import hashlib

import httpx
import pytest
import zstandard
from sync_bench import ORIGIN

from kiosk.sync.answers import Reply
from kiosk.sync.batch import Batch, decode_batch
from kiosk.sync.door import Door
from kiosk.sync.line import Line

BATCH = Batch(ORIGIN, 3, (b"x" * 3000, b"y"), "a note\n")
LOG = hashlib.sha256(ORIGIN.encode()).hexdigest()


def answer(status, **headers):
    return lambda _: httpx.Response(status, headers=headers, stream=httpx.ByteStream(b""))


def door(answer, seen=None):
    def carry(request):
        if seen is not None:
            seen.append(request)
        return answer(request)

    return Door("https://hq.power.example/sub/", ORIGIN, httpx.MockTransport(carry))


def test_addresses_hold_the_hash_of_the_origin_and_nothing_encoded():
    seen = []
    for method in ("ask", "send", "bring"):
        given = {"ask": (), "send": (BATCH,), "bring": ("a note\n",)}[method]
        getattr(door(answer(204), seen), method)(*given)
    assert [(each.method, str(each.url)) for each in seen] == [
        ("GET", f"https://hq.power.example/sub/v1/logs/{LOG}/checkpoint"),
        ("POST", f"https://hq.power.example/sub/v1/logs/{LOG}/entries"),
        ("POST", f"https://hq.power.example/sub/v1/logs/{LOG}/checkpoint"),
    ]
    assert [each.headers.get("content-type") for each in seen] == [None, "application/cbor", "text/plain"]


def test_a_small_batch_goes_as_it_is_and_a_large_one_as_one_zstd_frame(monkeypatch):
    seen = []
    small = Batch(ORIGIN, 3, (b"x",), "a note\n")
    for second in (1.0, 2_000_000_000.0):
        monkeypatch.setattr("time.time", lambda second=second: second)
        for batch in (small, BATCH):
            door(answer(204), seen).send(batch)
    assert "content-encoding" not in seen[0].headers and decode_batch(seen[0].content) == small
    assert seen[1].headers["content-encoding"] == "zstd"
    body = zstandard.ZstdDecompressor().decompress(seen[1].content, allow_extra_data=False)
    assert decode_batch(body) == BATCH
    assert seen[1].content == seen[3].content, "the same batch is the same bytes at any time"


def test_an_endless_answer_is_cut_off():
    given = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self):
            for _ in range(100_000):
                given.append(1)
                yield b"9" * 10_000

    reply = door(lambda _: httpx.Response(200, stream=Endless())).ask()
    assert len(reply.body) == 65_536 and len(given) < 10


def test_what_is_packed_is_not_unpacked():
    bomb = gzip.compress(bytes(10_000_000))
    packed = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(bomb))
    reply = door(lambda _: packed).ask()
    assert reply == Reply(200, bomb[:65_536])


def test_a_redirect_is_not_followed():
    seen = []
    assert door(answer(302, Location="https://elsewhere/"), seen).ask().status == 302
    assert len(seen) == 1


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.WriteError])
def test_whatever_breaks_on_the_way_is_silence(fault):
    def broken(request):
        raise fault("x", request=request)

    assert door(broken).ask() is None
    assert door(broken).send(BATCH) is None


@pytest.mark.parametrize("url", ["http://[", "ftp://hq", "http://"])
def test_an_address_that_leads_nowhere_is_silence(url):
    assert Door(url, ORIGIN).ask() is None


# codings


def takes(*codings):
    """A head office that answers 415 to other codings."""
    return lambda request: answer(204 if request.headers.get("content-encoding", "") in codings else 415)(request)


@pytest.mark.parametrize(
    ("taken", "tried"),
    [(("zstd",), ["zstd"]), (("gzip",), ["zstd", "gzip"]), (("",), ["zstd", "gzip", ""])],
)
def test_415_is_met_with_another_coding_the_next_time_and_that_is_remembered(taken, tried):
    seen = []

    def carry(request):
        seen.append(request)
        return takes(*taken)(request)

    client = Door("https://hq.power.example/", ORIGIN, httpx.MockTransport(carry))
    assert [client.send(BATCH).status for _ in tried] == [415] * (len(tried) - 1) + [204]  # one request a try
    assert [each.headers.get("content-encoding", "") for each in seen] == tried
    client.send(BATCH)
    assert [each.headers.get("content-encoding", "") for each in seen[len(tried) :]] == tried[-1:]
    unpack = {"zstd": zstandard.ZstdDecompressor().decompress, "gzip": gzip.decompress, "": bytes}[tried[-1]]
    assert decode_batch(unpack(seen[-1].content)) == BATCH


def test_415_to_every_coding_is_told_and_the_next_try_begins_at_the_front():
    seen = []
    client = door(answer(415), seen)
    assert {client.send(BATCH).status for _ in range(6)} == {415}
    assert [each.headers.get("content-encoding", "") for each in seen] == ["zstd", "gzip", ""] * 2


def test_a_full_body_has_a_window_that_head_office_takes():
    seen = []
    large = Batch(ORIGIN, 0, tuple(bytes([n % 251]) * 65_000 for n in range(128)), "a note\n")
    door(answer(204), seen).send(large)
    frame = zstandard.get_frame_parameters(seen[0].content)
    assert len(seen[0].content) < 1_000_000 and 8_000_000 < frame.content_size <= 8_388_608
    assert frame.window_size <= 8_388_608


def test_with_a_limit_the_pieces_make_the_same_request():
    class Hand:
        ms = 0

        def monotonic_ms(self):
            return self.ms

    hand, seen, waits = Hand(), [], []

    def rest(seconds):
        waits.append(seconds)
        hand.ms += round(seconds * 1000)

    slow = Line(hand, 1, rest)
    carry = httpx.MockTransport(lambda request: seen.append(request) or answer(204)(request))
    many = Batch(ORIGIN, 3, tuple(hashlib.sha256(bytes([n])).digest() for n in range(200)), "a note\n")
    Door("https://hq.power.example/", ORIGIN, carry, slow).send(many)
    assert seen[0].headers["content-length"] == str(len(seen[0].content))
    assert "transfer-encoding" not in seen[0].headers
    assert decode_batch(zstandard.ZstdDecompressor().decompress(seen[0].content)) == many
    assert sum(waits) >= len(seen[0].content) / 125 - 1 and len(waits) > 10


@pytest.mark.parametrize(
    ("given", "seconds"), [("7", 7), ("", 0), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("9" * 30, 0)]
)
def test_retry_after_is_read_in_seconds_only(given, seconds):
    assert door(answer(503, **{"Retry-After": given})).ask().retry_after_s == seconds
