"""Looks after what a sale never waits for: room on the disk, the clock, the warmth inside, and the sync process with
what it says of head office."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kiosk.config import Config
from kiosk.ledger.journal import Journal
from kiosk.model.clock import Clock
from kiosk.model.errors import KioskError
from kiosk.sale.events import ClockStepped, DeviceDown, DeviceUp
from kiosk.sale.ports import Post
from kiosk.sync.state import SyncState, SyncStateReader

log = logging.getLogger(__name__)
FREE_MIN_BYTES = 32 << 20  # below it no cash is taken: the ledger must have room to end every sale
LOOK_S = 2.0
CLOCK_MIN_MS = 1_767_225_600_000  # 2026-01-01: before this program was written
CLOCK_BACK_MAX_MS = 300_000  # the clock may be this far behind the ledger's last time before the start
WARMTH = Path("/sys/class/thermal")  # Linux: thermal_zone*/temp, in 0.001 °C
STEP_MS = 2_000  # a smaller change is the clock being kept right
COOL_AGAIN_C = 5  # below the limit, so that the kiosk does not come and go
AGAIN_S = 10.0  # before a sync process that ended by itself is started again
END_S = 5.0
PRUNED_AT_ONCE = 2_000  # sizes a look: after a month without head office a sale must not wait for 100,000 of them


class Watch:
    """A thread of its own; what it finds goes to the sale as events."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        clock: Clock,
        post: Post,
        last_ms: int = 0,
        warmth: Path = WARMTH,
        looks: Sequence[Callable[[], None]] = (),
    ) -> None:
        """``last_ms``: the ledger's last time before this start, UTC; 0 if there is none. ``looks``: at more things."""
        self._looks = looks
        self._config, self._journal, self._clock, self._post = config, journal, clock, post
        self._last_ms, self._warmth, self._hot = last_ms, warmth, False
        self._offset_ms = clock.utc_ms() - clock.monotonic_ms()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._sync: subprocess.Popen[bytes] | None = None
        self._keys = 0  # when the list of public keys was written that the sync process began with
        self._started_s = 0.0  # on the monotonic clock
        self._pruned = self._signed = 0  # sizes, so that nothing is done twice

    def start(self) -> None:
        """Begins. What stopped the selling before a restart is told before this returns."""
        self._look_once()
        self._thread.start()

    def stop(self) -> None:
        """Ends, and the sync process with it."""
        self._over.set()
        self._thread.join()
        if self._sync is not None:
            self._sync.terminate()
            try:
                self._sync.wait(END_S)
            except subprocess.TimeoutExpired:
                self._sync.kill()
                self._sync.wait()

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            self._look_once()

    def _look_once(self) -> None:
        ours = (self._look_at_disk, self._look_at_clock, self._feel, self._look_at_office, self._keep_sync)
        for look in (*ours, *self._looks):
            try:
                look()
            except (KioskError, OSError) as error:
                log.warning("watch: %s", error)
            except Exception:  # a mistake of ours in one look must not end the others
                log.critical("the watch made a mistake", exc_info=True)

    def _look_at_disk(self) -> None:
        full = shutil.disk_usage(self._config.terminal.folder).free < FREE_MIN_BYTES
        self._post(DeviceDown("disk", "L-502") if full else DeviceUp("disk"))

    def _look_at_clock(self) -> None:
        """The order of entries does not need it; tariffs, tokens and people do."""
        now_ms, offset_ms = self._clock.utc_ms(), self._clock.utc_ms() - self._clock.monotonic_ms()
        if abs(offset_ms - self._offset_ms) > STEP_MS:
            self._post(ClockStepped(max(0, now_ms - offset_ms + self._offset_ms), max(0, now_ms)))
        self._offset_ms = offset_ms
        wrong = now_ms < max(CLOCK_MIN_MS, self._last_ms - CLOCK_BACK_MAX_MS)
        self._post(DeviceDown("clock", "V-431") if wrong else DeviceUp("clock"))

    def _feel(self) -> None:
        """The hottest of the machine's own thermometers; without one nothing is known."""
        limit_c = self._config.terminal.heat_max_c - (COOL_AGAIN_C if self._hot else 0)
        self._hot = any(int(zone.read_text()) > limit_c * 1000 for zone in self._warmth.glob("thermal_zone*/temp"))
        self._post(DeviceDown("heat", "V-432") if self._hot else DeviceUp("heat"))

    def _look_at_office(self) -> None:
        """Without a URL, too: what stops the selling is not undone by a change of settings."""
        with SyncStateReader(self._config.sync_state, self._journal.origin) as reader:
            state = reader.state()
        code = self._no_selling(state)
        self._post(DeviceDown("head-office", code) if code else DeviceUp("head-office"))
        self._serve(state)

    def _no_selling(self, state: SyncState) -> str:
        """The code that keeps us from selling, by what head office said; "" if nothing does (contract 2 §6)."""
        if state.stop_selling:
            return "L-503"
        return "L-504" if state.quarantined and not self._config.head_office.sell_in_quarantine else ""

    def _serve(self, state: SyncState) -> None:
        """Signs what the uplink wants; forgets what head office has cosigned past, unless it is disputed."""
        wanted = state.wanted_size
        if wanted not in (0, self._signed) and wanted <= self._journal.size:
            self._journal.sign(wanted)
        self._signed = wanted
        needed = min(state.cosigned_size, wanted or state.cosigned_size)
        if needed > self._pruned and not (state.stop_selling or state.quarantined):
            self._pruned = min(needed, self._pruned + PRUNED_AT_ONCE)
            self._journal.prune_checkpoints(self._pruned)

    def _keep_sync(self) -> None:
        if not self._config.head_office.url or (self._sync is not None and self._sync.poll() is None):
            if self._sync is not None and self._keys != _when(self._config.vkeys):
                self._sync.terminate()  # head office has sent other keys: it begins anew with them
            return
        if self._started_s and time.monotonic() - self._started_s < AGAIN_S:
            return
        office = self._config.head_office
        self._keys = _when(self._config.vkeys)
        command = [sys.executable, "-m", "kiosk", "sync", "--journal", self._config.journal]
        command += ["--state", self._config.sync_state, "--hq", office.url]
        command += ["--hq-vkey", self._config.vkeys if self._keys else office.vkey_file or ""]
        command += ["--retry-min-ms", office.retry_min_ms, "--retry-max-ms", office.retry_max_ms]
        command += ["--heartbeat-ms", office.heartbeat_ms, "--limit-kbit-s", office.limit_kbit_s]
        command += ["--parent", os.getpid()]
        if self._config.tuf_root.exists():
            command += ["--downlink", self._config.downlink_folder, "--tuf-root", self._config.tuf_root]
            command += ["--downlink-poll-ms", self._config.downlink.poll_ms]
        self._started_s = time.monotonic()
        self._sync = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, close_fds=True)


def _when(path: Path) -> int:
    """When a file was last written, ns; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
