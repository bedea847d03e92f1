"""A tree of this project as one file to be sent to the terminals: what runs there, and not its tests."""

from __future__ import annotations

import io
import re
import tarfile
from hashlib import sha256
from pathlib import Path

from kiosk.billing.program import CODE, MANIFEST, TREE, Release, release_in
from kiosk.hq.publish.repository import Repository
from kiosk.model import targets
from kiosk.model.errors import ConfigFault

PARTS = ("kiosk", "assets", "deploy", "scripts", "pyproject.toml", "requirements.lock", "debian-packages.txt")
_VERSION = re.compile(r'^VERSION = "([^"]+)"$', re.M)
_FORMAT = re.compile(r"^FORMAT = ([1-9][0-9]*)$", re.M)


def program_tar(here: Repository, tree: Path, version: int) -> bytes:
    """A tree as a release, always the same bytes for the same tree. It is read, and nothing of it is run.

    Raises ConfigFault F-719: it is no such tree, is too large, or its version is not above the published one's.
    """
    try:
        own = (tree / "kiosk" / "model" / "version.py").read_text(encoding="utf-8")
        lock = (tree / "requirements.lock").read_bytes()
        name, format_ = _VERSION.search(own), _FORMAT.search(own)
        if name is None or format_ is None or not (tree / "kiosk" / "__main__.py").is_file():
            raise ConfigFault(CODE, f"{tree} is no tree of this program: kiosk/model/version.py must say which")
        release = Release(version, name[1], int(format_[1]), sha256(lock).hexdigest())
        content = _packed(tree, release)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFault(CODE, f"{tree}: {error}") from error
    if release_in(content) != release or len(content) > targets.LIST_BYTES_MAX:
        raise ConfigFault(CODE, f"{tree}: version, VERSION or FORMAT cannot be written, or the tree is too large")
    before = here.content(targets.PROGRAM)
    if before not in (None, content) and version <= release_in(before or b"").version:
        told = f"published is version {release_in(before or b'').version}"
        raise ConfigFault(CODE, f"version {version} of {tree}: {told}; give it a higher one, terminals take no other")
    return content


def _packed(tree: Path, release: Release) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, MANIFEST, release.text().encode("ascii"))
        for part in PARTS:
            files = [tree / part] if (tree / part).is_file() else sorted((tree / part).rglob("*"))
            for file in files:
                inside = file.relative_to(tree)
                if not _is_left_out(inside) and file.is_file():
                    _add(tar, inside.as_posix(), file.read_bytes())
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(f"{TREE}/{name}")
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def _is_left_out(inside: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) or part.endswith((".pyc", ".egg-info")) for part in inside.parts)
