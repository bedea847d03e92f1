import threading

import serial
from escpos.printer import Dummy
from PIL import Image

from kiosk.devices.link import PtyLine
from kiosk.devices.printer.simulator import PrinterSimulator

ASK_DONE = b"\x1dr\x01"


class Wire:
    """A bare line to the printer: bytes out, bytes in."""

    def __init__(self, path):
        self.port = serial.Serial(str(path), 115200, timeout=5)

    def ask(self, sent, length=1):
        self.port.write(sent)
        return self.port.read(length)


def ink(path):
    return Image.open(path).convert("L").point(lambda grey: 255 - grey).getbbox()


def test_pictures_of_both_kinds_feeds_and_text_are_on_the_paper(bench):
    wire = Wire(bench.line.path)
    maker = Dummy(profile="TM-T20II")
    black = Image.new("1", (80, 10))
    maker.image(black, impl="bitImageRaster")
    maker.image(black, impl="graphics")
    maker.text("Hello\n")
    maker.cut()
    assert wire.ask(maker.output + ASK_DONE) == b"\x00"
    paper = Image.open(bench.simulator.papers[0])
    assert paper.size == (576, 10 + 10 + 30 + 6 * 30)
    assert paper.crop((0, 0, 80, 20)).getbbox() is None  # black is 0
    assert ink(bench.simulator.papers[0])[3] > 25


def test_a_question_is_answered_while_it_prints_and_the_turn_comes_later(tmp_path):
    line = PtyLine(tmp_path / "printer")
    simulator = PrinterSimulator(line, tmp_path / "paper", mm_per_second=250)
    simulator.start()
    wire = Wire(line.path)
    # 300 rows take 150 ms; the answer to DLE EOT, asked last, comes first
    assert wire.ask(b"\x1dv0\x00\x01\x00\x2c\x01" + b"\x81" * 300 + ASK_DONE + b"\x10\x04\x01", 2) == b"\x12\x00"
    simulator.tear_off()
    assert Image.open(simulator.papers[0]).height == 300
    simulator.stop()
    line.close()


def test_a_stopped_printer_answers_only_the_real_time_question(bench):
    wire = Wire(bench.line.path)
    bench.simulator.paper_out(rows_left=2)
    assert wire.ask(b"\x1dv0\x00\x01\x00\x04\x00\xff\xff\xff\xff" + ASK_DONE + b"\x10\x04\x04") in (b"\x7e", b"\x1e")
    assert wire.ask(b"\x10\x04\x02\x10\x04\x04", 2) == b"\x32\x7e"
    bench.simulator.refill()
    assert wire.port.read(1) == b"\x00"  # the rest is printed, and its turn comes
    bench.simulator.tear_off()
    assert [Image.open(path).height for path in bench.simulator.papers] == [2, 2]


def test_an_open_cover_holds_back_the_turn_but_not_the_real_time_answer(bench):
    wire = Wire(bench.line.path)
    bench.simulator.cover_open()
    assert wire.ask(ASK_DONE + b"\x10\x04\x01") == b"\x1a"
    assert wire.ask(b"\x10\x04\x02") == b"\x16"
    bench.simulator.cover_close()
    assert wire.port.read(1) == b"\x00"


def test_near_its_end_the_roll_is_told_in_both_answers(bench):
    bench.simulator.paper_low()
    assert Wire(bench.line.path).ask(ASK_DONE + b"\x10\x04\x04", 2) in (b"\x03\x1e", b"\x1e\x03")


def test_unplugged_it_forgets_half_a_picture(bench):
    wire = Wire(bench.line.path)
    assert wire.ask(b"\x10\x04\x01\x1dv0\x00\x48\x00\xff\x00" + b"\x55" * 1000) == b"\x12"
    bench.simulator.unplug()
    bench.simulator.plug()
    assert wire.ask(b"\x1b@" + ASK_DONE) == b"\x00"
    assert bench.simulator.papers == ()


def test_an_empty_cut_drops_no_paper(bench):
    assert Wire(bench.line.path).ask(b"\x1dV\x00" + ASK_DONE) == b"\x00"
    assert bench.simulator.papers == ()


def test_paper_is_told_when_it_falls(tmp_path):
    fallen, paths = threading.Event(), []
    line = PtyLine(tmp_path / "printer")
    simulator = PrinterSimulator(line, tmp_path / "paper", lambda path: (paths.append(path), fallen.set()))
    simulator.start()
    Wire(line.path).port.write(b"\x1dv0\x00\x01\x00\x01\x00\xff\x1dV\x01")
    assert fallen.wait(5)
    assert paths == [tmp_path / "paper" / "receipt-1.png"]
    simulator.stop()
    line.close()
