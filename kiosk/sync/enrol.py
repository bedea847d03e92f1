"""Asks head office, on line, to enrol this terminal: one request, before there is a ledger to send.

Nothing said here is believed for being said: the answer is proven by the code (``kiosk.ledger.enrolment``).
"""

from __future__ import annotations

import re

import httpx

from kiosk.ledger.enrolment import ANSWER_BYTES_MAX, MEDIA_TYPE
from kiosk.model.codes import CODES
from kiosk.model.errors import BatchRefused, EnrolmentRefused
from kiosk.sync.door import trusted

TIMEOUT = httpx.Timeout(120.0, connect=15.0)  # head office reads old ledgers meanwhile
WORDS_MAX = 500
_REFUSAL = re.compile(r"(E-9\d\d) ([ -~\n]*)")


def ask_office(url: str, request: bytes, transport: httpx.BaseTransport | None = None) -> bytes:
    """The answer's bytes. ``url``: what stands before ``/v1``; ``transport`` replaces the network in tests.

    Raises EnrolmentRefused with head office's own code, BatchRefused S-601 where it does not answer.
    """
    headers = {"Content-Type": MEDIA_TYPE, "Accept-Encoding": "identity"}
    channel = transport or httpx.HTTPTransport(verify=trusted(), trust_env=False)
    try:
        with (
            httpx.Client(transport=channel, timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", f"{url.rstrip('/')}/v1/enrol", content=request, headers=headers) as response,
        ):
            content = _content(response)
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BatchRefused("S-601", f"{url} does not answer: {type(error).__name__} {error}") from error
    if status == 200:
        return content
    told = _REFUSAL.match(content[:WORDS_MAX].decode("ascii", "replace"))
    if told is None or told[1] not in CODES:
        raise BatchRefused("S-601", f"{url} answers {status}: is it head office's address?")
    raise EnrolmentRefused(told[1], f"head office says: {told[2].strip()}")


def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    for part in response.iter_raw():
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            break
    return bytes(content[: ANSWER_BYTES_MAX + 1])
