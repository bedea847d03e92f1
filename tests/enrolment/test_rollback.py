"""An old disk image is put back, or the disk is moved: the chip's counter tells. With a real TPM (swtpm)."""

import shutil

import pytest
from enrol_stage import Clock, Machine, Office, shown
from soft_token import COUNTER, SoftTpm

from kiosk.app import enrol_command
from kiosk.app.rollback import guard_of, seen_by
from kiosk.app.signing import opened_signer
from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal
from kiosk.model.errors import LedgerFault

pytestmark = pytest.mark.slow
HOUR = 3_600_000
NOTHING = Draft("terminal.stopped", None, (), {"why": "test"})


def chip_settings(tpm):
    return f'[chip]\ntcti = "{tpm.tcti}"\ncounter = "{COUNTER}"\n'


@pytest.fixture
def machine(tmp_path, tpm):
    made = Machine(tmp_path / "kiosk", more=chip_settings(tpm))
    assert made.run()[0] == 0
    return made


def start(machine, clock=None):
    """As the kiosk starts; the guard and the open ledger."""
    config, clock = machine.config, clock or Clock()
    guard = guard_of(config, clock)
    journal = Journal.open(config.journal, opened_signer(config), clock, seen_by(guard))
    try:
        guard.check(journal)
    except LedgerFault:
        journal.close()
        raise
    return guard, journal


def stopped(machine):
    with pytest.raises(LedgerFault) as fault:
        start(machine)
    assert fault.value.code == "L-503"
    return str(fault.value)


def image(machine, folder):
    shutil.copytree(machine.config.home, folder)


def put_back(machine, folder):
    shutil.rmtree(machine.config.home)
    shutil.copytree(folder, machine.config.home)


def test_start_after_start_nothing_is_wrong(machine):
    for _ in range(3):
        _, journal = start(machine)
        journal.append([NOTHING])
        journal.close()
    counts = [entry.data["counter"] for entry in machine.entries() if entry.kind == "counter.raised"]
    assert counts == list(range(counts[0], counts[0] + 4)), "one at the enrolment, one a start"


def test_an_image_that_is_put_back_stops_the_selling(machine, tmp_path):
    image(machine, tmp_path / "image")
    start(machine)[1].close()
    put_back(machine, tmp_path / "image")
    assert "older disk image" in stopped(machine)
    assert "older disk image" in stopped(machine), "and a second start does not forget it"


def test_so_does_one_from_the_middle_of_the_day(machine, tmp_path):
    clock = Clock()
    guard, journal = start(machine, clock)
    size = journal.size
    clock.ms += HOUR
    guard.keep_up(journal)
    assert journal.size == size, "not while nothing is new"
    journal.append([NOTHING])
    guard.keep_up(journal)
    journal.append([NOTHING])
    guard.keep_up(journal)
    assert [entry.kind for entry in journal.entries(size, journal.size)].count("counter.raised") == 1, "once an hour"
    image(machine, tmp_path / "image")
    clock.ms += HOUR
    guard.keep_up(journal)
    journal.close()
    put_back(machine, tmp_path / "image")
    stopped(machine)


def test_a_power_cut_between_the_entry_and_the_chip_is_no_alarm(machine, monkeypatch):
    from kiosk.ledger.hardware.chip import Chip

    class PowerCut(BaseException):
        pass

    def cut(*_):
        raise PowerCut

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(Chip, "raise_counter", cut)
            with pytest.raises(PowerCut):
                config = machine.config
                guard = guard_of(config, Clock())
                with Journal.open(config.journal, opened_signer(config), Clock(), seen_by(guard)) as journal:
                    patch.setattr(Chip, "raise_counter", cut)
                    guard.check(journal)
        start(machine)[1].close()


def test_a_disk_in_another_machine_is_noticed(machine, tmp_path):
    start(machine)[1].close()
    (tmp_path / "other").mkdir()
    other = SoftTpm(tmp_path / "other")
    try:
        machine.toml.write_text(machine.toml.read_text().replace(machine.config.chip.tcti, other.tcti))
        with pytest.raises(LedgerFault) as fault:
            start(machine)
        assert fault.value.code in ("L-503", "L-505")
    finally:
        other.stop()


def test_the_next_epoch_does_not_believe_a_ledger_that_the_chip_has_outrun(machine, tmp_path, monkeypatch):
    hq = Office(tmp_path / "hq")
    monkeypatch.setattr(enrol_command, "ask_office", hq.ask)
    image(machine, tmp_path / "image")
    start(machine)[1].close()
    put_back(machine, tmp_path / "image")
    code = hq.code()
    status, said, why = machine.run("--code", code, "--office", "x", typed="yes\n")
    assert status == 0 and "E-910" in why and "the chip counts" in why
    hq.confirm(code[:4], shown(said))
    start(machine)[1].close()
    assert machine.entries()[1].kind == "counter.raised"
    hq.close()


def test_a_key_file_that_the_chip_seals_opens_on_this_machine_only(tmp_path, tpm):
    machine = Machine(tmp_path / "kiosk", keys='kept = "chip"', more=chip_settings(tpm))
    assert machine.run()[0] == 0
    start(machine)[1].close()
    (tmp_path / "other").mkdir()
    other = SoftTpm(tmp_path / "other")
    try:
        machine.toml.write_text(machine.toml.read_text().replace(tpm.tcti, other.tcti))
        with pytest.raises(LedgerFault) as fault:
            opened_signer(machine.config)
        assert fault.value.code == "L-505"
    finally:
        other.stop()


def test_a_stolen_disk_with_its_passphrase_file_does_not_open_a_sealed_key(tmp_path, tpm):
    from kiosk.ledger.keys import load_key

    machine = Machine(tmp_path / "kiosk", keys='kept = "chip"', more=chip_settings(tpm))
    machine.run()
    config = machine.config
    with pytest.raises(LedgerFault):
        load_key(config.signing_key, config.keys.passphrase_file, config.origin(1))
