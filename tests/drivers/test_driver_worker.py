"""A Python driver in its process: what it is given, what it can import, how its mistakes end (contract 1 §6)."""

import os
import re
import socket
import sys
from pathlib import Path

import pytest
from driver_bench import ORACLE, GoneCard, MemoryCard, program, text_of, vendor

from kiosk.drivers import host, worker
from kiosk.drivers.host import DriverProcess
from kiosk.drivers.pipe import Pipe
from kiosk.drivers.worker import PipePort
from kiosk.model.cardport import NO_CARD, CardPortError
from kiosk.model.errors import DriverFault

MODULES = """
import sys
known = sys.stdlib_module_names
said = sorted(name for name in sys.modules if name.partition(".")[0] not in {*known, "__main__", "driver"})
"""
OURS = {
    "kiosk",
    "kiosk.drivers",
    "kiosk.drivers.confine",
    "kiosk.drivers.landlock",
    "kiosk.drivers.native",
    "kiosk.drivers.pipe",
    "kiosk.drivers.sdk",
    "kiosk.drivers.sizes",
    "kiosk.drivers.syscalls",
    "kiosk.drivers.worker",
    "kiosk.model",
    "kiosk.model.cardfault",
}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """oracle(program, port=None) → what it said; one process for all tests, until one of them breaks it."""
    process = DriverProcess(vendor(tmp_path_factory.mktemp("oracle") / "prb", ORACLE, timeout_ms=8000))

    def ask(source, port=None, password="", timeout_ms=None):
        return text_of(process.call(program(source), port, password, timeout_ms))

    ask.process = process
    yield ask
    process.close()


def fault_of(act, *arguments):
    with pytest.raises(DriverFault) as fault:
        act(*arguments)
    return fault.value.code, str(fault.value)


def test_a_driver_lives_on_between_calls(oracle):
    first, process = int(oracle("said = calls")), oracle.process.pid
    assert oracle("said = calls") == str(first + 1)
    assert oracle.process.pid == process


def test_request_password_and_card_are_handed_over(oracle):
    assert oracle("said = type(send), send.hex()[:8], password", password="psc=1A;key=2B") == (
        "(<class 'bytes'>, '6810002f', 'psc=1A;key=2B')"
    )
    card = MemoryCard()
    source = "said = icdev.card_type(), icdev.atr().hex(), icdev.read(0, 32, 3), icdev.tries_left(0), "
    source += "icdev.transmit(b'\\0\\xa4\\0\\0'), icdev.write(0, 40, bytearray(b'abc')), icdev.verify(0, b'\\xff' * 3)"
    assert oracle(source, card) == "(21, 'a2131091', b' !\"', 3, b'\\x00\\x00\\xa4\\x00\\x90\\x00', None, None)"
    assert card.memory[40:43] == b"abc"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("icdev.read(9, 0, 1)", -4),
        ("icdev.read(0, 0, -1)", -4),
        ("icdev.read(-1, 0, 1)", -4),
        ("icdev.read(0, 0, 4097)", -4),
        ("icdev.write(0, 1 << 32, b'a')", -4),
        ("icdev.write(0, 0, bytes(4097))", -4),
        ("icdev.verify(0, b'no')", -3),
    ],
)
def test_the_card_refuses_with_a_number(oracle, call, code):
    source = (
        f"from kiosk.drivers.sdk import CardPortError\ntry: {call}\nexcept CardPortError as fault: said = fault.code"
    )
    assert oracle(source, MemoryCard()) == str(code)


@pytest.mark.parametrize("port", [None, GoneCard()])
def test_without_a_card_there_is_a_port_that_says_so(oracle, port):
    source = "from kiosk.drivers.sdk import CardPortError\ntry: icdev.read(0, 0, 1)\n"
    assert oracle(source + "except CardPortError as fault: said = fault.code", port) == "-1"
    assert oracle("said = icdev.card_type()") == "0"


def test_five_is_not_five_zeros(oracle):
    card = MemoryCard()
    assert oracle("icdev.write(0, 40, 5)", card) == "TypeError None"
    assert card.calls == []


