"""A head office that publishes, its web server in memory, and a terminal's downlink at the other end."""

import shutil
from pathlib import Path
from urllib.parse import unquote

import httpx

from kiosk.hq.publish import keyfiles
from kiosk.hq.publish.repository import ROLES, Repository
from kiosk.model.clock import SystemClock
from kiosk.sync.downlink.round import Place, take
from kiosk.sync.downlink.sources import HttpSource

DAY_MS = 86_400_000
WHO = "420100/0007"


class Calendar(SystemClock):
    """The machine's clock, and days before or after it."""

    def __init__(self, days=0):
        super().__init__()
        self.days = days

    def utc_ms(self):
        return super().utc_ms() + self.days * DAY_MS


class Publisher:
    """``root`` holds every root key that ever was, ``keys`` the ones of the other roles now."""

    def __init__(self, folder, count=3, threshold=2, days=0):
        self.folder, self.clock = folder, Calendar(days)
        self.repository = Repository(folder / "repository", self.clock)
        self.root = [keyfiles.make(folder / "root", f"root-{n}") for n in range(count)]
        self.keys = {role: keyfiles.make(folder / "keys", role) for role in ROLES}
        self.repository.begin(self.root, threshold, self.keys)
        self.files = self.repository.folder

    @property
    def first_root(self):
        return self.files / "metadata" / "1.root.json"

    def publish(self, **named):
        """``prices=b"…"`` and so on, by the first part of the name."""
        paths = {"prices": "prices/prices.txt", "owed": "owed/owed.txt", "blocked": "blocked/blocked.txt"}
        return self.repository.publish({paths[name]: content for name, content in named.items()}, self.keys)

    def copy(self, name):
        """As it is now, to be served again later."""
        kept = self.folder / name
        shutil.copytree(self.files, kept)
        return kept


class Web:
    """Serves a folder; knows what was asked; can be told to break off, to send without end, to be away."""

    def __init__(self, folder):
        self.folder, self.asked = Path(folder), []
        self.break_after = None  # bytes of a target, once
        self.endless, self.away, self.ranges = "", False, True

    def answer(self, request):
        path = unquote(request.url.path.removeprefix("/v1/tuf/"))
        self.asked.append((path, request.headers.get("Range", "")))
        if self.away:
            raise httpx.ConnectError("no route to host", request=request)
        if self.endless and self.endless in path:
            return httpx.Response(200, stream=_Endless())
        file = self.folder / path
        if not file.is_file():
            return httpx.Response(404)
        content, status, headers = file.read_bytes(), 200, {}
        wanted = request.headers.get("Range", "")
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            content, status = content[start:], 206
        if self.break_after is not None and path.startswith("targets/"):
            content, self.break_after = content[: self.break_after], None
            return httpx.Response(status, headers=headers, stream=_Broken(content))
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))

    def source(self, **more):
        return HttpSource("https://hq.power.example/", httpx.MockTransport(self.answer), **more)


class _Endless(httpx.SyncByteStream):
    def __iter__(self):
        while True:
            yield bytes(4_096)


class _Broken(httpx.SyncByteStream):
    def __init__(self, content):
        self._content = content

    def __iter__(self):
        yield self._content
        raise httpx.ReadError("connection reset")


class Downlink:
    """A terminal's: one ``folder``, and rounds on it."""

    def __init__(self, folder, root_file, web):
        self.place, self.web = Place(folder, root_file, WHO), web

    def take(self, **more):
        source = self.web.source(**more)
        try:
            return take(self.place, source, SystemClock())
        finally:
            source.close()
