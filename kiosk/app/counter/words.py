"""What the operator keys in, as arguments; what a card says, as lines."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from kiosk.app.counter.plan import FUNCTIONS, Asked
from kiosk.drivers.contract import DI
from kiosk.drivers.items import Value, Values
from kiosk.model.card import Unit, Vendor
from kiosk.model.energy import Energy
from kiosk.model.money import Money
from kiosk.model.texts import Texts

SETTINGS = {
    "hoard-limit": DI.HOARD_LIMIT,
    "alarm-1": DI.ALARM_1,
    "alarm-2": DI.ALARM_2,
    "overdraft-limit": DI.OVERDRAFT_LIMIT,
    "ct-ratio": DI.CT_RATIO,
    "pt-ratio": DI.PT_RATIO,
}
IN_UNIT = frozenset((
    DI.HOARD_LIMIT, DI.ALARM_1, DI.ALARM_2, DI.OVERDRAFT_LIMIT, DI.REMAINING, DI.TOTAL_BOUGHT, DI.OVERDRAFT,
))  # fmt: skip
SHOWN = (
    *(DI.KIND, DI.REGION, DI.CUSTOMER, DI.METER, DI.SERIAL, DI.COUNT, DI.AMOUNT, DI.ENERGY, DI.STATE, DI.WHEN),
    *(DI.PENDING_AMOUNT, DI.PENDING_ENERGY, DI.REMAINING, DI.METER_COUNT, DI.TOTAL_BOUGHT, DI.OVERDRAFT),
    *(DI.ILLEGAL_INSERTIONS, DI.WRITTEN_BACK_AT, DI.METER_STATUS, DI.HOARD_LIMIT, DI.ALARM_1, DI.ALARM_2),
    *(DI.OVERDRAFT_LIMIT, DI.CT_RATIO, DI.PT_RATIO, DI.TARIFF, DI.LADDER, DI.TARIFF_FROM),
)
TIMES = frozenset((DI.WHEN, DI.WRITTEN_BACK_AT, DI.TARIFF_FROM))


def parser() -> argparse.ArgumentParser:
    """The words of `kiosk card`."""
    made = argparse.ArgumentParser(
        "kiosk card", description="Staff's work on cards 人工办卡. Stop the kiosk first 请先停止终端程序."
    )
    made.add_argument("function", choices=FUNCTIONS, help="读卡 开户 购电 补卡 清零回收 设置卡 检测卡 冲正")
    made.add_argument("--config", type=Path, default=Path("kiosk.toml"), help="default: kiosk.toml")
    made.add_argument("--operator", default="", help="who does it 操作员; needed for everything but read")
    made.add_argument("--vendor", default="", help="厂家缩写, only for a blank card without a mark")
    made.add_argument("--customer", default="", help="户号")
    made.add_argument("--meter", default="", help="表号")
    made.add_argument("--region", default="", help="区域码; default: the vendor's first")
    made.add_argument("--count", type=int, help="购电次数, of a lost card (reissue), or to be taken back (reverse)")
    made.add_argument("--yuan", type=hundredths, default=0, help="金额: paid for a purchase, or on the lost card")
    made.add_argument("--kwh", type=hundredths, help="电量 of a purchase made before; default: by the price list")
    made.add_argument("--bag", type=_bag, default="", help="钞袋号: takes the cash, or pays it back")
    made.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help=", ".join(SETTINGS))
    made.add_argument("--price", action="append", default=[], metavar="PERIOD,STEP=YUAN", help="0410 电价")
    made.add_argument("--step-bound", action="append", default=[], type=hundredths, metavar="KWH", help="0411 阶梯上限")
    made.add_argument("--from", dest="effective", default="", metavar="YYYYMMDDhhmmss", help="0412 启用时间")
    made.add_argument("--insist", action="store_true", help="clear a damaged card, or one with a pending purchase 强制")
    made.add_argument("--yes", action="store_true", help="do not ask 不再询问")
    made.add_argument("--wait", type=int, default=60, metavar="SECONDS", help="for a card 等卡")
    made.add_argument("--language", choices=("zh-CN", "en"), help="default: the terminal's")
    return made


def asked_of(given: argparse.Namespace) -> Asked:
    """What was keyed in. ValueError says what is off."""
    if given.function != "read" and not re.fullmatch(r"[^\W_][\w .-]{0,31}", given.operator):
        raise ValueError("say who does it (--operator NAME)")
    return Asked(
        function=given.function,
        operator=given.operator,
        vendor=given.vendor,
        customer=given.customer,
        meter=given.meter,
        region=given.region,
        count=given.count,
        fen=given.yuan,
        centi_kwh=given.kwh,
        bag=given.bag,
        insist=given.insist,
        settings=dict(_settings(given)),
    )


def hundredths(text: str) -> int:
    """``12.5`` → 1250: yuan as fen, kWh as 0.01 kWh. ValueError for anything finer, below zero, or not a number."""
    told = re.fullmatch(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?", text)
    if told is None:
        raise ValueError(f"{text!r} is not an amount with at most two decimals")
    return int(told[1]) * 100 + int((told[2] or "").ljust(2, "0"))


def _bag(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,64}", text):
        raise ValueError("a bag's number is letters, digits, dots and hyphens")
    return text


def _settings(given: argparse.Namespace) -> Iterator[tuple[DI, Value]]:
    for pair in given.setting:
        name, _, value = pair.partition("=")
        if name not in SETTINGS:
            raise ValueError(f"no setting {name!r}; there are {', '.join(SETTINGS)}")
        ratio = name.endswith("ratio")
        if ratio and not value.isdigit():
            raise ValueError(f"{name} is a whole number")
        yield SETTINGS[name], int(value) if ratio else hundredths(value)
    rows = [_price(pair) for pair in given.price]
    if rows:
        yield DI.TARIFF, b"".join(rows)
    if given.step_bound:
        yield DI.LADDER, b"".join(bound.to_bytes(4, "big") for bound in given.step_bound)
    if given.effective:
        yield DI.TARIFF_FROM, given.effective


def _price(pair: str) -> bytes:
    told = re.fullmatch(r"([0-5]),([0-9]{1,2})=([0-9]{1,3})\.([0-9]{4})", pair)
    if told is None:
        raise ValueError(f"{pair!r}: a price is PERIOD,STEP=YUAN with four decimals, as 1,0=0.5600")
    return bytes((int(told[1]), int(told[2]), 0, 0)) + (int(told[3]) * 10_000 + int(told[4])).to_bytes(4, "big")


def lines_of(values: Values, vendor: Vendor, words: Texts) -> Iterator[str]:
    """A card in lines: name and value, as far as the card says."""
    for di in SHOWN:
        if values.get(di) not in (None, ""):
            name = words.text(f"item.{int(di):04X}")
            yield f"  {name}: {_shown(di, values, vendor, words)}"


def _shown(di: DI, values: Values, vendor: Vendor, words: Texts) -> str:
    value = values[di]
    if di in (DI.KIND, DI.STATE):
        key = f"{'kind' if di is DI.KIND else 'state'}.{value!s}"
        return words.text(key) if key in words else str(value)
    if isinstance(value, bytes):
        return value.hex().upper()
    if di in TIMES and isinstance(value, str):
        return f"{value[:4]}-{value[4:6]}-{value[6:8]} {value[8:10]}:{value[10:12]}"
    if isinstance(value, int):
        if di in (DI.AMOUNT, DI.PENDING_AMOUNT) or (di in IN_UNIT and vendor.unit is Unit.MONEY):
            return str(Money(value))
        if di in (DI.ENERGY, DI.PENDING_ENERGY) or di in IN_UNIT:
            return f"{'-' if value < 0 else ''}{Energy(abs(value))}"
        if di is DI.METER_STATUS:
            return f"{value:08X}"
    return str(value)
