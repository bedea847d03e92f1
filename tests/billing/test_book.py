import pytest

from kiosk.billing.book import Price, PriceBook, parse_prices
from kiosk.model.errors import ConfigFault


def test_a_price_list_says_each_vendors_price():
    book = parse_prices("prepaid-kiosk/prices/v1\nversion 7\n0001 5600\n0002 5283\n")
    assert book == PriceBook(7, {"0001": 5600, "0002": 5283})
    assert book.price("0001") == Price(5600, 7)
    assert book.price("0003") is None
    assert parse_prices(book.text()) == book


def test_every_mistake_of_a_price_list_is_named():
    with pytest.raises(ConfigFault) as fault:
        parse_prices("prices\nversion 0\n0001 0.56\n0002 5283\n0002 1\n")
    assert all(f"line {n}" in str(fault.value) for n in (1, 2, 3, 5))
    assert "line 4" not in str(fault.value)
