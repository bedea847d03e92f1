"""The page where a stick's records are handed in: GET /stick, POST /stick with a zip of the stick.

The upload lies in a file without a name until it is answered, and is gone then. The answers come back as a zip to be
unpacked onto the stick; it stands in the page itself, so nothing is kept here for it.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from starlette.requests import ClientDisconnect

from kiosk.hq.console import HEADERS, HERE, LANGUAGES, language_for, page_template
from kiosk.hq.multipart import FilePart, FormRefused
from kiosk.hq.office import Office
from kiosk.hq.stick import ANSWERED, LOGS_MAX, SAID, Told, import_log
from kiosk.hq.zipped import UPLOAD_BYTES_MAX, ZipFiles, ZipRefused, answers_zip
from kiosk.ledger.files import Below
from kiosk.model.clock import Clock
from kiosk.model.errors import ConfigFault
from kiosk.model.texts import Texts, load_texts

PIECE_BYTES = 1_048_576  # written at once
STALL_MAX_S, UPLOAD_MAX_S = 60.0, 3_600.0  # nothing came for so long; all of it
REFUSALS = ("no-form", "torn", "too-large", "no-zip", "encrypted", "packing", "nothing", "too-many", "busy", "no-room")
FIGURES = frozenset({"name", "code", "size", "new", "held"})
KEYS = {
    **{f"said.{key}": FIGURES for key in SAID},
    **{f"answered.{key}": frozenset[str]() for key in ANSWERED},
    **{f"refusal.{key}": frozenset({"gib"}) for key in REFUSALS},
}


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of an upload: each terminal's folder, or why none was looked at."""

    told: tuple[Told, ...] = ()
    refusal: str = ""  # of REFUSALS
    left_out: int = 0  # folders beyond what one upload may hold

    @property
    def answers(self) -> dict[str, str]:
        """What is to go back, by <H>."""
        return {each.log_id: each.answer for each in self.told if each.answer}

    @property
    def code(self) -> int:
        """Status of the page: 200 also where single terminals were refused; the page tells."""
        return {"": 200, "too-large": 413, "too-many": 413, "busy": 503, "no-room": 507}.get(self.refusal, 400)


def stick_texts(language: str) -> Texts:
    """The sentences about sticks. Raises ConfigFault F-701."""
    texts = load_texts(HERE / "texts", "stick", language)
    try:
        texts.check(KEYS)
    except KeyError as error:
        raise ConfigFault("F-701", str(error)) from error
    return texts


def upload_router(office: Office, clock: Clock, folder: Path) -> APIRouter:
    """The page's routes; ``folder`` has room for an upload. Raises ConfigFault F-701."""
    console = {language: load_texts(HERE / "texts", "console", language) for language in LANGUAGES}
    stick = {language: stick_texts(language) for language in LANGUAGES}
    one_at_a_time = threading.Lock()
    routes = APIRouter()

    def page(request: Request, lang: str, handed: Handed | None) -> Response:
        language = language_for(lang, request.headers.get("accept-language", ""))
        other = LANGUAGES[1 - LANGUAGES.index(language)]
        packed = answers_zip(handed.answers) if handed and handed.answers else b""
        html = page_template("stick.html").render(
            {"handed": handed, "t": console[language].text, "s": stick[language].text, "now_ms": clock.utc_ms()},
            lang=language,
            other=other,
            gib=UPLOAD_BYTES_MAX >> 30,
            zip64=base64.b64encode(packed).decode("ascii"),
        )
        return HTMLResponse(html, handed.code if handed else 200, headers=HEADERS)

    @routes.get("/stick", response_class=HTMLResponse)
    def asked(request: Request, lang: str = "") -> Response:
        return page(request, lang, None)

    @routes.post("/stick", response_class=HTMLResponse)
    async def handed_in(request: Request, lang: str = "") -> Response:
        if not one_at_a_time.acquire(blocking=False):
            return page(request, lang, Handed(refusal="busy"))
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                handed = await _received(request, file) or await run_in_threadpool(hand_in, office, file)
        except OSError:
            handed = Handed(refusal="no-room")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it
        finally:
            one_at_a_time.release()
        return await run_in_threadpool(page, request, lang, handed)

    return routes


def hand_in(office: Office, file: IO[bytes]) -> Handed:
    """Takes every terminal's folder in a zip. Raises LedgerFault L-502."""
    try:
        files = ZipFiles(file)
    except ZipRefused as refused:
        return Handed(refusal=refused.said)
    folders = files.folders()
    told = [import_log(office, Below(files, folder), folder) for folder in folders[:LOGS_MAX]]
    told.sort(key=lambda each: each.name)
    return Handed(tuple(told), left_out=max(0, len(folders) - LOGS_MAX))


async def _in_time(stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The upload's pieces. Raises FormRefused where they stop coming: others wait for the one that is under way."""
    clock = asyncio.get_running_loop().time
    until_s = clock() + UPLOAD_MAX_S
    while True:
        try:
            received = await asyncio.wait_for(anext(stream), min(STALL_MAX_S, until_s - clock()))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise FormRefused("torn") from error
        yield received


async def _received(request: Request, file: IO[bytes]) -> Handed | None:
    """Lays the upload into the file; why not, where it cannot be. Raises ClientDisconnect, OSError."""
    pieces = bytearray()
    refused: Handed | None = None
    try:
        part = FilePart(request.headers.get("content-type", ""), "stick", pieces.extend, UPLOAD_BYTES_MAX)
        async for received in _in_time(request.stream()):
            part.feed(received)
            if len(pieces) >= PIECE_BYTES:
                await run_in_threadpool(file.write, bytes(pieces))
                pieces.clear()
        part.finish()
        await run_in_threadpool(file.write, bytes(pieces))
        await run_in_threadpool(file.flush)
    except FormRefused as fault:
        refused = Handed(refusal=fault.said)
    return refused