def test_a_card_kept_from_one_call_is_none_outside_it(oracle):
    card = MemoryCard()
    oracle("import builtins; builtins.kept = icdev", card)
    source = "import atexit, builtins; said = builtins.kept.card_type()"
    assert oracle(source) == "0"
    assert card.calls == []


def test_between_two_calls_there_is_no_card_and_nothing_is_said():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        port = PipePort(Pipe(os.dup(theirs.fileno())))
        assert port.card_type() == 0
        with pytest.raises(CardPortError) as fault:
            port.read(0, 0, 1)
        assert fault.value.code == NO_CARD
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)


def test_a_keypad_vendors_driver_gets_icdev_0(started):
    process = started(ORACLE, keypad=True)
    card = MemoryCard()
    assert text_of(process.call(program("said = icdev"), card, "")) == "0"
    assert card.calls == []


def test_only_the_standard_library_and_the_named_rooms_are_loaded(oracle):
    assert set(re.findall(r"'([\w.]+)'", oracle(MODULES))) == OURS
    assert oracle("import sys; said = sys.flags.isolated, sys.flags.no_site, sys.dont_write_bytecode") == "(1, 1, True)"
    assert oracle("import sys; said = [place for place in sys.path if 'site-packages' in place]") == "[]"


@pytest.mark.parametrize(
    "name",
    [
        "kiosk.ledger",
        "kiosk.ledger.keys",
        "kiosk.model.money",
        "kiosk.drivers.host",
        "kiosk.drivers.manifest",
        "kiosk.drivers.sdk.kit",
        "kiosk.drivers.vendors",
        "cbor2",
        "cryptography",
        "pytest",
    ],
)
def test_nothing_else_can_be_imported(oracle, name):
    assert oracle(f"import {name}") == "ModuleNotFoundError None"


def test_nothing_else_can_be_imported_by_a_driver_that_insists(oracle):
    root = str(Path(worker.__file__).parents[2])
    source = f"import sys, kiosk\nsys.path.append({root!r})\nkiosk.__path__ = [{root + '/kiosk'!r}]\n"
    assert oracle(source + "import kiosk.ledger.keys").startswith(("ModuleNotFoundError", "PermissionError"))


def test_all_of_the_standard_library_can(oracle):
    source = "import json, decimal, hashlib, hmac, datetime, zoneinfo, struct, csv, sqlite3, ssl, secrets\n"
    source += "zone = zoneinfo.ZoneInfo('Asia/Shanghai')\n"
    assert oracle(source + "said = str(datetime.datetime(2026, 1, 1, tzinfo=zone))") == "'2026-01-01 00:00:00+08:00'"


def test_the_process_has_its_pipe_and_nothing_else_open(started):
    with open(__file__, "rb") as held:
        os.set_inheritable(held.fileno(), True)
        process = started(ORACLE)
        source = """
import os, stat
said = {}
for number in range(256):
    try: found = os.fstat(number)
    except OSError: continue
    said[number] = "pipe" if stat.S_ISSOCK(found.st_mode) else found.st_rdev == os.makedev(1, 3)
said = sorted(said.values(), key=str)
"""
        assert text_of(process.call(program(source), None, "")) == "[True, True, True, 'pipe']"


def test_the_process_sees_nothing_of_the_kiosk(oracle, monkeypatch, capfd):
    monkeypatch.setenv("KIOSK_PASSPHRASE", "open sesame")
    oracle.process.discard()
    assert oracle("import os; said = dict(os.environ)") in ("{}", "{'LC_CTYPE': 'C.UTF-8'}")
    assert oracle("import os, sys; said = os.getcwd(), sys.stdin.read()") == "('/', '')"
    assert oracle("import sys; print('out'); print('err', file=sys.stderr); said = 1") == "1"
    assert capfd.readouterr() == ("", "")


