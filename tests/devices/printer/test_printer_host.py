import pytest
import zxingcpp
from PIL import Image, ImageChops
from sample_slips import drawn, qr_text, receipt

from kiosk.devices.link import LinkSettings
from kiosk.devices.printer.host import PrinterState, ReceiptPrinter
from kiosk.devices.printer.wire import harmless
from kiosk.model.errors import DeviceFault

SLIP = harmless(drawn(receipt("owed", "zh-CN", qr=qr_text(700))))


def same(path, image):
    """Whether a piece of paper shows exactly this picture."""
    paper = Image.open(path)
    return (paper.mode, paper.size) == ("1", image.size) and ImageChops.logical_xor(paper, image).getbbox() is None


def fails(host, code, image=SLIP):
    with pytest.raises(DeviceFault) as caught:
        host.print(image)
    assert caught.value.code == code


def test_golden_bytes_of_a_status(bench):
    sent = []
    bench.line.tamper = lambda direction, passing: (sent.append((direction, passing.hex(" "))), passing)[1]
    assert bench.host.status() is PrinterState.OK
    assert sent == [
        ("to-device", "10 04 01"),
        ("to-host", "12"),
        ("to-device", "10 04 02"),
        ("to-host", "12"),
        ("to-device", "10 04 03"),
        ("to-host", "12"),
        ("to-device", "10 04 04"),
        ("to-host", "12"),
    ]


def test_the_paper_shows_the_picture_that_was_sent_and_its_code_decodes(bench):
    bench.host.print(SLIP)
    (paper,) = bench.simulator.papers
    assert same(paper, SLIP)
    assert bench.told == [paper]
    assert paper.name == "receipt-1.png"
    codes = zxingcpp.read_barcodes(Image.open(paper).convert("L"), text_mode=zxingcpp.TextMode.Plain)
    assert [code.text for code in codes] == [qr_text(700)]
    bench.host.print(SLIP)
    assert [path.name for path in bench.simulator.papers] == ["receipt-1.png", "receipt-2.png"]


def test_the_printer_is_never_sent_more_than_a_small_one_holds(bench):
    bench.host.print(Image.new("1", (576, 600)))  # all black
    assert 1000 < bench.simulator.buffered_max <= 4096


def test_what_a_person_does_to_the_printer_is_seen(bench):
    states = []
    for act in (
        bench.simulator.paper_low,
        bench.simulator.paper_out,
        bench.simulator.cover_open,
        bench.simulator.cover_close,
        bench.simulator.refill,
        bench.simulator.jam_knife,
        lambda: bench.simulator.jam_knife(jammed=False),
    ):
        act()
        states.append(bench.host.status().name)
    assert states == ["LOW", "OUT", "FAULT", "OUT", "OK", "FAULT", "OK"]


def test_low_paper_prints(bench):
    bench.simulator.paper_low()
    bench.host.print(SLIP)
    assert same(bench.simulator.papers[0], SLIP)
    assert bench.host.status() is PrinterState.LOW


def test_no_paper_before_the_slip_sends_nothing(bench):
    bench.simulator.paper_out()
    fails(bench.host, "V-422")
    bench.simulator.refill()
    assert bench.simulator.papers == ()
    bench.host.print(SLIP)
    assert [same(paper, SLIP) for paper in bench.simulator.papers] == [True]


def test_the_paper_ends_in_the_middle_and_after_a_new_roll_the_slip_is_whole(bench):
    bench.simulator.paper_out(rows_left=500)
    fails(bench.host, "V-422")
    assert bench.host.status() is PrinterState.OUT
    bench.simulator.refill()
    assert same(bench.simulator.papers[0], SLIP.crop((0, 0, 576, 500)))
    bench.host.print(SLIP)
    *scraps, whole = bench.simulator.papers
    assert same(whole, SLIP)
    assert len(scraps) == 2
    assert Image.open(scraps[1]).height < 100  # what the printer still held


def test_the_paper_ends_with_the_last_row_and_nobody_says_that_it_is_fine(bench):
    bench.simulator.paper_out(rows_left=SLIP.height)
    fails(bench.host, "V-422")


