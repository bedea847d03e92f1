"""Our own pcscd: invisible to the network, several side by side, nothing left behind."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kiosk.devices.reader import pcscd as module
from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.pcscd import PrivatePcscd
from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.devices.reader.vpcd import PORT
from kiosk.model.errors import DeviceFault

CLIENT = """
import sys
from smartcard import scard
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
_, names = scard.SCardListReaders(context, [])
state, atr = 0, []
while not state & scard.SCARD_STATE_PRESENT:
    _, [(_, state, atr)] = scard.SCardGetStatusChange(context, 5000, [(names[int(sys.argv[1])], state)])
print(len(names), bytes(atr).hex())
"""


def client(service, slot):
    """What another process sees in a slot: number of readers, ATR."""
    command = [sys.executable, "-c", CLIENT, str(slot)]
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": str(service.socket)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=True)
    return found.stdout.split()


def living(folder):
    """Processes that have this folder on their command line."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line for line in lines if str(folder).encode() in line]


@pytest.mark.slow
def test_two_side_by_side_have_the_same_ports_and_different_cards(tmp_path):
    with PrivatePcscd(tmp_path / "a") as left, PrivatePcscd(tmp_path / "b", privileged=("env",)) as right:
        for service, card in ((left, AcsFace(Sle4442())), (right, FileCard())):
            service.reader(1).insert(card)
        assert client(left, 1) == ["2", "3b04a2131091"]
        assert client(right, 1) == ["2", FileCard().reset().hex()]
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", PORT), timeout=1)
        assert len(living(tmp_path)) >= 4
    assert living(tmp_path) == []


@pytest.mark.slow
def test_it_ends_with_whoever_started_it(tmp_path):
    program = (
        "import os, pathlib, signal, sys; from kiosk.devices.reader.pcscd import PrivatePcscd\n"
        "service = PrivatePcscd(pathlib.Path(sys.argv[1])); service.start()\n"
        "print(service._warden.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    started = subprocess.run([sys.executable, "-c", program, str(tmp_path / "c")], capture_output=True, timeout=20)
    warden = int(started.stdout)
    while Path(f"/proc/{warden}/cmdline").exists() and Path(f"/proc/{warden}/cmdline").read_bytes():
        continue
    assert living(tmp_path) == []


@pytest.mark.slow
def test_a_pcscd_that_cannot_start_says_so(tmp_path, monkeypatch):
    with pytest.raises(DeviceFault, match=r"V-401.*pcscd\.log"):
        PrivatePcscd(tmp_path, privileged=("false",)).start()
    monkeypatch.setattr(module, "CONFIGURATION", "no such line\n")
    service = PrivatePcscd(tmp_path / "d")
    with pytest.raises(DeviceFault, match=r"V-401.*pcscd ended with 1"):
        service.start()
    service.close()
    assert living(tmp_path) == []


def test_without_root_and_sudo_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceFault, match="needs root, or sudo without a password"):
        PrivatePcscd(tmp_path)
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ]\n')
    sudo.chmod(0o755)
    assert PrivatePcscd(tmp_path)._privileged == ("sudo", "-n")


def test_a_folder_too_deep_for_a_socket(tmp_path):
    with pytest.raises(DeviceFault, match="too long for a socket"):
        PrivatePcscd(tmp_path / ("x" * 100)).start()


def test_orders_to_one_that_does_not_run(tmp_path):
    with pytest.raises(DeviceFault, match="not running"):
        PrivatePcscd(tmp_path).stop()
    with pytest.raises(ValueError, match="0 to 1"):
        PrivatePcscd(tmp_path).reader(2)
