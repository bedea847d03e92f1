"""The HTTP client: what goes out, and how little it lets in."""

import gzip
import hashlib

import httpx
import pytest
from sync_bench import ORIGIN

from kiosk.sync.answers import Reply
from kiosk.sync.batch import Batch, decode_batch
from kiosk.sync.door import Door

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


def test_a_small_batch_goes_as_it_is_and_a_large_one_as_one_gzip_member(monkeypatch):
    seen = []
    small = Batch(ORIGIN, 3, (b"x",), "a note\n")
    for second in (1.0, 2_000_000_000.0):
        monkeypatch.setattr("time.time", lambda second=second: second)
        for batch in (small, BATCH):
            door(answer(204), seen).send(batch)
    assert "content-encoding" not in seen[0].headers and decode_batch(seen[0].content) == small
    assert seen[1].headers["content-encoding"] == "gzip" and decode_batch(gzip.decompress(seen[1].content)) == BATCH
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