def test_the_cover_is_opened_in_the_middle(bench):
    passed = 0

    def open_cover(direction, passing):
        nonlocal passed
        passed += len(passing)
        if passed > 20_000:
            bench.line.tamper = None
            bench.simulator.cover_open()
        return passing

    bench.line.tamper = open_cover
    fails(bench.host, "V-423")
    bench.simulator.cover_close()
    bench.host.print(SLIP)
    assert same(bench.simulator.papers[-1], SLIP)


def test_no_power_is_silence_and_not_missing_paper(bench):
    host = bench.impatient()
    bench.simulator.unplug()
    assert host.status() is PrinterState.SILENT
    fails(host, "V-421")
    bench.simulator.plug()
    assert host.status() is PrinterState.OK


def test_silence_in_the_middle_of_a_slip_and_the_broken_band_does_not_eat_the_next(bench):
    host = bench.impatient()
    passed = 0

    def deaf(direction, passing):
        nonlocal passed
        passed += len(passing)
        return passing if passed < 20_000 else b""

    bench.line.tamper = deaf
    fails(host, "V-421")
    bench.line.tamper = None
    host.print(SLIP)
    assert same(bench.simulator.papers[-1], SLIP)


def test_a_printer_that_never_says_done_has_not_surely_printed(bench):
    host = bench.impatient(print_ms=300)
    bench.line.tamper = lambda direction, passing: passing.replace(b"\0", b"") if direction == "to-host" else passing
    fails(host, "V-421")


def test_the_answer_behind_the_cut_is_waited_for(bench):
    host, cuts = bench.impatient(print_ms=1500), []

    def lose_the_last(direction, passing):
        if direction == "to-device":
            cuts.extend([True] * passing.count(b"\x1dVB"))
            return passing
        return passing.replace(b"\0", b"") if len(cuts) == 2 else passing  # the first cut clears the slot

    bench.line.tamper = lose_the_last
    fails(host, "V-421")
    assert same(bench.simulator.papers[0], SLIP)


def test_answers_that_make_no_sense_are_silence(bench):
    host = bench.impatient()
    bench.line.tamper = lambda direction, passing: b"\xff\x55" if direction == "to-host" else passing
    assert host.status() is PrinterState.SILENT
    fails(host, "V-421")


def test_noise_between_the_answers_does_no_harm(bench):
    bench.line.tamper = lambda direction, passing: b"\xff" + passing + b"\x55" if direction == "to-host" else passing
    bench.host.print(SLIP)
    assert same(bench.simulator.papers[0], SLIP)


def test_one_lost_answer_is_asked_for_again(bench):
    host, lost = bench.impatient(), []

    def lose_one(direction, passing):
        if direction == "to-host" and not lost:
            lost.append(passing)
            return b""
        return passing

    bench.line.tamper = lose_one
    assert host.status() is PrinterState.OK
    assert lost == [b"\x12"]


def test_late_answers_to_old_questions_are_not_taken_for_new_ones(bench):
    assert bench.host.status() is PrinterState.OK
    bench.line.send(b"\x7e\x00\x7e")  # nobody asked
    assert bench.host.status() is PrinterState.OK


def test_a_picture_with_a_question_in_its_dots_gets_no_stray_answer(bench):
    ink = bytes.fromhex("00 10 04 04 00 00") * 40
    image = Image.frombytes("1", (48, 40), bytes(byte ^ 0xFF for byte in ink))
    answers = []

    def count(direction, passing):
        if direction == "to-host":
            answers.append(passing)
        return passing

    bench.line.tamper = count
    bench.host.print(image)
    assert b"".join(answers).count(b"\x12") == 8  # four before, four after
    paper = Image.open(bench.simulator.papers[0]).crop((0, 0, 48, 40))
    changed = ImageChops.logical_xor(paper, image)
    assert changed.getbbox() == (12, 0, 13, 40)  # one dot more in each row


def test_a_line_that_is_not_there(tmp_path):
    host = ReceiptPrinter(LinkSettings(str(tmp_path / "nothing"), 115200, "V-421"))
    assert host.status() is PrinterState.SILENT
    fails(host, "V-421")


def test_a_picture_it_cannot_print_is_a_programming_error(bench):
    with pytest.raises(ValueError, match="black and white"):
        bench.host.print(SLIP.convert("L"))
