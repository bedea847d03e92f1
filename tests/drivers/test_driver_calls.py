"""One vendor's driver in the house's words: what a sale gets when all is well, and when the driver is not."""

import logging

import pytest
from driver_bench import ORACLE, GoneCard, MemoryCard, by_hand, vendor
from test_driver_answer import MORE, SIX

from kiosk.drivers.answer import Description, DriverRefusal, to_error
from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.drivers.driver import Driver
from kiosk.model.card import PurchaseState, Unit, WriteOrder
from kiosk.model.errors import CardFault, CardRefused, ConfigFault, DriverFault

ORDER = WriteOrder(bytes(range(16)), "1234567890", "0042", "420100", 3, 10000, 18867)
WHEN, TERMINAL = "20260215103000", "T1"
READ_BACK = by_hand(0x93, *SIX, *MORE)
TRACK = {DI.WHEN: WHEN, DI.TERMINAL: TERMINAL}
REQUESTS = {
    Command.OPEN: {DI.REGION: "420100", DI.CUSTOMER: "1", DI.METER: "2", **TRACK},
    Command.REISSUE: {DI.REGION: "420100", DI.CUSTOMER: "1", DI.METER: "2", DI.COUNT: 4, **TRACK},
    Command.CLEAR: {DI.CUSTOMER: "1", DI.METER: "2", DI.COUNT: 4, **TRACK},
    Command.SET: {DI.REGION: "420100", DI.HOARD_LIMIT: 5, **TRACK},
    Command.CHECK: TRACK,
    Command.REVERSE: {DI.CUSTOMER: "1", DI.METER: "2", DI.COUNT: 4, DI.AMOUNT: 1, DI.ENERGY: 1, **TRACK},
}

PLAYER = '''
"""A driver that plays one part, and tells what it was asked by writing it to the card."""
import os


class Driver:
    calls = 0

    def icard(self, icdev, send, password):
        Driver.calls += 1
        if icdev and icdev.card_type():
            icdev.write(0, 0, send)
        {part}
'''


def player(part):
    return PLAYER.format(part=part)


def answering(raw):
    return player(f"return bytes.fromhex('{raw.hex()}')")


BROKEN = {
    "crashes": ("os.kill(os.getpid(), 11)", "D-301"),
    "raises": ("raise ValueError(password)", "D-301"),
    "leaves": ("os._exit(0)", "D-301"),
    "hangs": ("import signal; signal.pause()", "D-302"),
    "spins": ("while True: pass", "D-302"),
    "answers junk": ("return b'junk'", "D-303"),
    "answers nothing": ("return b''", "D-303"),
    "answers no bytes": ("return None", "D-303"),
    "answers another question": ("return bytes.fromhex('68 97 00 00 97 16')", "D-303"),
    "answers without an error code": ("return bytes.fromhex('68 D3 00 00 D3 16')", "D-303"),
    "answers success and says nothing": ("return bytes.fromhex('68 93 00 00 93 16')", "D-303"),
    "asks the card for ever": ("while True: icdev.card_type()", "D-302"),
}


def refused(kind, act, *arguments):
    with pytest.raises(kind) as fault:
        act(*arguments)
    return fault.value.code


def test_describe(driven):
    about = by_hand(
        0x90, (0x0101, b"00F1"), (0x0102, b"1.0"), (0x0103, b"\x10\x11\x13"), (0x0104, b"\x15"), (0x0105, b"\1")
    )
    driver = driven(answering(about))
    driver.start()
    said = Description("00F1", "1.0", frozenset((0x10, 0x11, 0x13)), frozenset((21,)), Unit.MONEY, False)
    assert driver.describe() == said


def test_read_asks_what_the_contract_says_and_understands(driven):
    card = MemoryCard()
    reading = driven(answering(by_hand(0x91, *SIX, *MORE))).read(card)
    assert (reading.customer, reading.count, reading.state) == ("1234567890", 3, PurchaseState.PENDING)
    assert card.calls == [("card_type",), ("write", 0, 0, bytes.fromhex("68 11 00 00 11 16"))]


def test_a_purchase_goes_out_as_ordered_and_comes_back_as_a_reading(driven):
    card = MemoryCard()
    reading = driven(answering(READ_BACK)).purchase(card, ORDER, WHEN, TERMINAL)
    assert (reading.count, reading.amount_fen, reading.sale) == (3, 10000, bytes(range(16)))
    _, (_, _, _, sent) = card.calls
    assert sent == by_hand(
        0x13,
        (0x0203, b"1234567890"),
        (0x0204, b"0042"),
        (0x0206, b"\0\0\0\3"),
        (0x0207, b"\0\0\x27\x10"),
        (0x0208, b"\0\0\x49\xb3"),
        (0x0501, b"20260215103000"),
        (0x0502, b"T1"),
        (0x0504, bytes(range(16))),
        (0x0202, b"420100"),
    )


