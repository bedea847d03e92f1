"""The line is cut at any byte of a request or an answer: it goes on where it was; head office takes each entry once."""

import pytest
from cut_line import CutLine
from fake_office import Server
from sync_bench import grow, state

from kiosk.sync.door import trusted


@pytest.fixture
def line(bench, monkeypatch):
    known = trusted()
    monkeypatch.setattr("kiosk.sync.door.trusted", lambda: known)  # a list of authorities takes long to read
    with Server(bench.office) as server, CutLine(server.http.server_port) as line:
        bench.url = line.url
        bench.restart()
        bench.settle()
        yield line
        bench.door.close()  # or the line would wait for its end


def measured(bench, line):
    """Bytes of a whole exchange with one new entry, up and down."""
    grow(bench.journal, 1)
    bench.reconnect()
    bench.turn()
    assert bench.office.size == bench.reader.size
    return line.up, line.down


def cut_and_go_on(bench, line, where, reset):
    grow(bench.journal, 1)
    line.cut(**where, reset=reset)
    bench.reconnect()
    size = state(bench).cosigned_size
    wait = bench.turn()
    assert wait >= 5_000, f"{where}: the exchange was not broken"
    assert (state(bench).cosigned_size, state(bench).stop_selling) == (size, False), where
    line.cut()
    bench.settle()
    assert bench.office.entries == list(bench.reader.entries(0, bench.reader.size)), where
    assert (state(bench).cosigned_size, state(bench).problem_code) == (bench.reader.size, ""), where
    assert not bench.office.quarantined, where


def some(length):
    """The bytes where something begins or ends, and a few between."""
    return sorted({0, 1, 5, 40, length // 3, length // 2, length - 100, length - 2, length - 1})


def test_a_request_is_cut(bench, line):
    up, _ = measured(bench, line)
    for at in some(up):
        cut_and_go_on(bench, line, {"up": at}, reset=at % 2 == 0)


def test_an_answer_is_cut(bench, line):
    _, down = measured(bench, line)
    for at in some(down):
        cut_and_go_on(bench, line, {"down": at}, reset=at % 2 == 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["up", "down"])
def test_every_byte(bench, line, way):
    up, down = measured(bench, line)
    for at in range(up if way == "up" else down):  # both only grow with the numbers in them
        cut_and_go_on(bench, line, {way: at}, reset=at % 2 == 0)
