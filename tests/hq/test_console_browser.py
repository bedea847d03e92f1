"""Head office's page in a real browser, in front of the real program. Pictures: build/screens/hq-*.png."""

import csv
import io
import time
from pathlib import Path

import pytest
from fakes import Terminal
from hq_server import Server, kiosk
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parents[2] / "build" / "screens"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DAY = 86_400_000
EIGHT_HOURS = 8 * 3_600_000
FEN = (2000, 5000, 10_000, 20_000)


def origin(number, region="420100"):
    return f"power.example/kiosk/{region}/{number:04d}/1"


def fen(value):
    """Back from what the page shows: ¥1,234.50."""
    return int(value.replace("¥", "").replace(",", "").replace(".", "").replace("−", "-"))


def noon_of(days_ago):
    """12:00 in Beijing, so that no entry falls on another day while the test runs; today's may lie ahead."""
    return (time.time_ns() // 1_000_000 + EIGHT_HOURS) // DAY * DAY - EIGHT_HOURS + DAY // 2 - days_ago * DAY


def day_of(days_ago):
    return time.strftime("%Y-%m-%d", time.gmtime((noon_of(days_ago) + EIGHT_HOURS) / 1000))


class Fleet:
    """Two terminals that sell, and one of every other state."""

    def __init__(self, hq):
        self.hq, self.sold = hq, {}
        self.selling = [self.enrol(7), self.enrol(8, "421000")]
        for number, terminal in enumerate(self.selling):
            for days_ago in range(4, -1, -1):
                self.sell(terminal, number, days_ago)
        self.selling[0].append("tea.made")
        self.selling[0].at = noon_of(0)
        notes = [("cash:box", 10_000), ("unassigned", -10_000)]
        self.selling[0].append("note.stacked", None, notes, note=b"12345678", fen=10_000, how="unasked")
        for terminal in self.selling:
            assert hq.post(terminal, terminal.batch(0, 20)).status_code == 200
            assert hq.post(terminal, terminal.batch(20)).status_code == 200
        self.others()

    def enrol(self, number, region="420100"):
        return self.hq.enrol(Terminal(origin(number, region), seed=bytes([number]) * 32)).open()

    def sell(self, terminal, number, days_ago):
        terminal.at = noon_of(days_ago)
        for sale in range(2 + (days_ago + number) % 3):
            price = FEN[(days_ago + sale + number) % 4]
            notes = [10_000] * (price // 10_000) or [price]
            notes += [1000] if sale == 1 else []
            terminal.sell(bytes([number, days_ago, sale]) * 5 + b"x", price, price * 100 // 56, notes)
            day = self.sold.setdefault((days_ago, number), [0, 0, 0, 0])
            for place, more in enumerate((1, price * 100 // 56, price, sum(notes))):
                day[place] += more

    def others(self):
        hq = self.hq
        silent, forked, blocked, behind = (self.enrol(number) for number in (9, 10, 11, 12))
        self.enrol(13)
        for terminal in (silent, forked, blocked):
            assert hq.post(terminal, terminal.batch()).status_code == 200
        four_days_ago = time.time_ns() // 1_000_000 - 4 * DAY
        hq.sql("UPDATE logs SET contact_ms = ? WHERE origin = ?", four_days_ago, silent.origin)
        twin = Terminal(forked.origin, seed=bytes([10]) * 32)
        twin.at += 1
        assert hq.post(twin.open(), twin.batch()).status_code == 422
        kiosk("block", blocked.origin, "--data", hq.folder)
        behind.grow(5)
        assert hq.post(behind, behind.batch(0, 2)).status_code == 200
        assert hq.post(behind, behind.batch(4, 6)).status_code == 409


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("empty")) as hq:
        yield hq


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("fleet")) as hq:
        yield Fleet(hq)


@pytest.fixture
def page(browser):
    """A page that fails the test when the browser has something to complain of, or fetches from elsewhere."""
    page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    page.complaints, page.asked = [], []
    page.on("console", lambda said: page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("requestfailed", lambda request: page.complaints.append(request.url))
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    assert page.complaints == []
    assert {url.split("/")[2] for url in page.asked} == {page.url.split("/")[2]}
    page.close()


def shoot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"hq-{name}.png", full_page=True)


def cells(page, row):
    return [cell.inner_text().split("\n")[0] for cell in page.locator(row).locator("th, td").all()]


def row_of(page, number):
    return page.locator("#terminals tbody tr", has_text=f"{number:04d}")


STATES = {
    7: ("正常", "Good"),
    8: ("正常", "Good"),
    9: ("失联", "Silent"),
    10: ("已隔离", "Quarantined"),
    11: ("已停用", "Blocked"),
    12: ("落后", "Behind"),
    13: ("新登记", "New"),
}


@pytest.mark.parametrize(("place", "lang"), [(0, "zh-CN"), (1, "en")])
def test_every_terminal_with_last_contact_size_and_state(fleet, page, place, lang):
    page.goto(f"{fleet.hq.url}/?lang={lang}")
    shoot(page, lang)
    assert page.locator("html").get_attribute("lang") == lang
    shown = {number: row_of(page, number).locator(".state").inner_text() for number in STATES}
    assert shown == {number: words[place] for number, words in STATES.items()}
    contact = {number: row_of(page, number).locator(".when").inner_text() for number in STATES}
    assert contact[7].split("\n")[1] in ("刚刚", "just now", "1 分钟前", "1 min ago")
    assert contact[9].split("\n")[1] == ("4 天前", "4 days ago")[place]
    assert contact[13] == ("从未联系", "never")[place]
    assert row_of(page, 7).locator("td").nth(2).inner_text() == f"{len(fleet.selling[0].entries):,}"
    assert "6" in row_of(page, 12).locator("td").nth(2).inner_text().split("\n")[1]
    assert row_of(page, 7).locator("td").last.inner_text() == "1", "one entry is parked"
    waiting = page.locator(".attention li")
    assert waiting.count() == 4
    assert all(len(each.locator("p").inner_text()) > 10 for each in waiting.all())
    assert ("需要处理", "Needs attention")[place] in page.locator(".attention h2").inner_text()


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_sales_and_cash_by_day_and_terminal(fleet, page, lang):
    page.goto(f"{fleet.hq.url}/?lang={lang}&days=7")
    groups = page.locator("#daily tbody").all()
    assert len(groups) == 5
    for days_ago, group in enumerate(groups):
        rows = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in group.locator("tr").all()]
        assert rows[0][0] == day_of(days_ago)
        each = [fleet.sold[days_ago, number] for number in range(2)]
        if days_ago == 0:
            each[0] = [*each[0][:3], each[0][3] + 10_000]  # the note that no sale explains
        for row, figures in zip(rows, [[sum(column) for column in zip(*each, strict=True)], *each], strict=True):
            assert [int(row[2]), fen(row[3]), fen(row[4]), fen(row[5])] == figures
    footer = [cell.inner_text() for cell in page.locator("#daily tfoot td").all()]
    assert fen(footer[2]) == sum(day[2] for day in fleet.sold.values())
    assert fen(footer[3]) == sum(day[3] for day in fleet.sold.values()) + 10_000


def test_the_tiles_and_the_totals_agree_with_the_books(fleet, page):
    page.goto(f"{fleet.hq.url}/?lang=en")
    tiles = [tile.inner_text() for tile in page.locator(".tile .figure").all()]
    cash = sum(day[3] for day in fleet.sold.values()) + 10_000
    owed = sum(day[3] - day[2] for day in fleet.sold.values())
    today = [fleet.sold[0, number] for number in range(2)]
    assert fen(tiles[0]) == sum(day[2] for day in today)
    assert fen(tiles[1].split(" ")[0]) == sum(day[1] for day in today)
    assert [fen(tile) for tile in tiles[2:5]] == [cash, owed, 10_000]
    assert tiles[5] == "7"
    assert page.locator(".balance").inner_text() == "Books balance"
    assert page.locator("svg rect").count() == 14
    assert {row.locator("td").nth(1).inner_text() for row in page.locator("#alarms tbody tr").all()} == {
        origin(7),
        origin(10),
    }


def test_figures_stand_to_the_right_and_under_each_other(fleet, page):
    page.goto(f"{fleet.hq.url}/?lang=en")
    for table in ("#terminals", "#daily"):
        for cell in page.locator(f"{table} .n").all():
            assert cell.evaluate("e => getComputedStyle(e).textAlign") == "right"
        edges = "rows => rows.map(r => [...r.querySelectorAll('.n')].map(c => c.getBoundingClientRect().right))"
        found = page.locator(f"{table} tbody tr").evaluate_all(edges)
        assert len({tuple(row) for row in found}) == 1
    numerals = page.locator("body").evaluate("e => getComputedStyle(e).fontVariantNumeric")
    assert numerals == "tabular-nums"


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("width", [1920, 1366, 1100, 800, 390])
def test_nothing_runs_over_at_any_width(fleet, page, width, lang):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{fleet.hq.url}/?lang={lang}&days=31")
    shoot(page, f"{lang}-{width}")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    # A cell's text stays in its cell; where a table is wider than a small screen, its card scrolls.
    wide = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)"
    assert page.locator("td, th, .tile, .tile .figure, .attention li, nav a").evaluate_all(wide) == []
    if width > 1080:
        assert page.locator(".card").evaluate_all(wide) == []


def test_one_click_changes_the_language_and_the_period_and_keeps_the_other(fleet, page):
    page.goto(f"{fleet.hq.url}/?days=7")
    assert page.locator("h1").inner_text() == "总部账本", "the browser asked for Chinese"
    page.get_by_role("link", name="English").click()
    assert page.locator("h1").inner_text() == "Head office ledger"
    assert page.locator(".topics a[aria-current]").inner_text() == "last 7 days"
    page.get_by_role("link", name="31 days").click()
    assert (page.locator(".topics a[aria-current]").inner_text(), page.locator("html").get_attribute("lang")) == (
        "last 31 days",
        "en",
    )
    assert page.locator("svg rect").count() == 31


def test_the_spreadsheet_has_the_same_figures(fleet, page):
    page.goto(f"{fleet.hq.url}/?lang=zh-CN&days=7")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="下载 CSV").click()
    raw = Path(waiting.value.path()).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "spreadsheets need the mark to see UTF-8"
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0][0] == "日期" and len(rows) == 11
    by_terminal = {number: sum(fen(row[6]) for row in rows[1:] if row[2] == f"{number:04d}") for number in (7, 8)}
    for place, number in enumerate((7, 8)):
        assert by_terminal[number] == sum(day[2] for (_, at), day in fleet.sold.items() if at == place)
    assert [row[0] for row in rows[1:3]] == [day_of(4)] * 2


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_a_head_office_that_just_began_says_so(empty, page, lang):
    page.goto(f"{empty.url}/?lang={lang}")
    shoot(page, f"empty-{lang}")
    said = page.locator(".empty").all_inner_texts()
    assert len(said) == 4 and all(said)
    assert "kiosk hq enrol" in page.locator("body").inner_text()
    assert page.locator("table").count() == 0 and page.locator(".attention").count() == 0


def test_new_sales_are_there_when_the_page_loads_itself_again(fleet, page):
    page.goto(f"{fleet.hq.url}/?lang=en&days=7")
    before = fen(page.locator(".tile .figure").first.inner_text())
    terminal = fleet.selling[1]
    terminal.at = noon_of(0)
    size = len(terminal.entries)
    terminal.sell(b"a later sale....", 5000, 8928, [5000])
    assert fleet.hq.post(terminal, terminal.batch(size)).status_code == 200
    for place, more in enumerate((1, 8928, 5000, 5000)):
        fleet.sold[0, 1][place] += more
    assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "60"
    page.reload()
    assert fen(page.locator(".tile .figure").first.inner_text()) == before + 5000