@pytest.mark.parametrize("part", BROKEN)
def test_a_purchase_that_breaks_leaves_the_card_unknown_and_the_next_call_works(driven, part, tmp_path):
    action, code = BROKEN[part]
    good = f"if send[1] == 0x11: return bytes.fromhex('{by_hand(0x91, *SIX).hex()}')\n        "
    driver = driven(player(good + action), "A1B2C3", timeout_ms=300)
    driver.start()
    said = driver.purchase(MemoryCard(), ORDER, WHEN, TERMINAL)
    assert isinstance(said, DriverRefusal)
    assert (said.code, said.card_after, said.card_unchanged) == (DriverError.WRITE_INCOMPLETE, CardAfter.UNKNOWN, False)
    assert code in said.text
    assert to_error(said).code == code  # staff read what the driver did, not only that a write broke off
    assert "A1B2C3" not in said.text
    driver.start()  # under load a new process may take longer than this test's deadline
    assert driver.read(MemoryCard()).count == 3


@pytest.mark.parametrize("part", ["crashes", "hangs", "answers junk", "answers success and says nothing"])
def test_a_read_that_breaks_is_the_drivers_fault(driven, part):
    action, code = BROKEN[part]
    action = action.replace("93", "91").replace("D3", "D1")
    good = f"if send[1] == 0x13: return bytes.fromhex('{READ_BACK.hex()}')\n        "
    driver = driven(player(good + action), timeout_ms=300)
    driver.start()
    assert refused(DriverFault, driver.read, MemoryCard()) == code
    assert refused(DriverFault, driver.describe) == code
    driver.start()
    assert driver.purchase(MemoryCard(), ORDER, WHEN, TERMINAL).count == 3


def test_every_other_writing_command_that_breaks_leaves_the_card_unknown(driven):
    driver = driven(player("os._exit(1)"))
    for command, values in REQUESTS.items():
        said = driver.execute(command, values, MemoryCard())
        assert (said.code, said.card_after) == (DriverError.WRITE_INCOMPLETE, CardAfter.UNKNOWN), command


def test_every_other_command_gives_the_items_or_the_refusal(driven):
    driver = driven(
        player(
            "middle = bytes((send[1] | 0x80, 0, 8)) + bytes.fromhex('0206000400000003') if Driver.calls % 2 else "
            "bytes((send[1] | 0xC0, 0, 10)) + bytes.fromhex('FF0100010CFF03000100')\n        "
            "return b'\\x68' + middle + bytes((sum(middle) & 0xFF, 0x16))"
        )
    )
    for command, values in REQUESTS.items():
        assert driver.execute(command, values, MemoryCard())[DI.COUNT] == 3, command
        said = driver.execute(command, values, MemoryCard())
        assert (said.code, said.card_unchanged) == (DriverError.NOT_TAKEN, True), command


def test_success_with_another_count_is_no_success(driven):
    six = [(di, b"\0\0\0\2" if di == 0x0206 else value) for di, value in SIX]
    said = driven(answering(by_hand(0x93, *six))).purchase(MemoryCard(), ORDER, WHEN, TERMINAL)
    assert (said.code, said.card_unchanged) == (DriverError.WRITE_INCOMPLETE, False)


@pytest.mark.parametrize(
    ("error", "kind", "code"), [(0x0C, CardRefused, "C-105"), (0x0F, CardFault, "C-201"), (0x15, DriverFault, "D-306")]
)
def test_a_reads_refusal_is_raised_in_the_houses_codes(driven, error, kind, code):
    driver = driven(answering(by_hand(0xD1, (0xFF01, bytes((error,))))))
    assert refused(kind, driver.read, MemoryCard()) == code
    pid = driver.process.pid
    assert refused(kind, driver.read, MemoryCard()) == code
    assert driver.process.pid == pid  # a refusal is an answer, the process stays


@pytest.mark.parametrize("changes", [{"count": -1}, {"customer": ""}, {"amount_fen": 1 << 32}])
def test_an_order_that_cannot_be_said_never_reaches_the_driver(driven, changes):
    order = WriteOrder(**({name: getattr(ORDER, name) for name in WriteOrder.__slots__} | changes))
    driver = driven(answering(READ_BACK))
    with pytest.raises(ValueError, match="item"):
        driver.purchase(MemoryCard(), order, WHEN, TERMINAL)
    assert driver.process.pid is None


