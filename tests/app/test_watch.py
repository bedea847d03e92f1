"""What the terminal makes of what its uplink found out: whether it sells, what it signs, what it forgets."""

import hashlib
import os
import sys
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.app.watch import Watch
from kiosk.config import load_config
from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import KeySigner
from kiosk.sale.events import CardInserted, ClockStepped, DeviceDown, DeviceUp, Stamp
from kiosk.sale.machine import step
from kiosk.sale.state import Idle, Rules, State
from kiosk.sale.view import Screen, view
from kiosk.sync.state import SyncStateFile

ORIGIN = "power.example/kiosk/420100/0007/{}"
SETTINGS = """
[terminal]
domain = "power.example"
region = "420100"
id = "0007"
operator_zh = "示范电力"
operator_en = "Example Power"
place_zh = "一号楼"
place_en = "Building 1"
phone = "95598"
folder = "."
[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "secrets.toml"
[acceptor]
path = "/dev/null"
[printer]
path = "/dev/null"
[prices]
file = "prices.note"
vkey_file = "prices.vkey"
[vendors]
folders = ["rdk"]
[head_office]
"""


LAST_MS = 1_795_491_600_000


class Clock:
    now_ms = LAST_MS

    def utc_ms(self):
        return self.now_ms

    def monotonic_ms(self):
        return 1_000


class Kiosk:
    """A ledger of nine entries, a watch over it, and what the watch said."""

    def __init__(self, folder, settings="", epoch=1):
        (folder / "kiosk.toml").write_text(SETTINGS + settings, encoding="utf-8")
        self.config = load_config(folder / "kiosk.toml")
        self.origin = ORIGIN.format(epoch)
        self.path = folder / f"ledger{epoch}.db"
        key = KeySigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"NEVER USE").digest()), self.origin)
        self.journal = Journal.create(self.path, key, self.origin, "", "first", Clock())
        for _ in range(2):
            self.journal.append([Draft("note.repeated", None, (), {"fen": n}) for n in range(4)])
        self.heard = []
        self.clock = Clock()
        self.warmth = folder / "thermal"
        self.watch = Watch(self.config, self.journal, self.clock, self.heard.append, LAST_MS, self.warmth)

    def said(self, **values):
        """The uplink writes."""
        state = SyncStateFile(self.config.sync_state, self.origin)
        state.change(**values)
        state.close()

    def look(self):
        """What is told about head office at a look."""
        self.heard.clear()
        self.watch._look_once()
        return [event for event in self.heard if getattr(event, "device", "") == "head-office"]

    def kept(self):
        """Sizes of the checkpoints."""
        with JournalReader(self.path) as reader:
            return [int(note.split("\n")[1]) for note in reader.checkpoints()]


DOWN = {code: [DeviceDown("head-office", code)] for code in ("L-503", "L-504")}
UP = [DeviceUp("head-office")]


@pytest.fixture
def kiosk(tmp_path):
    kiosk = Kiosk(tmp_path)
    yield kiosk
    kiosk.journal.close()


def test_without_contact_it_sells(kiosk):
    assert kiosk.look() == UP
    kiosk.said(problem_code="S-601")
    assert kiosk.look() == UP


def test_what_stopped_the_selling_is_told_before_the_first_sale_whatever_the_settings_say(tmp_path):
    first = Kiosk(tmp_path, "sell_in_quarantine = true\n")
    first.said(stop_selling=True, problem_code="S-601", evidence="a note")
    first.watch.start()
    first.watch.stop()
    first.journal.close()
    assert DOWN["L-503"][0] in first.heard
    assert UP[0] not in first.heard


@pytest.mark.parametrize(("setting", "told"), [("", DOWN["L-504"]), ("false", DOWN["L-504"]), ("true", UP)])
def test_in_quarantine_it_sells_only_if_its_settings_say_so(tmp_path, setting, told):
    kiosk = Kiosk(tmp_path, f"sell_in_quarantine = {setting}\n" if setting else "")
    kiosk.said(quarantined=True, problem_code="L-504")
    assert kiosk.look() == told
    kiosk.said(quarantined=False, problem_code="")
    assert kiosk.look() == UP
    kiosk.journal.close()


