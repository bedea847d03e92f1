"""A zip that somebody's file manager made of a stick, read in its place: nothing is ever unpacked to a name it gives.

Only names we look for are known, wherever in the zip they lie, in any letters and with either slash; everything else in
it is not looked at. What a zip can promise and not hold, sizes above all, is met by limits.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import IO

from kiosk.model.errors import BatchRefused

UPLOAD_BYTES_MAX = 2 * 1024**3
LIST_BYTES_MAX = 16 * 1024**2  # the zip's own list of its files: a hundred thousand of ours
_END_BYTES_MAX = 22 + 65_535
_OURS = re.compile(
    r"(?:.*/)?(?:(?P<log>[0-9a-f]{64})/)?(?P<path>checkpoint(?:\.hq)?|pruned|tile/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}"
    r"(?:\.p/[0-9]{1,3})?)"
)
_ENCRYPTED = 0x1


class ZipRefused(BatchRefused):
    """Not a zip that can be read; ``said`` is the key of its sentence."""

    def __init__(self, said: str) -> None:
        super().__init__("S-615", f"the upload: {said}")
        self.said = said


class ZipFiles:
    """A zip as Files; below the root one folder a terminal. Only for reading."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises ZipRefused."""
        _check_list(file)
        try:
            self._zip = zipfile.ZipFile(file)
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
            raise ZipRefused("no-zip") from error
        self._files: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = info.filename.replace("\\", "/").lower()
            found = _OURS.fullmatch(name)
            if found is None:
                continue
            if info.flag_bits & _ENCRYPTED:
                raise ZipRefused("encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ZipRefused("packing")
            folder = found["log"] or f"zip {name[: len(name) - len(found['path'])]}".strip(" /").replace("/", " ")
            self._files.setdefault(f"{folder}/{found['path']}", info)
        if not self._files:
            raise ZipRefused("nothing")

    def folders(self) -> list[str]:
        """One a terminal: <H>, or a name that is none where the zip was made below it."""
        return sorted({path.partition("/")[0] for path in self._files})

    def names(self, path: str) -> list[str]:
        """See Files."""
        above = f"{path}/" if path else ""
        return sorted({each[len(above) :].partition("/")[0] for each in self._files if each.startswith(above)})

    def is_folder(self, path: str) -> bool:
        """See Files."""
        return not path or any(each.startswith(f"{path}/") for each in self._files)

    def read(self, path: str, limit: int) -> bytes | None:
        """See Files: None also where the zip is damaged there. Never unpacks more than ``limit`` + 1 bytes."""
        info = self._files.get(path)
        if info is None or info.file_size > limit:
            return None
        try:
            with self._zip.open(info) as file:
                content = file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
            return None
        return content if len(content) <= limit else None

    def write(self, path: str, content: bytes) -> None:
        """Not here."""
        raise io.UnsupportedOperation("write")

    def rename(self, old: str, new: str) -> None:
        """Not here."""
        raise io.UnsupportedOperation("rename")

    def remove(self, path: str) -> None:
        """Not here."""
        raise io.UnsupportedOperation("remove")

    def flush(self, path: str) -> None:
        """Nothing to do."""

    def free(self) -> int:
        """None."""
        return 0


def _check_list(file: IO[bytes]) -> None:
    """Raises ZipRefused where the list of files is larger than any stick's: it would be read into memory whole."""
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - _END_BYTES_MAX))
    tail = file.read(_END_BYTES_MAX)
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(tail):
        raise ZipRefused("no-zip")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    sizes = [0 if size == 0xFFFFFFFF else size]
    for wide in re.finditer(b"PK\6\6", tail[:at]):  # zip64 says it once more, in eight bytes
        sizes.append(int.from_bytes(tail[wide.start() + 40 : wide.start() + 48], "little"))
    size = max(sizes)
    if size > LIST_BYTES_MAX:
        raise ZipRefused("too-many")


def answers_zip(answers: dict[str, str]) -> bytes:
    """A zip to be unpacked onto the stick: ``prepaid-kiosk/v1/<H>/checkpoint.hq`` for each <H>."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for log_id, note in sorted(answers.items()):
            out.writestr(f"prepaid-kiosk/v1/{log_id}/checkpoint.hq", note)
    return packed.getvalue()