@pytest.mark.parametrize("image", ["raise ValueError", "class Other: pass"])
def test_a_driver_that_does_not_start_never_saw_the_order(driven, image):
    driver, card = driven(image), MemoryCard()
    assert refused(DriverFault, driver.purchase, card, ORDER, WHEN, TERMINAL) == "D-304"
    assert card.calls == []


def test_a_driver_exchanged_by_somebody_never_saw_the_order(driven):
    driver = driven(answering(READ_BACK))
    driver.manifest.driver.path.write_text(ORACLE)
    assert refused(DriverFault, driver.purchase, MemoryCard(), ORDER, WHEN, TERMINAL) == "D-305"


def test_a_purchase_that_crashes_is_unknown_even_when_no_new_process_can_be_had(driven):
    driver = driven(player("os._exit(1)"))
    driver.start()
    driver.manifest.driver.path.unlink()
    said = driver.purchase(MemoryCard(), ORDER, WHEN, TERMINAL)
    assert (said.code, said.card_unchanged) == (DriverError.WRITE_INCOMPLETE, False)
    assert refused(DriverFault, driver.read, MemoryCard()) == "D-304"


def test_a_card_taken_out_is_the_drivers_to_tell(driven):
    telling = "return bytes.fromhex('68 D1 00 05 FF 01 00 01 03 DA 16')"
    image = "from kiosk.drivers.sdk import CardPortError\nclass Driver:\n def icard(self, icdev, send, password):\n"
    image += f"  try: icdev.read(0, 0, 1)\n  except CardPortError: {telling}\n"
    assert refused(CardFault, driven(image).read, GoneCard()) == "C-202"


def test_nonsense_costs_one_process_and_not_two(driven):
    driver = driven(answering(by_hand(0x91)), timeout_ms=2000)
    driver.start()
    first = driver.process.pid
    assert refused(DriverFault, driver.read, MemoryCard()) == "D-303"
    second = driver.process.pid
    assert second not in (None, first)
    junk = driven(player("return b'junk'"), code="00F2")
    starts = []
    junk.process._prepare_quietly = lambda: starts.append(1)
    assert refused(DriverFault, junk.read, MemoryCard()) == "D-303"
    assert starts == [1]


def test_a_meter_with_a_keypad(driven):
    driver = driven(answering(by_hand(0x93, (0x0507, b"01234567890123456789"))), keypad=True)
    assert driver.token(ORDER, WHEN, TERMINAL).digits == "01234567890123456789"
    silent = driven(answering(by_hand(0x93)), keypad=True, code="00F2")
    assert silent.token(ORDER, WHEN, TERMINAL).code == DriverError.WRITE_INCOMPLETE


def test_a_careless_driver_does_not_bring_the_secret_into_the_log(driven, caplog):
    caplog.set_level(logging.DEBUG)
    image = "class Driver:\n def icard(self, icdev, send, password):\n  text = b'bad secret ' + password.encode()\n"
    image += "  data = bytes.fromhex('FF01000106FF0200') + bytes((len(text),)) + text\n"
    image += "  body = bytes((send[1] | 0xC0, 0, len(data))) + data\n"
    image += "  return b'\\x68' + body + bytes((sum(body) & 0xFF, 0x16))\n"
    driver = driven(image, "A1B2C3")
    said = driver.purchase(MemoryCard(), ORDER, WHEN, TERMINAL)
    assert (said.code, said.text) == (DriverError.SECRET, "bad secret …")
    with pytest.raises(CardRefused) as fault:
        driver.read(MemoryCard())
    assert fault.value.code == "C-109"
    assert "A1B2C3" not in str(fault.value) + caplog.text


@pytest.mark.parametrize("password", ["密码", "x" * 257, "a\n"])
def test_a_secret_that_cannot_be_handed_over_is_a_mistake_in_the_settings(tmp_path, password):
    with pytest.raises(ConfigFault) as fault:
        Driver(vendor(tmp_path / "prb", ORACLE), password)
    assert fault.value.code == "F-701"
    assert password not in str(fault.value)


def test_a_native_library_that_dies_in_the_middle_of_a_write(driven, native):
    """The kiosk's end of §4.4: the card was half written, the process is dead, the card can be read again."""
    driver, card = driven(native(), "write-and-crash"), MemoryCard()
    said = driver.purchase(card, ORDER, WHEN, TERMINAL)
    assert (said.code, said.card_after) == (DriverError.WRITE_INCOMPLETE, CardAfter.UNKNOWN)
    assert "killed by SIGSEGV" in said.text
    assert card.memory[40:43] == b"abc"
    driver.start()
    assert driver.process.pid is not None
