"""The serial line and its pseudo-terminal stand-in."""

import random

import pytest

from kiosk.devices.link import LinkSettings, PtyLine, line_faults, open_link
from kiosk.model.errors import ConfigFault, DeviceFault


@pytest.fixture
def line(tmp_path):
    line = PtyLine(tmp_path / "port")
    yield line
    line.close()


def settings(line, **more):
    return LinkSettings(str(line.path), 9600, "V-411", **more)


def read_all(line, wanted):
    got = b""
    while len(got) < wanted:
        part = line.receive(2_000)
        assert part, f"only {len(got)} of {wanted} bytes came"
        got += part
    return got


def test_every_byte_value_passes_both_ways(line):
    every = bytes(range(256))
    with open_link(settings(line, read_timeout_ms=2_000)) as link:
        link.write(every)
        assert read_all(line, 256) == every
        line.send(every)
        assert link.read(256) == every


def test_a_host_may_come_and_go_and_come_again(line):
    for turn in range(3):
        with open_link(settings(line, read_timeout_ms=2_000)) as link:
            link.write(bytes([turn]))
            assert read_all(line, 1) == bytes([turn])
            line.send(b"yes")
            assert link.read(3) == b"yes"


def test_what_was_said_while_nobody_listened_is_dropped(line):
    line.send(b"stale")
    with open_link(settings(line, read_timeout_ms=2_000)) as link:
        line.send(b"fresh")
        assert link.read(5) == b"fresh"


def test_a_line_nobody_reads_never_blocks_the_device(line):
    line.send(bytes(100_000))
    with open_link(settings(line, read_timeout_ms=2_000)) as link:
        line.send(b"on")
        assert link.read(2) == b"on"


def test_the_port_is_opened_once(line):
    with open_link(settings(line)), pytest.raises(DeviceFault, match="V-411"):
        open_link(settings(line))


@pytest.mark.parametrize("baud", [-1, 9600])
def test_a_port_that_is_not_there_is_a_device_fault(tmp_path, baud):
    with pytest.raises(DeviceFault) as caught:
        open_link(LinkSettings(str(tmp_path / "none"), baud, "V-421"))
    assert caught.value.code == "V-421"


def test_a_baud_rate_no_port_has_is_a_device_fault(line):
    with pytest.raises(DeviceFault):
        open_link(LinkSettings(str(line.path), -1, "V-411"))


def test_parity_and_stop_bits_are_set(line):
    with open_link(settings(line, parity="even", stop_bits=2)) as link:
        assert (link.parity, link.stopbits) == ("E", 2)
    with open_link(settings(line)) as link:
        assert (link.parity, link.stopbits) == ("N", 1)


def test_a_port_without_parity_is_used_without_and_the_log_says_so(line, caplog):
    """A pseudo-terminal takes it at its first opening, and refuses it at its second."""
    with open_link(settings(line, parity="even")):
        assert not caplog.records
    with open_link(settings(line, parity="even", read_timeout_ms=2_000)) as link:
        assert link.parity == "N" and "has no even parity" in caplog.text
        link.write(b"x")
        assert line.receive(2_000) == b"x"


@pytest.mark.parametrize("parity", ["none", "even"])
def test_a_port_that_is_taken_is_not_tried_without_parity(line, caplog, parity):
    with open_link(settings(line)), pytest.raises(DeviceFault, match="V-411"):
        open_link(settings(line, parity=parity))
    assert not caplog.records


def test_a_file_that_is_no_port_is_a_device_fault(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceFault):
        open_link(LinkSettings(str(tmp_path / "file"), 9600, "V-411"))


@pytest.mark.parametrize(
    "act", [lambda link: link.read(1), lambda link: link.write(b"x"), lambda link: link.in_waiting]
)
def test_a_line_that_dies_is_a_device_fault(tmp_path, act):
    line = PtyLine(tmp_path / "port")
    where = settings(line, read_timeout_ms=2_000)
    link = open_link(where)
    line.close()
    with pytest.raises(DeviceFault) as caught, line_faults(where):
        act(link)
    link.close()
    assert caught.value.code == "V-411"


def test_the_symbolic_link_follows_the_newest_line_and_goes_with_it(tmp_path):
    path = tmp_path / "a" / "port"
    old = PtyLine(path)
    new = PtyLine(path)
    first = path.readlink()
    old.close()
    assert path.readlink() == first, "the old line took the new one's name away"
    with open_link(settings(new)) as link:
        link.write(b"x")
        assert new.receive(2_000) == b"x"
    new.close()
    assert not path.is_symlink()


def test_a_path_that_cannot_be_made_is_a_config_fault(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigFault) as caught:
        PtyLine(tmp_path / "file" / "port")
    assert caught.value.code == "F-701"


def test_noise_and_cuts_are_made_on_the_line(line):
    seen = []

    def tamper(direction, passing):
        seen.append((direction, passing))
        return b"" if direction == "to-device" else passing[::-1]

    line.tamper = tamper
    with open_link(settings(line, read_timeout_ms=2_000)) as link:
        link.write(b"abc")
        assert line.receive(2_000) == b""
        line.send(b"abc")
        assert link.read(3) == b"cba"
    assert seen == [("to-device", b"abc"), ("to-host", b"abc")]


def test_waiting_ends_by_time_and_by_waking(line):
    assert line.receive(0) == b""
    line.wake()
    assert line.receive(None) == b""


def test_random_bytes_arrive_whole(line):
    sent = random.Random(1).randbytes(1_000)
    with open_link(settings(line)) as link:
        for _ in range(50):
            link.write(sent)
            assert read_all(line, len(sent)) == sent
