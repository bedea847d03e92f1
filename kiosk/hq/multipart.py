"""The file in a browser's form (multipart/form-data, RFC 7578), taken as it streams in, with flat memory.

Just what our own page sends: the first part must be the file, and what follows it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kiosk.model.errors import BatchRefused

HEAD_BYTES_MAX = 8_192
_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))', re.IGNORECASE)
_FILE = re.compile(rb'content-disposition:\s*form-data\s*;[^\r\n]*\bname="([^"]*)"[^\r\n]*\bfilename=', re.IGNORECASE)


class FormRefused(BatchRefused):
    """Not our page's form, or torn; ``said`` is the key of its sentence."""

    def __init__(self, said: str) -> None:
        super().__init__("S-615", f"the upload: {said}")
        self.said = said


class FilePart:
    """Cuts the file out of the body. ``feed`` what comes, then ``finish``."""

    def __init__(self, content_type: str, field: str, sink: Callable[[bytes], object], limit: int) -> None:
        """Raises FormRefused for another content type."""
        found = _BOUNDARY.match(content_type)
        if found is None:
            raise FormRefused("no-form")
        self._delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
        self._field = field.encode()
        self._sink = sink
        self._left = limit
        self._held = b"\r\n"  # the first boundary stands at the very beginning
        self._state = "preamble"

    def feed(self, part: bytes) -> None:
        """Takes the next bytes. Raises FormRefused."""
        if self._state == "done":
            return
        self._held += part
        if self._state == "preamble":
            self._preamble()
        if self._state == "head":
            self._head()
        if self._state == "body":
            self._body()

    def finish(self) -> None:
        """The body is over. Raises FormRefused where it broke off."""
        if self._state != "done":
            raise FormRefused("torn")

    def _preamble(self) -> None:
        at = self._held.find(self._delimiter)
        if at >= 0:
            self._held, self._state = self._held[at + len(self._delimiter) :], "head"
        elif len(self._held) > HEAD_BYTES_MAX:
            raise FormRefused("no-form")

    def _head(self) -> None:
        end = self._held.find(b"\r\n\r\n")
        if end < 0 or end > HEAD_BYTES_MAX:
            if len(self._held) > HEAD_BYTES_MAX:
                raise FormRefused("no-form")
            return
        found = _FILE.search(self._held[:end])
        if found is None or found[1] != self._field:
            raise FormRefused("no-form")
        self._held, self._state = self._held[end + 4 :], "body"

    def _body(self) -> None:
        at = self._held.find(self._delimiter)
        keep = len(self._held) - at if at >= 0 else min(len(self._held), len(self._delimiter) - 1)
        out, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        self._left -= len(out)
        if self._left < 0:
            raise FormRefused("too-large")
        if out:
            self._sink(out)
        if at >= 0:
            self._held, self._state = b"", "done"
