"""The block list, the messages, and a price list's last day: what their texts mean, and what they may not be."""

import pytest

from kiosk.billing.blocked import BlockedCard, BlockList, parse_blocked
from kiosk.billing.book import PriceBook, parse_prices
from kiosk.billing.messages import Message, MessageList, parse_messages
from kiosk.model.errors import ConfigFault

LOST = BlockedCard("0001", "10023400567", "202600012345", 7, "lost")
EVERY = BlockedCard("0001", "10023400568", "202600012346", 0, "stolen")
NEWS = Message("20261201", "20261231", "十二月起电价调整", "Prices change in December")


def refused(code, parse, text, told):
    with pytest.raises(ConfigFault) as fault:
        parse(text)
    assert fault.value.code == code and told in str(fault.value), fault.value


def test_the_block_list_says_what_it_says():
    listed = BlockList(3, (LOST, EVERY))
    assert parse_blocked(listed.text()) == listed
    assert (LOST.stops(7), LOST.stops(3), LOST.stops(8)) == (True, True, False)
    assert EVERY.stops(0) and EVERY.stops(900)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0001 10023400567 202600012345 7 lent", "line 5: must be"),
        ("0001 10023400567 202600012345 07 lost", "line 5: must be"),
        ("0001 10023400567 202600012345 9 lost", "stands twice"),
        ("", "line 5: must be"),
    ],
)
def test_a_slip_in_the_block_list_is_told_with_its_line(line, told):
    refused("F-712", parse_blocked, BlockList(3, (LOST, EVERY)).text() + line + "\n", told)


def test_a_block_list_needs_its_heading_and_version():
    refused("F-712", parse_blocked, "prepaid-kiosk/prices/v1\nversion 1\n", "line 1")
    refused("F-712", parse_blocked, "prepaid-kiosk/blocked/v1\nversion 0\n", "line 2")


def test_a_message_is_shown_on_its_days():
    listed = MessageList(2, (NEWS,))
    assert parse_messages(listed.text()) == listed
    days = [listed.on(day + "120000") for day in ("20261130", "20261201", "20261231", "20270101")]
    assert days == [None, NEWS, NEWS, None]


@pytest.mark.parametrize(
    "row",
    [
        "20261201 20261131 十二月 | December",
        "20261231 20261201 十二月 | December",
        "20261201 20261231 十二月",
        "20261201 20261231 十二月 | December | more",
        "20261201 20261231 十二月 | ",
        "20261201 20261231 " + "月" * 41 + " | December",
        "20261201 20261231 十二月 | " + "x" * 81,
        "20261201 20261231 十二\x1b[2J月 | December",
    ],
)
def test_another_message_is_none(row):
    refused("F-713", parse_messages, f"prepaid-kiosk/messages/v1\nversion 2\n{row}\n", "line 3")


def test_a_price_list_may_have_a_last_day():
    book = PriceBook(8, {"0001": 5600}, "20271231")
    assert parse_prices(book.text()) == book
    assert [book.is_over(day) for day in ("20271231235959", "20280101000000")] == [False, True]
    assert not PriceBook(8, {}).is_over("99991231235959"), "without one it has none"
    refused("F-702", parse_prices, book.text().replace("1231", "1331"), "line 3")
    refused("F-702", parse_prices, book.text().replace("until", "til"), "line 3")