@pytest.mark.parametrize("code", ["L-503", "L-504"])
def test_a_kiosk_that_may_not_sell_reads_no_card_and_shows_the_code(code):
    stamp = Stamp(bytes(16), "20261124114000")
    state, effects = step(State(Rules(), {}, Idle()), DeviceDown("head-office", code), stamp)
    assert [draft.data for effect in effects for draft in effect.drafts] == [{"device": "head-office", "code": code}]
    assert (view(state).screen, view(state).code) == (Screen.OUT_OF_SERVICE, code)
    state, effects = step(state, CardInserted(1), stamp)
    assert effects == () and isinstance(state.phase, Idle)
    state, _ = step(state, DeviceUp("head-office"), stamp)
    assert view(state).screen is not Screen.OUT_OF_SERVICE


def test_a_new_epoch_sells_and_the_old_ones_answer_stays(tmp_path):
    old = Kiosk(tmp_path)
    old.said(stop_selling=True, problem_code="L-503", evidence="a note")
    assert old.look() == DOWN["L-503"]
    new = Kiosk(tmp_path, epoch=2)
    assert new.look() == UP
    new.said(cosigned_size=1, cosigned_note="…")
    assert old.look() == DOWN["L-503"]
    old.journal.close()
    new.journal.close()


def test_it_signs_the_size_that_the_uplink_wants_once(kiosk, monkeypatch):
    assert kiosk.kept() == [1, 5, 9]
    signed = []
    sign = kiosk.journal.sign
    monkeypatch.setattr(kiosk.journal, "sign", lambda size: (signed.append(size), sign(size)))
    kiosk.said(wanted_size=3)
    kiosk.look(), kiosk.look()
    kiosk.said(wanted_size=0)
    kiosk.look()
    kiosk.said(wanted_size=3)
    kiosk.look()
    kiosk.said(wanted_size=10)  # more than there is
    kiosk.look()
    assert (signed, kiosk.kept()) == ([3, 3], [1, 3, 5, 9])


def test_what_it_signs_is_the_root_of_that_size(kiosk):
    from kiosk.ledger.note import open_checkpoint
    from kiosk.ledger.tree import root_hash

    with JournalReader(kiosk.path) as reader:
        for size in range(1, 10):
            kiosk.journal.sign(size)
            checkpoint = open_checkpoint(reader.at_most(size), reader.vkey)
            assert (checkpoint.size, checkpoint.root) == (size, root_hash(reader.leaf_hashes(0, size)))


def test_it_forgets_what_is_cosigned_but_not_what_the_uplink_wants(kiosk):
    kiosk.said(cosigned_size=9, wanted_size=3)
    kiosk.look()
    assert kiosk.kept() == [3, 5, 9]
    kiosk.said(wanted_size=0)
    kiosk.look()
    assert kiosk.kept() == [9]


def test_after_a_month_it_forgets_little_by_little_so_that_no_sale_waits(kiosk, monkeypatch):
    monkeypatch.setattr("kiosk.app.watch.PRUNED_AT_ONCE", 3)
    kiosk.said(cosigned_size=9)
    kept = [kiosk.look() and kiosk.kept() for _ in range(3)]
    assert kept == [[5, 9], [9], [9]]


@pytest.mark.parametrize("disputed", [{"quarantined": True}, {"stop_selling": True}])
def test_what_is_disputed_is_kept(kiosk, disputed):
    kiosk.said(cosigned_size=9, **disputed)
    kiosk.look()
    assert kiosk.kept() == [1, 5, 9]


def test_a_state_that_cannot_be_read_does_not_stop_the_watch(kiosk):
    kiosk.config.sync_state.write_bytes(b"this is no database" * 100)
    assert kiosk.look() == []
    kiosk.config.sync_state.unlink()
    assert kiosk.look() == UP


