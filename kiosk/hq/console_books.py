"""The pages where people look things up, in 简体中文 or English: GET /sales and /events. They change nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from kiosk.hq.clerk import Clerk
from kiosk.hq.console import BOOKS_WAIT_S, HEADERS, HERE, LANGUAGES, language_for, page_template
from kiosk.hq.finding import SHOWN_MAX, Wish, debts, events, proofs, sales
from kiosk.hq.happenings import TOPICS
from kiosk.hq.held import closings
from kiosk.hq.store import Store
from kiosk.model.clock import Clock
from kiosk.model.errors import ConfigFault
from kiosk.model.texts import Texts, load_texts

FIRST = date(1970, 1, 1)
KINDS = (  # those that ``happenings`` makes events of
    *("card.blocked", "target.refused", "downlink.stood", "program.returned"),
    *("device.down", "write.failed", "card.failed", "receipt.failed", "sale.closed", "fraud.seen", "note.lost"),
    *(
        "note.unknown",
        "events.lost",
        "log.opened",
        "terminal.started",
        "terminal.stopped",
        "clock.stepped",
        "installed",
    ),
)
KEYS = {
    **{f"topic.{topic}": frozenset[str]() for topic in TOPICS},
    **{f"kind.{kind}": frozenset[str]() for kind in KINDS},
}


def books_texts(language: str) -> Texts:
    """The pages' sentences. Raises ConfigFault F-701."""
    texts = load_texts(HERE / "texts", "books", language)
    try:
        texts.check(KEYS)
    except KeyError as error:
        raise ConfigFault("F-701", str(error)) from error
    return texts


class _Pages:
    """Renders both pages, in the language of who asks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._console = {language: load_texts(HERE / "texts", "console", language) for language in LANGUAGES}
        self._books = {language: books_texts(language) for language in LANGUAGES}

    def show(self, request: Request, lang: str, name: str, wish: Wish, **values: Any) -> Response:
        language = language_for(lang, request.headers.get("accept-language", ""))
        own, common = self._books[language], self._console[language]

        def words(key: str, /, **given: object) -> str:
            return (own if key in own else common).text(key, **given)

        def about(what: str) -> str:
            head, _, rest = what.partition(" ")  # a list's name comes with its version
            key = f"about.{head}"
            return f"{own.text(key) if key in own else head} {rest}".rstrip()

        other = LANGUAGES[1 - LANGUAGES.index(language)]
        query = {"q": wish.text, "from": _iso(wish.first_day), "to": _iso(wish.last_day), "topic": wish.topic}
        shared = {"t": words, "about": about, "lang": language, "other": other, "asked": query, "most": SHOWN_MAX}
        html = page_template(name).render(values, **shared, now_ms=self._clock.utc_ms())
        return HTMLResponse(html, headers=HEADERS)


def books_router(store: Store, clock: Clock, clerk: Clerk) -> APIRouter:
    """The pages' routes. Raises ConfigFault F-701."""
    pages, routes = _Pages(clock), APIRouter()

    @routes.get("/sales", response_class=HTMLResponse)
    def find_sales(request: Request, lang: str = "", q: str = "", to: str = "") -> Response:
        wish = Wish(q.strip(), _day(request.query_params.get("from", "")), _day(to))
        clerk.settle(BOOKS_WAIT_S)
        found, count = sales(store, wish)
        owed = debts(store, wish.text)
        closed = list(closings(store, wish.text))[:SHOWN_MAX]
        return pages.show(request, lang, "sales.html", wish, sales=found, count=count, debts=owed, closed=closed)

    @routes.get("/events", response_class=HTMLResponse)
    def find_events(request: Request, lang: str = "", q: str = "", to: str = "", topic: str = "") -> Response:
        topic = topic if topic in TOPICS else ""
        wish = Wish(q.strip(), _day(request.query_params.get("from", "")), _day(to), topic)
        clerk.settle(BOOKS_WAIT_S)
        found, count = events(store, wish)
        more = {"topics": TOPICS, "proofs": proofs(store), "kind": _kind}
        return pages.show(request, lang, "events.html", wish, events=found, count=count, **more)

    return routes


def _kind(kind: str) -> str:
    """The key of the sentence that says what an event is."""
    return "kind.installed" if kind.endswith(".installed") else f"kind.{kind}"


def _day(text: str) -> int | None:
    """Days since 1970 of ``2026-11-24``; None for what is none."""
    try:
        return (date.fromisoformat(text) - FIRST).days
    except ValueError:
        return None


def _iso(day: int | None) -> str:
    return "" if day is None else date.fromordinal(FIRST.toordinal() + day).isoformat()
