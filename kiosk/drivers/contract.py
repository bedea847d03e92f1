"""The words of contract 1: commands, items, error codes. Codes are our own; the paper's tables 1 and 2 are lost."""

from __future__ import annotations

from enum import IntEnum


class Command(IntEnum):
    """Contract 1 §2."""

    DESCRIBE = 0x10
    READ = 0x11
    OPEN = 0x12
    PURCHASE = 0x13
    REISSUE = 0x14
    CLEAR = 0x15
    SET = 0x16
    CHECK = 0x17
    REVERSE = 0x18


class DI(IntEnum):
    """Data identifiers, contract 1 §3."""

    VENDOR_CODE = 0x0101
    DRIVER_VERSION = 0x0102
    COMMANDS = 0x0103
    CARD_TYPES = 0x0104
    UNIT = 0x0105
    ABILITIES = 0x0106
    KIND = 0x0201
    REGION = 0x0202
    CUSTOMER = 0x0203
    METER = 0x0204
    SERIAL = 0x0205
    COUNT = 0x0206
    AMOUNT = 0x0207
    ENERGY = 0x0208
    STATE = 0x0209
    PENDING_AMOUNT = 0x020A
    PENDING_ENERGY = 0x020B
    REMAINING = 0x0301
    METER_COUNT = 0x0302
    TOTAL_BOUGHT = 0x0303
    OVERDRAFT = 0x0304
    ILLEGAL_INSERTIONS = 0x0305
    WRITTEN_BACK_AT = 0x0306
    METER_STATUS = 0x0307
    HOARD_LIMIT = 0x0401
    ALARM_1 = 0x0402
    ALARM_2 = 0x0403
    OVERDRAFT_LIMIT = 0x0404
    CT_RATIO = 0x0405
    PT_RATIO = 0x0406
    TARIFF = 0x0410
    LADDER = 0x0411
    TARIFF_FROM = 0x0412
    WHEN = 0x0501
    TERMINAL = 0x0502
    OPERATOR = 0x0503
    SALE = 0x0504
    INSIST = 0x0505
    TOKEN = 0x0507
    ERROR_CODE = 0xFF01
    ERROR_TEXT = 0xFF02
    CARD_AFTER = 0xFF03


class DriverError(IntEnum):
    """Error codes of item FF01, contract 1 §3."""

    ITEMS = 0x01
    NOT_SUPPORTED = 0x02
    NO_CARD = 0x03
    WRONG_TYPE = 0x04
    NOT_MINE = 0x05
    SECRET = 0x06
    LOCKED = 0x07
    OTHER_REGION = 0x08
    OTHER_CUSTOMER = 0x09
    NOT_OPENED = 0x0A
    NOT_BLANK = 0x0B
    NOT_TAKEN = 0x0C
    COUNT = 0x0D
    OVER_LIMIT = 0x0E
    READ_FAILED = 0x0F
    WRITE_FAILED = 0x10
    WRITE_INCOMPLETE = 0x11
    READ_BACK = 0x12
    DAMAGED = 0x13
    NO_KEY_CARD = 0x14
    INTERNAL = 0x15
    MISSING = 0x16
    TAKEN = 0x17


class CardAfter(IntEnum):
    """The card after an error, item FF03."""

    UNCHANGED = 0
    UNKNOWN = 2


WIDTHS: dict[int, int] = {
    **dict.fromkeys((DI.UNIT, DI.ABILITIES, DI.KIND, DI.STATE, DI.INSIST, DI.ERROR_CODE, DI.CARD_AFTER), 1),
    **dict.fromkeys((DI.COUNT, DI.AMOUNT, DI.ENERGY, DI.PENDING_AMOUNT, DI.PENDING_ENERGY, DI.REMAINING), 4),
    **dict.fromkeys((DI.METER_COUNT, DI.OVERDRAFT, DI.ILLEGAL_INSERTIONS, DI.METER_STATUS), 4),
    **dict.fromkeys((DI.HOARD_LIMIT, DI.ALARM_1, DI.ALARM_2, DI.OVERDRAFT_LIMIT, DI.CT_RATIO, DI.PT_RATIO), 4),
    **dict.fromkeys((DI.WRITTEN_BACK_AT, DI.TARIFF_FROM, DI.WHEN), 14),
    DI.TOTAL_BOUGHT: 8,
    DI.SALE: 16,
    DI.VENDOR_CODE: 4,
}
"""Bytes of the items that have one width."""
