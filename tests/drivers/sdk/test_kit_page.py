"""The report as a page: what to do first on top, failures alone at a click, one language or both, in a browser."""

from __future__ import annotations

import pytest

from kiosk.drivers.sdk.kit import page
from kiosk.drivers.sdk.kit.rules import RULES
from kiosk.drivers.sdk.kit.verdict import Outcome, Verdict

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def verdicts(*broken: int, advised: int | None = None) -> list[Verdict]:
    """All rules passed but for those; the one after a broken one could not be tried."""
    found = []
    for number, rule in enumerate(RULES):
        if number in broken:
            parts = ("PURCHASE <of> 7", "error 0D", "success")
            found.append(Verdict(rule, Outcome.FAILED, "PURCHASE <of> 7: expected 0D", "look & see", parts=parts))
        elif number - 1 in broken:
            found.append(Verdict(rule, Outcome.BLOCKED, "no card could be made"))
        else:
            advice = ("the meter credits first",) if number == advised else ()
            found.append(Verdict(rule, Outcome.PASSED, advice=advice))
    return found


def test_what_to_do_first_stands_on_top_in_the_order_of_the_contract():
    text = page.page("ABC", "00A7 · SLE4442", verdicts(4, 20, 40), ["seed 7"])
    top = text[text.index('<ol class="steps">') : text.index("<nav>")]
    assert [top.count(f'href="#r{number}"') for number in (4, 20, 40)] == [1, 1, 1]
    assert top.index("#r4") < top.index("#r20") < top.index("#r40")
    assert "3 × 无法检验 could not be tried: no card could be made" in top
    assert "PURCHASE &lt;of&gt; 7" in text
    assert "look &amp; see" in text
    assert 'id="failed" checked' in text


def test_nothing_to_do_is_said_by_silence():
    text = page.page("ABC", "00A7 · SLE4442", verdicts(), [])
    assert "What to do first" not in text
    assert 'id="all" checked' in text
    assert "conforms 符合" in text
    assert "advice" not in text.replace(".advice", "")


def test_every_rule_is_on_the_page_once_in_a_part_that_has_a_name():
    text = page.page("ABC", "", verdicts(3), [])
    for number in range(len(RULES)):
        assert text.count(f'id="r{number}"') == 1
    assert "rules_" not in text


@pytest.mark.slow
def test_a_click_shows_failures_alone_and_one_language(tmp_path):
    from playwright.sync_api import sync_playwright

    file = tmp_path / "page.html"
    file.write_text(page.page("ABC", "00A7 · SLE4442", verdicts(4, advised=30), ["seed 7"]), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        tab = browser.new_page(viewport={"width": 900, "height": 700})
        tab.goto(file.as_uri())
        try:
            assert tab.locator("#r4").is_visible()
            assert tab.locator("#r30").is_visible()  # advice is something to act on
            assert not tab.locator("#r0").is_visible()
            assert not tab.locator("#r5").is_visible()  # it waits for the one before
            tab.click("label[for=all]")
            assert tab.locator("#r0").is_visible()
            assert tab.locator("#r0 .zh").first.is_visible()
            tab.click("label[for=en]")
            assert not tab.locator("#r0 .zh").first.is_visible()
            assert tab.locator("#r0 .en").first.is_visible()
            tab.click("label[for=zh]")
            assert tab.locator("#r0 .zh").first.is_visible()
            assert not tab.locator("#r0 .en").first.is_visible()
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        finally:
            browser.close()
