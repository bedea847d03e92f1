"""The uplink's HTTP client: three requests, replies or silence. No other file of the terminal speaks to head office.

A batch is packed with zstd; a head office that answers 415 gets the same batch an hour later with gzip, then as it is.
On a slow line the kernel must not swallow what is still to be sent, or the wait for the answer would begin long before
the last byte is on its way: hence the socket options.
"""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
from hashlib import sha256

import httpx
import zstandard

from kiosk.model.clock import SystemClock
from kiosk.sync.answers import Reply
from kiosk.sync.batch import Batch, encode_batch
from kiosk.sync.line import Line

log = logging.getLogger(__name__)

REPLY_BYTES_MAX = 65_536
PACK_FROM_BYTES = 1_024
CODINGS = ("zstd", "gzip", "")  # in the order they are tried
ZSTD_LEVEL = 9  # its window is that of the body, at most 8 MiB (contract 2 §6)
HEARD = (200, 202, 409, 413, 422)  # answers that say something about the line: the body was read before them
# No byte for so long is silence. Where packets are lost TCP waits ever longer by itself: a new connection is better.
TIMEOUT = httpx.Timeout(60.0, connect=30.0)
IDLE_S = 3.0  # a connection is not used again after a pause that many servers end it in
TCP_THIN_LINEAR_TIMEOUTS = 16  # Linux: on a slow line, what is lost again is sent again without doubling the wait
SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 4_096),
    (socket.IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1),
)


class Door:
    """Head office's door for one log. Not for several threads."""

    def __init__(
        self, url: str, origin: str, transport: httpx.BaseTransport | None = None, line: Line | None = None
    ) -> None:
        """``url``: what stands before ``/v1``; ``transport`` replaces the network in tests."""
        log_id = sha256(origin.encode()).hexdigest()
        self._base = f"{url.rstrip('/')}/v1/logs/{log_id}"
        self._line = line or Line(SystemClock())
        self._coding = CODINGS[0]
        # No proxies or passwords out of the environment; a redirect is a strange status.
        self._client = httpx.Client(
            transport=transport or _network(),
            timeout=TIMEOUT,
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def ask(self) -> Reply | None:
        """GET checkpoint; None is silence."""
        return self._exchange("GET", "checkpoint", b"", {})

    def send(self, batch: Batch) -> Reply | None:
        """POST entries; None is silence. Raises BatchTooLarge when the batch is over a limit."""
        body = encode_batch(batch)
        coding = self._coding if len(body) >= PACK_FROM_BYTES else ""
        reply = self._post(body, coding)
        if reply is not None and reply.status == 415:  # tried again hourly (contract 2 §6), each time otherwise packed
            self._coding = CODINGS[(CODINGS.index(coding) + 1) % len(CODINGS)]
            log.warning("head office does not take it with coding %r; next is %r", coding, self._coding)
        return reply

    def bring(self, cosigned_note: str) -> Reply | None:
        """POST checkpoint: a note that head office may have forgotten; None is silence."""
        return self._exchange("POST", "checkpoint", cosigned_note.encode(), {"Content-Type": "text/plain"})

    def _post(self, body: bytes, coding: str) -> Reply | None:
        sent, headers = _packed(body, coding), {"Content-Type": "application/cbor"}
        if coding:
            headers["Content-Encoding"] = coding
        begun_ms = self._line.now_ms()
        reply = self._exchange("POST", "entries", sent, headers)
        if reply is not None and reply.status in HEARD:
            self._line.answered(len(body), len(sent), self._line.now_ms() - begun_ms)
        return reply

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply | None:
        sent = headers | {"Accept-Encoding": "identity"}
        if body:
            sent["Content-Length"] = str(len(body))  # known before the pieces are
        content = self._line.pieces(body) if method == "POST" else None
        try:
            with self._client.stream(method, f"{self._base}/{path}", content=content, headers=sent) as response:
                return Reply(response.status_code, _body(response), _retry_after_s(response))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            log.info("head office is not reached: %s: %s", type(error).__name__, error)
        except httpx.HTTPError as error:
            log.info("the exchange broke off: %s: %s", type(error).__name__, error)
            if path == "entries":
                self._line.broke()
        return None


def _packed(body: bytes, coding: str) -> bytes:
    """The same batch is the same bytes at any time: gzip's head bears no time."""
    match coding:
        case "zstd":
            return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)
        case "gzip":
            return gzip.compress(body, 6, mtime=0)
    return body


def _retry_after_s(response: httpx.Response) -> int:
    """RFC 9110 §10.2.3 in seconds; a date is left alone, for our clock may be wrong."""
    given = response.headers.get("Retry-After", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


def _network() -> httpx.HTTPTransport:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S)
    return httpx.HTTPTransport(verify=trusted(), trust_env=False, limits=limits, socket_options=SOCKET_OPTIONS)


def trusted() -> ssl.SSLContext:
    """The public authorities, and those the operator installed on this machine."""
    trusted = httpx.create_ssl_context(trust_env=False)
    trusted.load_default_certs()
    return trusted


def _body(response: httpx.Response) -> bytes:
    body = b""
    for part in response.iter_raw():
        body += part
        if len(body) > REPLY_BYTES_MAX:
            break
    return body[:REPLY_BYTES_MAX]
