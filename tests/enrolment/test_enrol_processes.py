"""The real programs over a real socket: head office's server, its commands, and the terminal's."""

import re
import subprocess
import sys
import threading

import pytest
from enrol_stage import PLACE, Machine, shown

pytestmark = pytest.mark.slow
LISTENS = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")


def kiosk(*words, typed=""):
    command = [sys.executable, "-m", "kiosk", *map(str, words)]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=100)


@pytest.fixture
def office(tmp_path):
    """Its folder and address."""
    folder = tmp_path / "hq"
    assert kiosk("hq", "init", "--data", folder, "--domain", "power.example").returncode == 0
    command = [sys.executable, "-m", "kiosk", "hq", "serve", "--data", str(folder), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if found := LISTENS.search(line):
            break
    rest = threading.Thread(target=process.stderr.read, daemon=True)
    rest.start()
    yield folder, found[1]
    process.terminate()
    process.wait()
    rest.join()


def test_from_the_code_to_the_ledger_that_head_office_takes(office, tmp_path):
    folder, url = office
    machine = Machine(tmp_path / "terminal")
    data = ("--data", folder)
    given = kiosk("hq", "enrol", "new", "--region", "420100", "--terminal", "0007", *data)
    code = given.stdout.strip()
    assert given.returncode == 0 and len(code) == 24 and PLACE in given.stderr

    words = ("enrol", "--config", machine.toml, "--office", url, "--language", "en")
    wrong = kiosk(*words, typed=f"{code[:-1]}{(int(code[-1]) + 1) % 10}\n")
    assert wrong.returncode == 1 and "E-901" in wrong.stderr
    done = kiosk(*words, typed=f"{code}\nyes\n")
    assert done.returncode == 0, done.stderr
    listed = kiosk("hq", "enrol", "list", *data)
    assert shown(done.stdout) in listed.stdout

    who = ("--operator", "李四", *data)
    confirmed = kiosk("hq", "enrol", "confirm", code[:4], *who, typed=f"{shown(done.stdout)}\n")
    assert confirmed.returncode == 0 and f"{PLACE}/1+" in confirmed.stdout
    assert "nobody waits" in kiosk("hq", "enrol", "list", *data).stdout
    assert f"{PLACE}/1+" in kiosk("hq", "vkeys", *data).stdout

    retired = kiosk("hq", "retire", f"{PLACE}/1", *data)
    assert retired.returncode == 0 and "is retired" in retired.stdout
    assert "in service again" in kiosk("hq", "retire", f"{PLACE}/1", "--undo", *data).stdout


def test_asked_wrongly(office, tmp_path):
    folder, _ = office
    machine = Machine(tmp_path / "terminal")
    data = ("--data", folder)
    assert kiosk("enrol", "something", "--config", machine.toml).returncode == 2
    assert kiosk("enrol", "bring", "--config", machine.toml).returncode == 2
    for words in (("new",), ("take",), ("no-such-word",), ("confirm", "0000", "--operator", "x"), ("refuse", "0000")):
        asked = kiosk("hq", "enrol", *words, *data)
        assert asked.returncode == 1 and asked.stderr.startswith("["), words
        assert "Traceback" not in asked.stderr
    empty = tmp_path / "stick"
    empty.mkdir()
    assert "E-909" in kiosk("hq", "enrol", "take", empty, *data).stderr
    (empty / "enrol-request-0000").write_bytes(b"rubbish")
    assert "E-909" in kiosk("hq", "enrol", "take", empty, *data).stderr
