"""Head office's door for terminals that are not enrolled yet: ``POST /v1/enrol``. It only asks; people decide."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from kiosk.hq.folder import REPOSITORY
from kiosk.hq.invite import Gifts, ask
from kiosk.hq.keyring import read_vkey
from kiosk.hq.store import Store
from kiosk.ledger.enrolment import MEDIA_TYPE, REQUEST_BYTES_MAX
from kiosk.ledger.note import Vkey
from kiosk.model.clock import Clock
from kiosk.model.errors import EnrolmentRefused, LedgerFault

SETTINGS = Path("enrol", "settings.toml")  # in head office's folder, if it wants terminals to have any
ROOT = REPOSITORY / "metadata" / "1.root.json"
TEXT = "text/plain; charset=utf-8"
STATUS = {"E-902": 404, "E-903": 409, "E-904": 410, "E-905": 429, "E-906": 403, "E-909": 400}


def enrol_router(store: Store, folder: Path, clock: Clock) -> APIRouter:
    """The route. 200: the answer's bytes; else the code of docs/errors.md and words, as text."""
    routes = APIRouter()

    @routes.post("/v1/enrol")
    async def enrol(request: Request) -> Response:
        sent = bytearray()
        try:
            async for part in request.stream():
                sent += part
                if len(sent) > REQUEST_BYTES_MAX:
                    return Response("E-909 over a limit\n", 413, media_type=TEXT)
        except ClientDisconnect:
            return Response(status_code=400)
        return await run_in_threadpool(_answered, store, folder, bytes(sent), clock)

    return routes


def _answered(store: Store, folder: Path, sent: bytes, clock: Clock) -> Response:
    headers = {"Cache-Control": "no-store"}
    try:
        answer = ask(store, office_keys(folder), sent, clock.utc_ms(), gifts_of(folder))
    except EnrolmentRefused as why:
        return Response(f"{why.code} {why.args[0]}\n", STATUS.get(why.code, 400), headers, media_type=TEXT)
    return Response(answer, 200, headers, media_type=MEDIA_TYPE)


def office_keys(folder: Path) -> tuple[Vkey, ...]:
    """The keys that the terminal is to believe. Raises LedgerFault L-505."""
    return (read_vkey(folder),)


def gifts_of(folder: Path) -> Gifts:
    """What answers bring beside the keys, where head office has it. Raises LedgerFault L-502."""
    return Gifts(_content(folder / SETTINGS), _content(folder / ROOT))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise LedgerFault("L-502", f"{path} cannot be read: {error}") from error
