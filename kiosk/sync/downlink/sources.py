"""Where a repository is read from: over HTTP, or out of a folder (a stick). Nothing that comes from here is believed.

Both are python-tuf fetchers, which bounds what is read by the length that verified metadata say. Here the time is
bounded too: a server that sends a byte a minute for ever keeps nobody waiting for ever.
"""

from __future__ import annotations

import os
import socket
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote

import httpx
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from kiosk.model.clock import SystemClock
from kiosk.sync.door import TIMEOUT, trusted
from kiosk.sync.line import Pacing

CHUNK_BYTES = 16_384
FILE_TIME_MAX_S = 1_800.0  # for one file, or one more piece of it: 2 MB at 9.6 kbit/s
AHEAD_S, AHEAD_BYTES_MIN, AHEAD_BYTES_MAX = 2, 8_192, 262_144  # more than a slow line has under way
FROM_STICK = "stick:"


class Source(FetcherInterface):
    """A repository's files by their addresses: ``base`` + ``/metadata/…`` and ``/targets/…``."""

    base: str

    @abstractmethod
    def opened(self, url: str, start: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Where the bytes really begin (``start``, or 0 where it cannot be gone on with), and the bytes.

        Raises DownloadError.
        """

    def close(self) -> None:
        """Lets go of what is held."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self.opened(url, 0) as (_, chunks):
            yield from chunks

    def bring(self, url: str, part: Path, length: int) -> None:
        """Brings a file of ``length`` bytes to ``part``, going on where an earlier try broke off.

        Raises DownloadError; what is there by then stays for the next try, unless there is more than there can be.
        """
        have = part.stat().st_size if part.exists() else 0
        if have > length:
            part.unlink()
            have = 0
        if have == length and part.exists():
            return
        with self.opened(url, have) as (start, chunks), part.open("r+b" if part.exists() else "wb") as file:
            file.seek(start)
            file.truncate()
            for chunk in chunks:
                if file.tell() + len(chunk) > length:
                    file.truncate(0)
                    raise DownloadLengthMismatchError(f"{url} is longer than the {length} bytes it is said to have")
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


class HttpSource(Source):
    """Head office's server."""

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        pacing: Pacing | None = None,
    ) -> None:
        """``url``: what stands before ``/v1``; ``transport`` replaces the network in tests. ``pacing``: what comes down
        is read no faster, and TCP holds back whoever sends it.
        """
        self.base = f"{url.rstrip('/')}/v1/tuf"
        self._now_s = monotonic_s
        self._pacing = pacing or Pacing(SystemClock())
        self._client = httpx.Client(
            transport=transport or _network(self._pacing.bytes_s),
            timeout=TIMEOUT,
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    @contextmanager
    def opened(self, url: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """As Source; goes on at ``start`` where the server can (RFC 9110 §14)."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code not in (200, 206):
                    raise DownloadHTTPError(f"{url}: status {response.status_code}", response.status_code)
                goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
                if response.status_code == 206 and not (start and goes_on):
                    raise DownloadError(f"{url}: another piece than the one that was asked for")
                yield start if response.status_code == 206 else 0, self._in_time(url, response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DownloadError(f"{url}: {type(error).__name__}: {error}") from error

    def _in_time(self, url: str, response: httpx.Response) -> Iterator[bytes]:
        begun = self._now_s()
        for chunk in response.iter_raw():  # as it comes: what is here need not be sent again
            if self._now_s() - begun > FILE_TIME_MAX_S:
                raise SlowRetrievalError(f"{url}: not whole after {FILE_TIME_MAX_S:.0f} s")
            self._pacing.took(len(chunk))
            yield chunk
            self._pacing.wait()


def _network(limit_bytes_s: int) -> httpx.HTTPTransport:
    """With a limit the kernel takes in little ahead of what is read, or the line would be full all the same."""
    ahead = min(max(AHEAD_S * limit_bytes_s, AHEAD_BYTES_MIN), AHEAD_BYTES_MAX)
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, ahead)] if limit_bytes_s else None
    return httpx.HTTPTransport(verify=trusted(), trust_env=False, socket_options=options)


class FolderSource(Source):
    """A stick: ``prepaid-kiosk/v1/tuf`` on it, or any folder with ``metadata/`` and ``targets/``."""

    def __init__(self, folder: Path) -> None:
        self.base = f"{FROM_STICK}/"
        self._folder = folder

    @contextmanager
    def opened(self, url: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """As Source. A link that leads off the stick, or to a device, is as good as no file."""
        path = self._folder.joinpath(*(unquote(part) for part in url.removeprefix(self.base).split("/") if part))
        with _medium(path):
            if not path.resolve().is_relative_to(self._folder.resolve()) or (path.exists() and not path.is_file()):
                raise DownloadHTTPError(f"{path} is no file of the stick", 404)
            file = path.open("rb")
        with file:
            with _medium(path):
                file.seek(start)
            yield start, self._chunks(path, file)

    def _chunks(self, path: Path, file: IO[bytes]) -> Iterator[bytes]:
        while True:
            with _medium(path):
                chunk = file.read(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk


@contextmanager
def _medium(path: Path) -> Iterator[None]:
    """What the stick says; what the disk says on which its file is laid is another matter."""
    try:
        yield
    except FileNotFoundError as error:
        raise DownloadHTTPError(f"{path} is not there", 404) from error
    except (OSError, ValueError) as error:
        raise DownloadError(f"{path} cannot be read: {error}") from error
