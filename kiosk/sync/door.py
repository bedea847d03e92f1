"""The uplink's HTTP client: three requests, replies or silence. No other file of the terminal speaks to head office."""

from __future__ import annotations

import gzip
import logging
import ssl
from hashlib import sha256

import httpx

from kiosk.sync.answers import Reply
from kiosk.sync.batch import Batch, encode_batch

log = logging.getLogger(__name__)

REPLY_BYTES_MAX = 65_536
PACK_FROM_BYTES = 1_024
TIMEOUT = httpx.Timeout(60.0, connect=15.0)


class Door:
    """Head office's door for one log. Not for several threads."""

    def __init__(self, url: str, origin: str, transport: httpx.BaseTransport | None = None) -> None:
        """``url``: what stands before ``/v1``; ``transport`` replaces the network in tests."""
        log_id = sha256(origin.encode()).hexdigest()
        self._base = f"{url.rstrip('/')}/v1/logs/{log_id}"
        # No proxies or passwords out of the environment; a redirect is a strange status.
        self._client = httpx.Client(
            transport=transport or httpx.HTTPTransport(verify=_trusted(), trust_env=False),
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
        body, headers = encode_batch(batch), {"Content-Type": "application/cbor"}
        if len(body) >= PACK_FROM_BYTES:
            # Without the time in gzip's head the same batch is the same bytes.
            body, headers["Content-Encoding"] = gzip.compress(body, 6, mtime=0), "gzip"
        return self._exchange("POST", "entries", body, headers)

    def bring(self, cosigned_note: str) -> Reply | None:
        """POST checkpoint: a note that head office may have forgotten; None is silence."""
        return self._exchange("POST", "checkpoint", cosigned_note.encode(), {"Content-Type": "text/plain"})

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply | None:
        sent = headers | {"Accept-Encoding": "identity"}
        content = body if method == "POST" else None
        try:
            with self._client.stream(method, f"{self._base}/{path}", content=content, headers=sent) as response:
                return Reply(response.status_code, _body(response))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("head office does not answer: %s: %s", type(error).__name__, error)
            return None


def _trusted() -> ssl.SSLContext:
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
