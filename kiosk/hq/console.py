"""The pages people at head office read, in 简体中文 or English: GET /, /vouchers, /slips; GET /days.csv.

They show; they change nothing.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kiosk.hq.booking import UTC_OFFSET_MS
from kiosk.hq.clerk import Clerk
from kiosk.hq.invite import asked
from kiosk.hq.reports import DayRow, Fleet, fleet
from kiosk.hq.slips import check
from kiosk.hq.store import Store
from kiosk.hq.vouchers import sheet, standings
from kiosk.model.clock import Clock
from kiosk.model.texts import Texts, load_texts

HERE = Path(__file__).parent
LANGUAGES = ("zh-CN", "en")
PERIODS = (7, 14, 31)
PERIOD = 14
FORM_BYTES_MAX = 16_384
BOOKS_WAIT_S = 2.0  # a page shows what was taken before it was asked for; it says so where the books are further behind

ZONE = timezone(timedelta(milliseconds=UTC_OFFSET_MS))
HOUR_MS = 3_600_000
LAST_MS = 253_370_764_800_000  # the year 9999: later times are a claim nobody can show
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language",
}

CHART_WIDTH, CHART_HEIGHT = 1120, 220
CHART_TOP, CHART_FOOT = 28, 26


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart, in the SVG's own units."""

    left: float
    top: float
    width: float
    height: float
    row: DayRow


def router(store: Store, clock: Clock, clerk: Clerk) -> APIRouter:
    """The page's routes. Raises ConfigFault F-701 when a text is missing its form."""
    texts = {language: load_texts(HERE / "texts", "console", language) for language in LANGUAGES}
    page, paper, slip = page_template("console.html"), page_template("vouchers.html"), page_template("slips.html")
    silent_after_ms = clerk.limits.silent_after_ms
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse)
    def console(request: Request, lang: str = "", days: int = PERIOD) -> Response:
        words = texts[language_for(lang, request.headers.get("accept-language", ""))]
        period = days if days in PERIODS else PERIOD
        hours = silent_after_ms // HOUR_MS
        clerk.settle(BOOKS_WAIT_S)
        shown = fleet(store, clock.utc_ms(), period, silent_after_ms)
        other = LANGUAGES[1 - LANGUAGES.index(words.language)]
        values = {"fleet": shown, "bars": bars(shown.days), "t": _translator(words), "now_ms": shown.now_ms}
        values["asked"] = [row for row in asked(store) if row.state == "asked"]
        more = {"period": period, "periods": PERIODS, "silent_hours": hours}
        html = page.render(values, lang=words.language, other=other, **more)
        return HTMLResponse(html, headers=HEADERS)

    @routes.get("/vouchers", response_class=HTMLResponse)
    def on_paper(request: Request, lang: str = "") -> Response:
        words = texts[language_for(lang, request.headers.get("accept-language", ""))]
        other = LANGUAGES[1 - LANGUAGES.index(words.language)]
        clerk.settle(BOOKS_WAIT_S)
        shown = sheet(standings(store))
        values = {"sheet": shown, "t": _translator(words), "now_ms": clock.utc_ms()}
        return HTMLResponse(paper.render(values, lang=words.language, other=other), headers=HEADERS)

    @routes.api_route("/slips", methods=["GET", "POST"], response_class=HTMLResponse)
    async def slips(request: Request, lang: str = "") -> Response:
        words = texts[language_for(lang, request.headers.get("accept-language", ""))]
        other = LANGUAGES[1 - LANGUAGES.index(words.language)]
        text = await _pasted(request)
        said = await run_in_threadpool(check, store, text) if text else None
        values = {"said": said, "text": text, "t": _translator(words), "now_ms": clock.utc_ms()}
        return HTMLResponse(slip.render(values, lang=words.language, other=other), headers=HEADERS)

    @routes.get("/days.csv")
    def table(request: Request, lang: str = "", days: int = PERIOD) -> Response:
        words = texts[language_for(lang, request.headers.get("accept-language", ""))]
        period = days if days in PERIODS else PERIOD
        clerk.settle(BOOKS_WAIT_S)
        content = days_csv(fleet(store, clock.utc_ms(), period, silent_after_ms), words)
        named = {"Content-Disposition": 'attachment; filename="days.csv"'}
        return Response(content.encode("utf-8-sig"), media_type="text/csv", headers=HEADERS | named)

    _add_files(routes)
    return routes


