"""The pages for finding a sale and for events in a real browser, in both languages, on both databases."""

from pathlib import Path

import pytest
from fakes import ORIGIN, Terminal
from hq_server import Server
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.slow
SHOTS = Path(__file__).parents[2] / "build" / "screens"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture
def shop(tmp_path, database):
    with Server(tmp_path, database=database) as hq:
        terminal = hq.enrol(Terminal()).open()
        terminal.sell(b"first sale......", 5000, 8928, [5000], customer="10086", meter="70001")
        terminal.sell(b"second sale.....", 5000, 8928, [10_000], customer="10087", meter="70002")
        for kind, more in (
            ("device.down", {"device": "printer", "code": "V-422"}),
            ("device.down", {"device": "acceptor", "code": "V-412"}),
            ("device.up", {"device": "printer"}),
            ("fraud.seen", {"device": "acceptor", "what": "string"}),
            ("terminal.started", {"version": "1.4", "unclean": True}),
            ("price.installed", {"version": 7, "sha256": bytes(32)}),
        ):
            terminal.append(kind, None, **more)
        terminal.append("note.stacked", b"refused sale....", [("cash:box", 2000), ("owed:1a2b:10088", -2000)],
                        note=b"12345678", fen=2000, how="credit")  # fmt: skip
        closed = {"vendor": "1a2b", "customer": "10088", "meter": "70003", "paid": 2000, "count": 3, "written": 0}
        closed |= {"energy": 0, "why": "failed", "code": "C-203", "doubt": False, "kept": -2000}
        terminal.append("sale.closed", b"refused sale....", **closed)
        assert hq.post(terminal, terminal.batch()).status_code == 200
        forked = hq.enrol(Terminal(ORIGIN.replace("0007", "0008"), seed=bytes([8]) * 32)).open()
        assert hq.post(forked, forked.batch()).status_code == 200
        twin = Terminal(forked.origin, seed=bytes([8]) * 32)
        twin.at += 1
        assert hq.post(twin.open(), twin.batch()).status_code == 422
        yield hq


@pytest.fixture
def page():
    """A page that fails the test when the browser has something to complain of, or fetches from elsewhere."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        complaints, asked = [], []
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        yield page
        assert complaints == []
        assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}
        browser.close()


def fits(page, width, name):
    """Nothing runs over: not the page, and no text its cell."""
    page.set_viewport_size({"width": width, "height": 900})
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"hq-{name}-{width}.png", full_page=True)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    wide = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)"
    assert page.locator("td, th, nav a, .topics a, label").evaluate_all(wide) == []


WORDS = {"zh-CN": ("查找售电", "查找", "停用", "English"), "en": ("Find a sale", "Find", "Outage", "简体中文")}


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_a_person_finds_a_sale_and_what_happened(shop, page, lang):
    title, find, outage, other = WORDS[lang]
    page.goto(f"{shop.url}/?lang={lang}")
    page.get_by_role("link", name=title).click()
    assert page.locator("h1").inner_text() == title
    rows = page.locator("#sales tbody tr")
    assert rows.count() == 3 and page.locator("#owed tbody tr").count() == 2
    for width in (1366, 800, 390):
        fits(page, width, f"sales-{lang}")
    page.locator("input[name=q]").fill("0007 · 6")
    page.get_by_role("button", name=find).click()
    assert rows.count() == 1 and "10087" in rows.inner_text() and "¥50.00" in rows.inner_text()
    page.get_by_role("link", name=other).click()
    assert rows.count() == 1 and page.locator("input[name=q]").input_value() == "0007 · 6", "the question stays"
    page.goto(f"{shop.url}/events?lang={lang}")
    assert page.locator("#events tbody tr").count() == 8
    assert ORIGIN.replace("0007", "0008") in page.locator("#proofs tbody tr").inner_text()
    for width in (1366, 800, 390):
        fits(page, width, f"events-{lang}")
    page.locator(".topics").get_by_role("link", name=outage).click()
    assert page.locator("#events tbody tr").count() == 2
    assert {"zh-CN": "收钞器", "en": "note acceptor"}[lang] in page.locator("#events").inner_text()
    assert page.locator(".topics a[aria-current]").inner_text() == outage
    page.locator("input[name=q]").fill("0008")
    page.get_by_role("button", name=find).click()
    assert page.locator("#events tbody tr").count() == 0 and page.locator(".empty").count() == 1
