"""A native driver: the table of callbacks, Bind, recvstr, and every way a library can go wrong (contract 1 §6)."""

import contextlib
import os

import pytest
from driver_bench import SANDBOXED, WAYS, GoneCard, MemoryCard, by_hand, text_of, vendor

from kiosk.drivers import host
from kiosk.drivers.host import DriverProcess
from kiosk.model.cardport import DENIED, IO_FAULT, LOCKED, CardPortError
from kiosk.model.errors import DeviceFault, DriverFault

DESCRIBE = bytes.fromhex("68 10 00 00 10 16")


@pytest.fixture(scope="module")
def probe(tmp_path_factory, native):
    """probe(password, port=None) → the answer's text; one process for all tests, until one of them breaks it."""
    process = DriverProcess(vendor(tmp_path_factory.mktemp("probe") / "prb", native(), kind="native", timeout_ms=8000))

    def ask(password, port=None, raw=DESCRIBE):
        return text_of(process.call(raw, port, password))

    ask.process = process
    yield ask
    process.close()


def fault_of(act, *arguments):
    with pytest.raises(DriverFault) as fault:
        act(*arguments)
    return fault.value.code, str(fault.value)


def test_the_table_has_the_contracts_size_and_order(probe):
    assert probe("size") == "64 64 56"  # of a machine with 64 bits


def test_bind_is_called_once_before_the_first_call_and_there_is_no_card_yet(probe):
    probe.process.discard()
    assert probe("binds") == "1 -4 1"
    assert probe("binds", MemoryCard()) == "1 -4 2"


@pytest.mark.parametrize(
    ("what", "said", "seen"),
    [
        ("type", "21", [("card_type",)]),
        ("atr", "4 a2131091", [("atr",)]),
        ("atr-short", "-4", [("atr",)]),
        ("read", "4 20212223", [("read", 0, 32, 4)]),
        ("read-zone", "-4", [("read", 0x80000000, 0, 4)]),
        ("read-null", "-4", [("read", 0, 32, 4)]),
        ("read-much", "-4", []),
        ("read-huge", "-4", []),
        ("read-other", "-4", []),
        ("write", "-997", [("write", 0, 40, b"abc")]),
        ("write-null", "-4", []),
        ("write-huge", "-4", []),
        ("verify", "0", [("verify", 0, b"\xff\xff\xff")]),
        ("verify-wrong", "-3", [("verify", 0, b"\xff\xff")]),
        ("tries", "3", [("tries_left", 0)]),
        ("transmit", "6 0000a4009000", [("transmit", b"\x00\xa4\x00\x00")]),
        ("transmit-short", "-4", [("transmit", b"\x00\xa4\x00\x00")]),
    ],
)
def test_each_call_on_the_card(probe, what, said, seen):
    card = MemoryCard()
    assert probe(what, card) == said
    assert card.calls == seen


@pytest.mark.parametrize("what", ["read", "verify", "tries", "transmit", "atr"])
def test_without_a_card_every_call_says_so(probe, what):
    assert probe(what) == "-1"
    assert probe(what, GoneCard()) == "-1"
    assert probe("type") == "0"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (CardPortError(IO_FAULT), "-2"),
        (CardPortError(DENIED), "-3"),
        (CardPortError(LOCKED), "-5"),
        (CardPortError(-17), "-2"),
        (CardPortError(5), "-2"),
        (DeviceFault("V-402", "the reader is gone"), "-2"),
    ],
)
def test_what_the_port_raises_becomes_the_tables_number(probe, fault, said):
    card = MemoryCard()
    card.fail = fault
    assert probe("read", card) == said
    card.fail = None
    assert probe("read", card) == "4 20212223"


def test_a_reader_that_gives_too_few_bytes_has_failed(probe):
    card = MemoryCard()
    card.read = lambda zone, addr, length: b"abc"
    assert probe("read", card) == "-2"


def test_sendstr_is_readable_for_2054_bytes_and_zero_behind_the_frame(probe):
    assert probe("send") == str(sum(DESCRIBE))
    longest = by_hand(0x10, (0x0205, b"\1" * 2044))
    assert probe("send", raw=longest) == str(sum(longest))


@pytest.mark.parametrize("password", ["", " ", "psc=1A2B;key=00112233", "~" * 256])
def test_the_password_arrives_as_it_is(probe, password):
    assert probe(password) == f"{len(password)} {password}"


@pytest.mark.parametrize("password", ["x" * 257, "密码", "a\nb", "a\0b", "\x7f"])
def test_a_password_that_is_none_is_never_sent(probe, password):
    calls = int(probe("binds").split()[2])
    with pytest.raises(ValueError, match="printable ASCII"):
        probe(password)
    assert probe("binds") == f"1 -4 {calls + 1}"


ENDS = {
    "crash": ("D-301", "killed by SIGSEGV"),
    "abort": ("D-301", "killed by SIGABRT"),
    "exit": ("D-301", "exit status 3"),
    "behind": ("D-301", "killed by SIGSEGV"),
    "hang": ("D-302", "no answer within 300 ms"),
    "spin": ("D-302", "no answer within 300 ms"),
    "nothing": ("D-303", "not a frame"),
    "to-the-brim": ("D-303", "not a frame"),
    "positive": ("D-303", "neither an answer nor an error"),
    "long": ("D-303", "not a frame"),
}


