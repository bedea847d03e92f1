"""What a device's coins and notes are worth, from the names it gives them.

A coin's name has six letters: two of the country (ISO 3166), three of the value in the currency's smallest unit, one
of the issue: ``CN100A`` is 100 fen. A point, K, M or G in the value stands where the decimal point of that power of
thousand does: ``1K0`` is 1 000. A note's name has seven: country, four digits, issue; its value is the digits times
the country's scaling factor, with the decimal point moved: ``CN0050A`` with 100 and 2 places is 50.00.

Source: ccTalk Generic Specification 4.6, part 3, appendices 3 and 10; part 2, headers 184, 157, 156.
"""

from __future__ import annotations

COIN_NAME, BILL_NAME = 6, 7  # letters
POWERS = {".": 0, "K": 3, "M": 6, "G": 9}
SCALING_BYTES = 3


def coin_fen(name: bytes, country: str) -> int | None:
    """What the coin of this name is worth; None if it is of another country, or no whole number of fen, or nothing."""
    try:
        letters = name.decode("ascii")
    except UnicodeDecodeError:
        return None
    if len(letters) != COIN_NAME or letters[:2] != country:
        return None
    value = letters[2:5]
    marks = [letter for letter in value if letter in POWERS]
    digits = value
    power = 0
    if len(marks) == 1:
        whole, part = value.split(marks[0])
        digits, power = whole + part, POWERS[marks[0]] - len(part)
    if not _digits(digits):
        return None
    return _whole(int(digits), power)


def bill_fen(name: bytes, country: str, scaling: bytes) -> int | None:
    """What the note of this name is worth; None as for a coin, or if the device gives no scaling for the country."""
    try:
        letters = name.decode("ascii")
    except UnicodeDecodeError:
        return None
    if len(letters) != BILL_NAME or letters[:2] != country or not _digits(letters[2:6]):
        return None
    if len(scaling) != SCALING_BYTES:
        return None
    factor, places = int.from_bytes(scaling[:2], "little"), scaling[2]
    return _whole(int(letters[2:6]) * factor, 2 - places)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _whole(number: int, power: int) -> int | None:
    if power >= 0:
        number, rest = number * int(10**power), 0
    else:
        number, rest = divmod(number, int(10**-power))
    return number if number and not rest else None