def test_the_uplink_is_started_as_the_settings_say_and_ended_with_the_watch(tmp_path, monkeypatch):
    recorder = tmp_path / "recorder"
    recorder.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/words\necho >> {tmp_path}/starts\nexec sleep 60\n"
    )
    recorder.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(recorder))
    settings = (
        'url = "http://127.0.0.1:9/"\nvkey_file = "hq.vkey"\nretry_min_ms = 7\nretry_max_ms = 8\n'
        "heartbeat_ms = 9\nlimit_kbit_s = 96\n"
    )
    kiosk = Kiosk(tmp_path, settings)
    kiosk.watch.start()
    child = kiosk.watch._sync
    while not (tmp_path / "starts").exists() and child.poll() is None:
        threading.Event().wait(0.01)
    kiosk.look()
    assert kiosk.watch._sync is child
    kiosk.watch.stop()
    assert child.poll() is not None
    kiosk.journal.close()
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["-m", "kiosk", "sync"]
    assert dict(zip(words[3::2], words[4::2], strict=True)) == {
        "--journal": str(kiosk.config.journal),
        "--state": str(kiosk.config.sync_state),
        "--hq": "http://127.0.0.1:9/",
        "--hq-vkey": str(tmp_path / "hq.vkey"),
        "--retry-min-ms": "7",
        "--retry-max-ms": "8",
        "--heartbeat-ms": "9",
        "--limit-kbit-s": "96",
        "--parent": str(os.getpid()),
    }


def test_an_uplink_that_ends_by_itself_is_started_again_but_not_in_a_hurry(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/true")
    seconds = [100.0]
    monkeypatch.setattr("kiosk.app.watch.time.monotonic", lambda: seconds[0])
    kiosk = Kiosk(tmp_path, 'url = "http://127.0.0.1:9/"\nvkey_file = "hq.vkey"\n')
    started = []
    for later in (0, 1, 8, 2, 3):
        seconds[0] += later
        kiosk.look()
        kiosk.watch._sync.wait()
        started.append(kiosk.watch._sync.pid)
    kiosk.journal.close()
    assert [pid == started[0] for pid in started] == [True, True, True, False, False]


@pytest.mark.parametrize(("now_ms", "wrong"), [(0, True), (LAST_MS - 300_001, True), (LAST_MS - 300_000, False)])
def test_a_clock_far_behind_the_ledger_takes_no_cash_until_it_is_set(kiosk, now_ms, wrong):
    kiosk.clock.now_ms = now_ms
    kiosk.look()
    assert (DeviceDown("clock", "V-431") in kiosk.heard, DeviceUp("clock") in kiosk.heard) == (wrong, not wrong)
    kiosk.clock.now_ms = LAST_MS
    kiosk.look()
    assert DeviceUp("clock") in kiosk.heard


def test_a_hot_kiosk_takes_no_cash_until_it_has_cooled_down_well(kiosk):
    zones = [kiosk.warmth / f"thermal_zone{n}" / "temp" for n in range(2)]
    for zone in zones:
        zone.parent.mkdir(parents=True)
        zone.write_text("40000\n")
    for degrees, down in ((85_000, False), (85_001, True), (80_001, True), (80_000, False)):
        zones[1].write_text(f"{degrees}\n")
        kiosk.look()
        assert (DeviceDown("heat", "V-432") in kiosk.heard) == down, degrees


def test_a_clock_that_was_set_is_told_once(kiosk):
    kiosk.look()
    kiosk.clock.now_ms = LAST_MS + 60_000
    kiosk.look()
    assert ClockStepped(LAST_MS, LAST_MS + 60_000) in kiosk.heard
    kiosk.look()
    assert not any(isinstance(event, ClockStepped) for event in kiosk.heard)
    _, effects = step(State(Rules(), {}, Idle()), ClockStepped(1, 2), Stamp(bytes(16), "20261124114000"))
    assert [draft.data for effect in effects for draft in effect.drafts] == [{"old": 1, "new": 2}]


def test_a_mistake_in_one_look_leaves_the_others_their_turn(kiosk, caplog):
    """A watch that has died sees no full disk and starts no uplink; a thermometer that says nothing is no reason."""
    (kiosk.warmth / "thermal_zone0").mkdir(parents=True)
    (kiosk.warmth / "thermal_zone0" / "temp").write_text("")
    kiosk.said(stop_selling=True)
    assert kiosk.look() == [DeviceDown("head-office", "L-503")]
    assert "the watch made a mistake" in caplog.text
