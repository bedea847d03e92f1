"""Head office over HTTP: contract 2 §6's transport, and the page for people."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from kiosk.hq.books import catch_up
from kiosk.hq.clerk import Clerk
from kiosk.hq.console import router
from kiosk.hq.console_books import books_router
from kiosk.hq.folder import REPOSITORY
from kiosk.hq.invite_door import enrol_router
from kiosk.hq.keyring import open_signer
from kiosk.hq.office import TEXT, Answer, Office
from kiosk.hq.store import Store
from kiosk.hq.unpack import CODINGS, unpack
from kiosk.hq.upload import upload_router
from kiosk.hq.watch import Limits
from kiosk.hq.witness import Witness
from kiosk.model.clock import Clock, SystemClock
from kiosk.model.errors import LedgerFault
from kiosk.sync.batch import BODY_BYTES_MAX, Batch, BatchMalformed, BatchTooLarge, decode_batch

log = logging.getLogger(__name__)

NOTE_BYTES_MAX = 65_536
TOO_LARGE = Answer(413, "over a limit\n")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where head office keeps its things; ``folder`` holds the key, and backups. When it calls for people."""

    folder: Path
    database_url: str
    limits: Limits = field(default_factory=Limits)


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The ASGI app. Raises LedgerFault L-502 (database), L-505 (key)."""
    clock = clock or SystemClock()
    witness = Witness(open_signer(settings.folder), clock)
    store = Store(settings.database_url, settings.folder)
    if store.migrated:
        catch_up(store)
    clerk = Clerk(store, clock, settings.limits)
    office = Office(store, witness, clock, clerk)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        clerk.start()
        yield
        await run_in_threadpool(clerk.stop)
        store.close()

    # No generated pages: they would fetch scripts from elsewhere.
    app = FastAPI(title="Head office", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.store, app.state.clerk = store, clerk
    app.include_router(router(store, clock, clerk))
    app.include_router(books_router(store, clock, clerk))
    _add_uplink(app, office)
    app.include_router(upload_router(office, clock, settings.folder))
    app.include_router(enrol_router(store, settings.folder, clock))
    # What goes down to the terminals: static files; it may be published later than this server starts.
    app.mount("/v1/tuf", StaticFiles(directory=settings.folder / REPOSITORY, check_dir=False))

    @app.exception_handler(LedgerFault)
    async def unavailable(request: Request, fault: LedgerFault) -> Response:
        log.error("%s is answered with 503: %s", request.url.path, fault)
        return Response(f"head office cannot work: {fault.code}\n", 503, media_type=TEXT)

    return app


def _add_uplink(app: FastAPI, office: Office) -> None:
    @app.post("/v1/logs/{log_id}/entries")
    async def entries(log_id: str, request: Request) -> Response:
        if refused := await run_in_threadpool(office.admit, log_id):
            return _response(refused)
        try:
            sent = await _body(request, BODY_BYTES_MAX)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it
        return _response(await run_in_threadpool(_take, office, log_id, request, sent))

    @app.get("/v1/logs/{log_id}/checkpoint")
    def checkpoint(log_id: str) -> Response:
        return _response(office.checkpoint(log_id))

    @app.post("/v1/logs/{log_id}/checkpoint")
    async def floor(log_id: str, request: Request) -> Response:
        if refused := await run_in_threadpool(office.admit, log_id):
            return _response(refused)
        try:
            sent = await _body(request, NOTE_BYTES_MAX)
        except ClientDisconnect:
            return Response(status_code=400)
        return _response(await run_in_threadpool(_take_floor, office, log_id, request, sent))


def _take(office: Office, log_id: str, request: Request, sent: bytes) -> Answer:
    batch = opened(sent, _media_type(request), _coding(request))
    return batch if isinstance(batch, Answer) else office.take(log_id, batch)


def opened(sent: bytes, media_type: str, coding: str) -> Batch | Answer:
    """The batch in a request's body, or why there is none: step 1's 413, 415 and 400, in this order.

    So a body of another Content-Type is looked into, too: whether it is over a limit is asked first.
    """
    known = coding in CODINGS
    found: Batch | Answer
    try:
        found = decode_batch(unpack(sent, coding if known else "", BODY_BYTES_MAX))
    except BatchTooLarge:
        return TOO_LARGE
    except BatchMalformed as fault:
        found = Answer(400, f"{fault}\n")
    if not known or media_type != "application/cbor":
        return Answer(415, "Content-Type is application/cbor, Content-Encoding none, gzip or zstd\n")
    return found


def _take_floor(office: Office, log_id: str, request: Request, sent: bytes) -> Answer:
    if len(sent) > NOTE_BYTES_MAX:
        return TOO_LARGE
    if _media_type(request) != "text/plain" or _coding(request):
        return Answer(415, "Content-Type is text/plain, without a Content-Encoding\n")
    try:
        text = sent.decode("utf-8")
    except UnicodeDecodeError:
        return Answer(400, "a note is UTF-8\n")
    return office.take_floor(log_id, text)


async def _body(request: Request, limit: int) -> bytes:
    """The body as sent, cut at limit + 1 bytes. Raises ClientDisconnect when it breaks off."""
    body = bytearray()
    async for part in request.stream():
        body += part[: limit + 1 - len(body)]
        if len(body) > limit:
            break
    return bytes(body)


def _media_type(request: Request) -> str:
    given = request.headers.getlist("content-type")
    return given[0].split(";")[0].strip().lower() if len(given) == 1 else ""


def _coding(request: Request) -> str:
    return ",".join(request.headers.getlist("content-encoding")).strip().lower()


def _response(answer: Answer) -> Response:
    # The header is set by hand: a framework would add a charset to text/x.tlog.size.
    headers = {"Content-Type": answer.media_type, "Cache-Control": "no-store"}
    if answer.status == 204:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return Response(answer.body.encode(), answer.status, headers)
