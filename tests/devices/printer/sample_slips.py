"""Slips of every kind, for the printer's tests."""

import random
from pathlib import Path

from PIL import Image

from kiosk.devices.printer.layout import slip
from kiosk.devices.printer.raster import Faces, draw_slip
from kiosk.model.receipt import Receipt
from kiosk.model.texts import load_texts

ROOT = Path(__file__).parents[3]
FONTS = ROOT / "build" / "fonts"
FACES = Faces(FONTS / "NotoSansSC-Regular.otf", FONTS / "NotoSansSC-Bold.otf")
LANGUAGES = ("zh-CN", "en")
TEXTS = {language: load_texts(ROOT / "assets" / "text", "receipt", language) for language in LANGUAGES}
BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def qr_text(length: int) -> str:
    """A text of the receipt QR's alphabet (contract 2 §4), double spaces included."""
    pick = random.Random(length)
    return "PK1:  " + "".join(pick.choice(BASE45) for _ in range(length - 7)) + "0"


_BASE = {
    "number": 10234,
    "operator_zh": "江城供电服务有限公司",
    "operator_en": "Jiangcheng Power Supply Services",
    "terminal": "0007",
    "place_zh": "滨江小区北门",
    "place_en": "Riverside Estate, north gate",
    "phone": "400-800-9558",
    "printed_at": "20260215103012",
    "sale_id": "8F3A 61C0 27D4",
}
_CARD = {
    "vendor_zh": "华立科技",
    "vendor_en": "Holley Technology",
    "vendor_code": "1A2B",
    "customer": "042000123456",
    "meter": "110023456789",
    "price": 6200,
}
_OWED = {"paid_fen": 10000, "notes": ((5000, 2),), "written_fen": 5000, "energy_centi_kwh": 8064, "kept_fen": 5000}
KINDS = {
    "purchase": {
        **_CARD,
        "paid_fen": 10000,
        "notes": ((5000, 1), (2000, 2), (1000, 1)),
        "written_fen": 10000,
        "energy_centi_kwh": 16129,
        "count": 13,
        "remaining": "35.20",
    },
    "owed": {**_CARD, **_OWED, "count": 13, "code": "C-202"},
    "doubt": {
        **_CARD,
        "paid_fen": 5000,
        "notes": ((5000, 1),),
        "brought_fen": 2000,
        "kept_fen": 7000,
        "count": 12,
        "code": "C-204",
    },
    "unassigned": {"paid_fen": 2000, "notes": ((2000, 1),), "kept_fen": 2000},
    "voucher": {
        **{key: value for key, value in _CARD.items() if key != "price"},
        "paid_fen": 0,
        "brought_fen": 5000,
        "kept_fen": 5000,
        "energy_centi_kwh": 8064,
        "sale_id": "",
        "voucher": "0007-3f2a91c0de",
    },
}
LONG = "国网江城市滨江新区自助购电服务与智能电能表运行维护联合有限责任公司第七分公司"
LONG_EN = "Jiangcheng New Riverside District Self-Service Electricity and Smart Meter Operation Company Limited"


def receipt(kind: str, language: str, **changes: object) -> Receipt:
    """A sample slip; ``changes`` replace fields."""
    return Receipt(**{"kind": kind, "language": language, "qr": qr_text(620), **_BASE, **KINDS[kind], **changes})


def drawn(sample: Receipt) -> Image.Image:
    """The slip's picture."""
    return draw_slip(slip(sample, TEXTS[sample.language]), FACES)
