"""The serial reader the conformance kit puts between an old driver and its card."""

import os
import select

from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.bench import BenchLine
from kiosk.devices.reader.virtual.sle4442 import Sle4442


def answer_on(number):
    found = b""
    while len(found) < 40:
        assert select.select([number], [], [], 5)[0]
        found += os.read(number, 40 - len(found))
    return found


def test_each_call_finds_the_card_shown_and_an_empty_line():
    bench = BenchLine()
    try:
        with bench.lend(19200) as number:
            os.write(number, wire.status(1).encode())
            assert answer_on(number)[0] == wire.NO_CARD
        bench.show(Sle4442())
        with bench.lend(19200) as number:
            os.write(number, wire.read_main(1, 0, 4).encode())
            assert select.select([number], [], [], 5)[0]  # and it is not read: the driver was ended
        with bench.lend(19200) as number:
            assert not select.select([number], [], [], 0)[0]
            os.write(number, wire.status(1).encode()[:20])  # ended in the middle of a packet
        with bench.lend(19200) as number:
            os.write(number, wire.read_main(1, 0, 4).encode())
            assert answer_on(number)[6:10] == bytes.fromhex("A2131091")
        bench.show(None)
        with bench.lend(19200) as number:
            os.write(number, wire.chip(1, 7).encode())  # our extension is not here
            assert answer_on(number)[0] == wire.NO_CARD
    finally:
        bench.close()
