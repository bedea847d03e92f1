"""What a stick meets when it is put into a kiosk: the udev rule, the unit, and the script that makes the round."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"

FAKES = {
    "mount": 'echo "mount $*" >> "$TOLD"; exit ${MOUNT:-0}',
    "umount": 'echo "umount $*" >> "$TOLD"; [ "$1" = --lazy ] || exit ${UMOUNT:-0}',
    "runuser": 'echo "runuser $*" >> "$TOLD"; echo "said by the round"; exit ${ROUND:-0}',
    "id": "echo 990",
}


@pytest.fixture
def round_with(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, body in FAKES.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)

    def run(name="sda1", **how):
        told = tmp_path / "told"
        told.write_text("")
        env = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "TOLD": str(told),
            "KIOSK_RUN": str(tmp_path / "run"),
        }
        env |= {"KIOSK_PYTHON": sys.executable} | {key: str(value) for key, value in how.items()}
        done = subprocess.run([DEPLOY / "stick-round", name], env=env, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout, told.read_text().splitlines()

    return run


def test_it_mounts_makes_the_round_unmounts_and_then_tells(round_with, tmp_path):
    code, said, told = round_with()
    place = tmp_path / "run/sda1"
    assert (code, said) == (0, "said by the round\n")
    assert [line.split()[0] for line in told] == ["mount", "runuser", "umount"]
    options = set(told[0].split()[2].split(","))
    assert {"noexec", "nosuid", "nodev", "nosymfollow", "uid=990", "gid=990"} <= options and "ro" not in options
    assert told[0].endswith(f" -t vfat,exfat /dev/sda1 {place}"), "no other filing system, whatever it shows by now"
    assert f"-u kiosk -- {sys.executable} -m kiosk sync round {place} --config /etc/prepaid-kiosk/kiosk.toml" in told[1]
    assert not place.exists()


def test_a_round_that_went_wrong_is_unmounted_and_told_too(round_with):
    code, said, told = round_with(ROUND=1)
    assert (code, said, told[-1].split()[0]) == (1, "said by the round\n", "umount")


def test_a_stick_that_cannot_be_unmounted_is_not_called_safe(round_with):
    code, said, told = round_with(UMOUNT=32)
    assert code == 1 and "could not be unmounted" in said and told[-1].startswith("umount --lazy")


def test_a_stick_that_cannot_be_mounted(round_with):
    code, said, told = round_with(MOUNT=32)
    assert (code, said, len(told)) == (1, "", 1)


@pytest.mark.parametrize("name", ["../../etc", "sda1;reboot", "sda1 -o exec", "-a"])
def test_only_a_devices_name_is_taken(round_with, name):
    code, _, told = round_with(name)
    assert code == 2 and told == []


def test_the_rule_starts_the_unit_for_sticks_only():
    rules = [line for line in (DEPLOY / "85-prepaid-kiosk-stick.rules").read_text().splitlines() if line[:1] != "#"]
    (rule,) = rules
    given = dict(re.findall(r'(\w+(?:\{\w+\})?)[=+]+"([^"]*)"', rule))
    assert (given["ACTION"], given["SUBSYSTEM"], given["ENV{ID_BUS}"]) == ("add", "block", "usb")
    assert given["ENV{ID_FS_TYPE}"] == "vfat|exfat"
    assert (DEPLOY / given["ENV{SYSTEMD_WANTS}"].replace("%k", "")).is_file()


def test_the_unit_is_bound_to_the_stick_and_names_the_script():
    unit = (DEPLOY / "prepaid-kiosk-stick@.service").read_text()
    assert "BindsTo=dev-%i.device" in unit
    named = re.search(r"ExecStart=/opt/prepaid-kiosk/(\S+) %I", unit)
    assert named and os.access(DEPLOY.parent / named[1], os.X_OK)
