"""Looks after what a sale never waits for: room on the disk, and the sync process with what it says of head office."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading

from kiosk.config import Config
from kiosk.ledger.journal import Journal
from kiosk.model.errors import KioskError
from kiosk.sale.events import DeviceDown, DeviceUp
from kiosk.sale.ports import Post
from kiosk.sync.state import SyncStateReader

log = logging.getLogger(__name__)
FREE_MIN_BYTES = 32 << 20  # below it no cash is taken: the ledger must have room to end every sale
LOOK_S = 2.0


class Watch:
    """A thread of its own; what it finds goes to the sale as events."""

    def __init__(self, config: Config, journal: Journal, post: Post) -> None:
        self._config, self._journal, self._post = config, journal, post
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._sync: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, and the sync process with it."""
        self._over.set()
        self._thread.join()
        if self._sync is not None:
            self._sync.terminate()
            self._sync.wait()

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except (KioskError, OSError) as error:
                log.warning("watch: %s", error)
            if self._over.wait(LOOK_S):
                return

    def _look(self) -> None:
        full = shutil.disk_usage(self._config.terminal.folder).free < FREE_MIN_BYTES
        self._post(DeviceDown("disk", "L-502") if full else DeviceUp("disk"))
        if not self._config.head_office.url:
            return
        self._keep_sync()
        with SyncStateReader(self._config.sync_state, self._journal.origin) as reader:
            state = reader.state()
        if state.stop_selling:
            self._post(DeviceDown("head-office", state.problem_code or "L-503"))
        else:
            self._post(DeviceUp("head-office"))
        if state.cosigned_size:
            self._journal.prune_checkpoints(state.cosigned_size)

    def _keep_sync(self) -> None:
        if self._sync is not None and self._sync.poll() is None:
            return
        office = self._config.head_office
        command = [sys.executable, "-m", "kiosk", "sync", "--journal", self._config.journal]
        command += ["--state", self._config.sync_state, "--hq", office.url, "--hq-vkey", office.vkey_file or ""]
        command += ["--retry-min-ms", office.retry_min_ms, "--retry-max-ms", office.retry_max_ms]
        command += ["--heartbeat-ms", office.heartbeat_ms]
        self._sync = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, close_fds=True)
