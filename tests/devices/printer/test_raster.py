import pytest
import zxingcpp
from PIL import Image, ImageFilter
from sample_slips import FACES, FONTS, KINDS, LANGUAGES, LONG, LONG_EN, drawn, qr_text, receipt

from kiosk.devices.printer.layout import Amount, Code, Heading, Pair, Paragraph, Rule, Space
from kiosk.devices.printer.raster import MARGIN, WIDTH, Faces, draw_slip
from kiosk.model.errors import ConfigFault

LONG_FIELDS = {
    "operator_zh": LONG,
    "operator_en": LONG_EN,
    "place_zh": LONG,
    "place_en": LONG_EN,
    "phone": "0571-8888 6666-12345 (00:00-24:00, weekends 0571-8888 7777)",
    "terminal": "a-terminal-with-a-very-long-name",
    "sale_id": "8F3A61C027D48F3A61C027D48F3A61C027D48F3A61C027D4",
}
LONG_CARD = {
    "vendor_zh": LONG,
    "vendor_en": LONG_EN,
    "customer": "0" * 32,
    "meter": "1" * 32,
    "remaining": "123456789.99 kWh / ¥123456789.99",
}


def ink_box(image):
    """Left, top, right, bottom of what is black."""
    return image.convert("L").point(lambda grey: 255 - grey).getbbox()


def decoded(image):
    return [code.text for code in zxingcpp.read_barcodes(image.convert("L"), text_mode=zxingcpp.TextMode.Plain)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_slip_stays_within_its_margins_and_its_length(kind, language):
    image = drawn(receipt(kind, language))
    left, _, right, _ = ink_box(image)
    assert (image.mode, image.width) == ("1", WIDTH)
    assert (left, right) == (MARGIN, WIDTH - MARGIN)
    assert 1000 <= image.height <= 1600  # 12.5 … 20 cm


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_long_names_wrap_and_large_amounts_shrink(kind, language):
    notes, fen = ((10000, 99999), (5000, 99999), (2000, 99999)), 99999 * 17000
    money = {"notes": notes, "paid_fen": fen, "brought_fen": 0, "written_fen": 0, "kept_fen": fen}
    if kind == "purchase":
        money |= {"written_fen": fen, "kept_fen": 0, "energy_centi_kwh": 999999999}
    long_card = {} if kind == "unassigned" else LONG_CARD
    image = drawn(receipt(kind, language, lost_fen=10000, **LONG_FIELDS, **long_card, **money))
    left, top, right, bottom = ink_box(image)
    assert left >= MARGIN
    assert right <= WIDTH - MARGIN
    assert top > 0
    assert bottom < image.height


def strips_of(block):
    image = draw_slip([block], FACES)
    return ink_box(image), image.height


@pytest.mark.parametrize(
    "block",
    [
        Heading("凭条gjpq", inverse=False),
        Heading("A very long title that takes more than one line", inverse=False),
        Paragraph("凭（gjpqH", strong=True),
        Paragraph("凭（gjpqH", small=True),
        Pair("凭（gjpq", "H¥（50.00）"),
        Amount("已写入", "¥1,234.50（"),
    ],
)
def test_nothing_is_cut_off_at_the_edge_of_its_strip(block):
    (left, top, right, bottom), height = strips_of(block)
    assert top > 0
    assert bottom < height
    assert left >= MARGIN
    assert right <= WIDTH - MARGIN


def test_values_end_at_the_right_margin():
    for block in (Pair("实收", "¥100.00"), Pair("实收", "¥11.11", strong=True), Amount("已写入", "¥100.00")):
        (left, _, right, _), _ = strips_of(block)
        assert MARGIN <= left <= MARGIN + 4
        assert WIDTH - MARGIN - 4 <= right <= WIDTH - MARGIN


def test_a_rule_and_a_space():
    assert strips_of(Rule()) == ((MARGIN, 9, WIDTH - MARGIN, 11), 20)
    assert strips_of(Space(7)) == (None, 7)


@pytest.mark.parametrize("length", [300, 400, 555, 700, 900, 1000])
def test_a_phone_reads_the_code_of_a_whole_slip(length):
    text = qr_text(length)
    assert decoded(drawn(receipt("owed", "zh-CN", qr=text))) == [text]


@pytest.mark.parametrize("length", [400, 900])
def test_the_code_is_read_from_a_slip_held_askew_and_a_little_out_of_focus(length):
    text = qr_text(length)
    photo = drawn(receipt("purchase", "en", qr=text)).convert("L").resize((900, 2000), Image.Resampling.BILINEAR)
    photo = photo.rotate(7, Image.Resampling.BILINEAR, expand=True, fillcolor=200).filter(ImageFilter.GaussianBlur(1.5))
    assert decoded(photo.point(lambda grey: 60 + grey // 2)) == [text]


@pytest.mark.parametrize("length", [300, 620, 1000, 1600])
def test_modules_are_whole_dots_with_a_quiet_zone_around(length):
    image = draw_slip([Code(qr_text(length))], FACES)
    left, top, right, bottom = ink_box(image)
    assert right - left == bottom - top
    finder = next(x for x in range(left, right) if image.getpixel((x, top))) - left  # seven modules
    assert finder % 7 == 0
    module = finder // 7
    assert module >= 4
    assert (right - left) % module == 0
    assert top == image.height - bottom == 4 * module
    assert decoded(image) == [qr_text(length)]


def test_more_than_fits_at_level_m_is_drawn_at_level_l_and_more_than_that_refused():
    code = zxingcpp.read_barcodes(draw_slip([Code(qr_text(1000))], FACES).convert("L"))[0]
    assert code.ec_level == "M"
    assert zxingcpp.read_barcodes(draw_slip([Code(qr_text(2000))], FACES).convert("L"))[0].ec_level == "L"
    with pytest.raises(ValueError, match="do not fit"):
        draw_slip([Code(qr_text(4200))], FACES)


def test_a_file_that_is_no_font_is_a_config_fault(tmp_path):
    (tmp_path / "a.otf").write_bytes(b"no font")
    with pytest.raises(ConfigFault, match=r"F-701.*a\.otf"):
        Faces(FONTS / "NotoSansSC-Regular.otf", tmp_path / "a.otf")