def test_the_command_line_holds_no_secret(oracle):
    oracle("said = 1", password="psc=A1B2C3")
    with open(f"/proc/{oracle.process.pid}/cmdline", "rb") as file:
        assert b"A1B2C3" not in file.read()


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("import ctypes; ctypes.string_at(8)", "D-301", "killed by SIGSEGV"),
        ("import os; os._exit(4)", "D-301", "exit status 4"),
        ("import sys; sys.exit()", "D-301", "SystemExit"),
        ("raise KeyboardInterrupt('A1B2C3')", "D-301", "KeyboardInterrupt in"),
        ("import os\nfor n in range(3, 99):\n try: os.close(n)\n except OSError: pass", "D-301", "closed"),
        ("import signal; signal.pause()", "D-302", "no answer within 300 ms"),
        ("while True: pass", "D-302", "no answer within 300 ms"),
        ("raw = b'junk'", "D-303", "not a frame"),
        ("raw = b'\\x68' * 5000", "D-303", "neither an answer"),
        ("raw = 'text'", "D-303", "neither an answer"),
        ("raw = 5", "D-303", "neither an answer"),
        ("raw = send[:-1]", "D-303", "not a frame"),
    ],
)
def test_a_driver_goes_wrong_and_the_next_call_works(oracle, source, code, words):
    found = fault_of(oracle, source, MemoryCard(), "A1B2C3", 300 if code == "D-302" else None)
    assert (found[0], words in found[1]) == (code, True), found
    assert "A1B2C3" not in found[1]
    assert oracle("said = calls, icdev.card_type()", MemoryCard()) == "(1, 21)"


@pytest.mark.parametrize("kind", ["READY", "REFUSED", "RESULT", "CALL"])
def test_a_driver_that_speaks_for_itself_over_the_pipe(oracle, kind):
    source = f"""
import os, stat
from kiosk.drivers.pipe import Kind
for number in range(3, 64):
    try: found = os.fstat(number)
    except OSError: continue
    if stat.S_ISSOCK(found.st_mode): os.write(number, bytes((Kind.{kind},)))
"""
    code, text = fault_of(oracle, source)
    assert code == "D-303"
    assert kind in text
    assert oracle("said = calls") == "1"


def test_a_drivers_exception_is_told_without_its_words(oracle):
    code, text = fault_of(oracle, "class Broken(BaseException): pass\nraise Broken(password)", None, "A1B2C3")
    assert code == "D-301"
    assert "Broken in <module>" in text
    assert "icard driver.py:" in text
    assert "A1B2C3" not in text


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit('secret')", "SystemExit in <module> driver.py:1"),
        ("import cbor2", "ModuleNotFoundError"),
        ("import kiosk.ledger", "ModuleNotFoundError"),
        ("x = 1", "KeyError"),
        ("class Driver:\n def __init__(self, card): pass", "TypeError"),
        ("class Driver:\n def __init__(self): raise ValueError('secret')", "ValueError in __init__ driver.py:2"),
        ("import os; os._exit(9)", "ended while loading (exit status 9)"),
        ("open('/etc/passwd')", "Error in <module> driver.py:1"),
        (b"\xff\xfe".decode("latin-1") + "\0", "Error"),
    ],
)
def test_a_driver_that_cannot_be_loaded_is_d_304(started, image, words):
    process = started(image)
    code, text = fault_of(process.call, program("said = 1"), None, "")
    assert code == "D-304"
    assert words in text
    assert "secret" not in text
    assert process.pid is None


def test_a_driver_that_hangs_while_it_is_loaded(started, monkeypatch):
    monkeypatch.setattr(host, "START_MS", 300)
    code, text = fault_of(started("while True: pass").start)
    assert code == "D-304"
    assert "did not load in time" in text


def test_a_driver_that_says_ready_itself_is_still_not_a_driver(started):
    image = "import os\nfrom kiosk.drivers.pipe import Kind\n"
    image += "for n in range(3, 64):\n try: os.write(n, bytes((Kind.ANSWER,)))\n except OSError: pass\n"
    code, text = fault_of(started(image + ORACLE).start)
    assert code == "D-304"
    assert "said ANSWER, not READY" in text


def test_dataclasses_and_types_work_as_in_any_module(started):
    image = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    image += "@dataclass\nclass Card:\n  count: int = 7\n"
    process = started(image + ORACLE.replace('"raw": None', '"raw": None, "Card": Card'))
    assert text_of(process.call(program("said = Card()"), None, "")) == "Card(count=7)"


def test_the_interpreter_is_the_kiosks_own(oracle):
    assert oracle("import sys; said = sys.version_info[:2]") == str(sys.version_info[:2])