@pytest.mark.parametrize("what", ENDS)
def test_a_library_goes_wrong_and_the_next_call_works(probe, what):
    code, words = ENDS[what]
    assert probe("read", MemoryCard()) == "4 20212223"
    first = probe.process.pid
    found = fault_of(probe.process.call, DESCRIBE, MemoryCard(), what, 300 if code == "D-302" else None)
    assert (found[0], words in found[1]) == (code, True), found
    assert probe("read", MemoryCard()) == "4 20212223"
    assert probe("binds").startswith("1 ")
    assert probe.process.pid != first


def test_a_library_that_reads_the_card_for_ever_is_late_too(probe):
    assert fault_of(probe.process.call, DESCRIBE, MemoryCard(), "read-for-ever", 300)[0] == "D-302"
    assert probe("type", MemoryCard()) == "21"


def test_an_outer_fault_is_answered_with_nothing_and_recvstr_is_not_looked_at(probe):
    first = probe("handle"), probe.process.pid
    assert probe.process.call(b"junk", None, "minus") == b""
    assert (probe("handle"), probe.process.pid) == first


def test_no_answer_is_taken_for_the_next(probe):
    probe("handle")
    assert fault_of(probe.process.call, DESCRIBE, None, "nothing")[0] == "D-303"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("fork", "-1 1"),
        ("exec", "-1 1"),
        ("socket", "-1 1"),
        ("passwd", "-1 2" if SANDBOXED in WAYS else "-1 13"),
        ("parent", "-1 13"),
        ("file", "-1 1"),
        ("kill", "-1 1"),
        ("gigabyte", "-1 12"),
        ("stdout", "10"),
    ],
)
def test_what_a_library_may_not_do_fails_and_it_goes_on(probe, what, said, capfd):
    assert probe(what) == said
    assert probe("read", MemoryCard()) == "4 20212223"
    assert capfd.readouterr() == ("", "")
    assert not os.path.exists("/tmp/prb-was-here")  # noqa: PTH110


def test_a_library_sees_nothing_of_the_kiosks_environment(probe, monkeypatch):
    monkeypatch.setenv("KIOSK_PASSPHRASE", "open sesame")
    probe.process.discard()
    assert probe("environment") in ("", "LC_CTYPE=C.UTF-8 ")


@pytest.mark.parametrize(
    ("macros", "words"),
    [
        (("REFUSE=-1",), "PRBIcardBind returned -1"),
        (("REFUSE=7",), "PRBIcardBind returned 7"),
        (("NO_BIND",), "PRBIcardBind"),
        (("AT_LOAD=raise(11)",), "ended while loading (killed by SIGSEGV)"),
        (("AT_LOAD=exit(0)",), "ended while loading (exit status 0)"),
    ],
)
def test_a_library_that_cannot_be_used_is_d_304_each_time(started, native, macros, words):
    process = started(native(*macros))
    for _ in range(2):
        code, text = fault_of(process.call, DESCRIBE, None, "handle")
        assert code == "D-304"
        assert words in text
        assert process.pid is None


def test_a_library_that_hangs_while_loading(started, native, monkeypatch):
    monkeypatch.setattr(host, "START_MS", 200)
    code, text = fault_of(started(native("AT_LOAD=pause()")).start)
    assert code == "D-304"
    assert "did not load in time" in text


def test_a_file_that_is_no_library_and_one_that_exports_another_name(started, native):
    code, text = fault_of(started(b"not ELF").start)
    assert code == "D-304"
    assert "the library" in text
    code, text = fault_of(started(native(), abbr="ABC").start)
    assert code == "D-304"
    assert "ABCIcard" in text


def test_a_keypad_vendors_library_gets_icdev_0_and_bind_may_be_missing(started, native):
    old = started(native("NO_BIND"), keypad=True)
    assert text_of(old.call(DESCRIBE, MemoryCard(), "handle")) == "0"
    bound = started(native(), keypad=True)
    card = MemoryCard()
    assert text_of(bound.call(DESCRIBE, card, "read")) == "-1"
    assert text_of(bound.call(DESCRIBE, card, "binds")).startswith("1 ")
    assert card.calls == []


@pytest.fixture
def serial_port():
    """(lend_line, read what the library wrote, what was lent and taken back)."""
    far, near = os.openpty()
    told = []

    @contextlib.contextmanager
    def lend_line(baud):
        told.append(baud)
        try:
            yield near
        finally:
            told.append("back")

    yield lend_line, lambda: os.read(far, 100), told
    os.close(near)
    os.close(far)


@pytest.mark.parametrize("macros", [(), ("NO_BIND",)])
def test_a_library_of_the_old_kind_is_lent_the_readers_line_for_a_call_on_a_card(started, native, serial_port, macros):
    lend_line, read, told = serial_port
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    process = started(native(*macros), lend_line, access="serial", baud="baud = 9600")
    assert text_of(process.call(DESCRIBE, None, "binds")) == "0 99 1"
    handle = int(text_of(process.call(DESCRIBE, None, "handle")))
    assert handle > 2
    assert text_of(process.call(DESCRIBE, None, "serial")) == "-1"  # without a card there is no line
    assert told == []
    assert text_of(process.call(DESCRIBE, MemoryCard(), "serial")) == "13"
    assert told == [9600, "back"]
    assert read() == b"to the reader"
    assert text_of(process.call(DESCRIBE, MemoryCard(), "handle")) == str(handle)
    assert text_of(process.call(DESCRIBE, None, "serial")) == "-1"  # and it is not left there
    process.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_library_of_the_old_kind_without_a_port_is_d_304(started, native):
    code, text = fault_of(started(native("NO_BIND"), access="serial", baud="baud = 9600").start)
    assert code == "D-304"
    assert "no reader is on a port" in text