def _add_files(routes: APIRouter) -> None:
    @routes.get("/console.css")
    def style() -> Response:
        return FileResponse(HERE / "templates" / "console.css", media_type="text/css")

    @routes.get("/icon.svg")
    def icon() -> Response:
        return FileResponse(HERE / "templates" / "icon.svg", media_type="image/svg+xml")


def language_for(asked: str, accepted: str) -> str:
    """``?lang=`` first, then the browser's first wish that we can meet, then Chinese."""
    if asked in LANGUAGES:
        return asked
    for wish in sorted(accepted.split(","), key=_quality, reverse=True):
        tag = wish.split(";")[0].strip().lower()
        for language in LANGUAGES:
            if tag.split("-")[0] == language.split("-")[0] and _quality(wish) > 0:
                return language
    return LANGUAGES[0]


def _quality(wish: str) -> float:
    _, _, parameter = wish.partition(";")
    try:
        return float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0


def money(fen: int) -> str:
    """``¥1,234.50``."""
    yuan, rest = divmod(abs(fen), 100)
    return f"{'−' if fen < 0 else ''}¥{yuan:,}.{rest:02d}"


def energy(centi_kwh: int) -> str:
    """``1,234.50``; the unit stands in the head of the column."""
    whole, rest = divmod(abs(centi_kwh), 100)
    return f"{'−' if centi_kwh < 0 else ''}{whole:,}.{rest:02d}"


def count(number: int) -> str:
    """``12,345``."""
    return f"{number:,}"


def when(utc_ms: int) -> str:
    """Civil time, to the minute."""
    return datetime.fromtimestamp(min(utc_ms, LAST_MS) // 1000, UTC).astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


def ago(now_ms: int, at_ms: int) -> tuple[str, int]:
    """How long ago, as a key of the texts and a number: minutes, from one hour on hours, from two days on days."""
    minutes = max(0, now_ms - at_ms) // 60_000
    if minutes < 60:
        return ("minutes" if minutes else "now"), minutes
    return ("hours", minutes // 60) if minutes < 2 * 24 * 60 else ("days", minutes // (24 * 60))


def days_csv(shown: Fleet, words: Texts) -> str:
    """The days' figures by terminal for a spreadsheet: energy in kWh and money in yuan, oldest day first."""
    columns = ("day", "region", "terminal", "epoch", "sales", "energy", "sold_plain", "cash_plain")
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(words.text(f"daily.{column}") for column in columns)
    for row in shown.days:
        for terminal, sold in row.terminals:
            figures = (sold.sales, *map(_plain, (sold.energy_centi_kwh, sold.sold_fen, sold.cash_fen)))
            writer.writerow((day_name(row.day), terminal.region, terminal.terminal, terminal.epoch, *figures))
    return sheet.getvalue()


def _plain(hundredths: int) -> str:
    whole, rest = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole}.{rest:02d}"


def day_name(day: int) -> str:
    """``2026-11-24`` for a day since 1970."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def bars(days: tuple[DayRow, ...]) -> list[Bar]:
    """The chart: one bar a day, the highest fills the height; a day below zero (corrections) has none."""
    most = max((row.whole.sold_fen for row in days), default=0)
    step = CHART_WIDTH / max(len(days), 1)
    room = CHART_HEIGHT - CHART_TOP - CHART_FOOT
    drawn = []
    for place, row in enumerate(days):
        height = round(room * max(row.whole.sold_fen, 0) / most, 1) if most > 0 else 0
        left = round(step * place + step * 0.16, 1)
        drawn.append(Bar(left, CHART_HEIGHT - CHART_FOOT - height, round(step * 0.68, 1), height, row))
    return drawn


async def _pasted(request: Request) -> str:
    """The text of the page's one field, "" without; what is longer than any slip's is cut off."""
    body = bytearray()
    async for part in request.stream():
        body += part[: FORM_BYTES_MAX - len(body)]
    try:
        sent = parse_qs(bytes(body).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=4)
    except ValueError:  # more fields than the page has
        return ""
    return sent.get("text", [""])[0].strip("\r\n")


def _translator(words: Texts) -> Any:
    return words.text


@cache
def page_template(name: str) -> Template:
    """A page out of ``templates``, with the console's filters."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(ago=ago)
    environment.filters.update(money=money, energy=energy, count=count, when=when, day=day_name)
    return environment.get_template(name)
