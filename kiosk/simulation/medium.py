"""A stick in memory that can be pulled, full, locked, worn out, or know no capitals; and what is left of it then.

Written as media behave, not as our code does: a name is safe when its folder was flushed after it; of the names since,
any may be there or not after a pull, and the one being written may be torn.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from random import Random

FOLDER = None
Tree = dict[str, bytes | None]  # paths; a folder has no content
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
PLENTY = 10**12


class Pulled(OSError):
    """Every operation after the cut."""

    def __init__(self, code: int = errno.EIO) -> None:
        super().__init__(code, "the medium says no")


class Medium:
    """``kiosk.ledger.files.Files``. ``cut_at``: from that operation on it says ``code``."""

    def __init__(
        self,
        tree: Mapping[str, bytes | None] | None = None,
        *,
        cut_at: int | None = None,
        code: int = errno.EIO,
        capitals: bool = True,
    ) -> None:
        self.tree: Tree = dict(tree or {"": FOLDER})
        self.safe = dict(self.tree)
        self.since: list[tuple[str, bytes | None, bool]] = []  # path, content, there: since its folder was flushed
        self.torn: tuple[str, bytes] | None = None
        self.ops = 0
        self.writes = 0
        self.cut_at = cut_at
        self.code = code
        self.capitals = capitals
        self.bytes_free = PLENTY
        self.bad: Callable[[str, bytes], bytes] = lambda _, content: content

    # Files

    def names(self, path: str) -> list[str]:
        """See Files."""
        self._op()
        at = self._found(path)
        above = f"{at}/" if at else ""
        if at is None or self.tree[at] is not FOLDER:
            return []
        return sorted(
            each[len(above) :]
            for each in self.tree
            if each and each.startswith(above) and "/" not in each[len(above) :]
        )

    def is_folder(self, path: str) -> bool:
        """See Files."""
        self._op()
        at = self._found(path)
        return at is not None and self.tree[at] is FOLDER

    def read(self, path: str, limit: int) -> bytes | None:
        """See Files."""
        self._op()
        at = self._found(path)
        content = None if at is None else self.tree[at]
        return content if content is not None and len(content) <= limit else None

    def write(self, path: str, content: bytes) -> None:
        """See Files."""
        parts = path.split("/")
        for end in range(1, len(parts)):
            above = "/".join(parts[:end])
            if not self.is_folder(above):
                self.remove(above)
                self._change(above, FOLDER, there=True)
        self.remove(path)
        self.writes += 1
        self.torn = (path, content[: len(content) // 2])
        self._change(path, content, there=True)
        self.torn = None
        self.tree[self._found(path) or path] = self.bad(path, content)

    def rename(self, old: str, new: str) -> None:
        """See Files."""
        content = self.tree[self._found(old) or old]
        at = self._found(new)
        self._op(changes=True)
        self._set(at or new, content, there=True)
        self._set(self._found(old) or old, None, there=False)

    def remove(self, path: str) -> None:
        """See Files."""
        at = self._found(path)
        if at is None:
            return
        for below in sorted((each for each in self.tree if each == at or each.startswith(at + "/")), reverse=True):
            self._change(below, None, there=False)

    def flush(self, path: str) -> None:
        """See Files."""
        self._op(changes=self.code not in READ_ONLY)
        at = self._found(path)
        for each, content, there in [one for one in self.since if (one[0].rpartition("/")[0]) == at]:
            _apply(self.safe, each, content, there=there)
        self.since = [one for one in self.since if one[0].rpartition("/")[0] != at]

    def free(self) -> int:
        """See Files."""
        self._op()
        return self.bytes_free

    # what is left when it was pulled

    def left(self, seed: int) -> Medium:
        """0: only what was safe. 1: all of it, and the torn file. Else any of it."""
        chance = Random(seed)
        tree = dict(self.safe)
        odds = {0: 0.0, 1: 1.0}.get(seed, 0.5)

        def some() -> bool:
            return chance.random() < odds

        for path, content, there in self.since:
            if some():
                _apply(tree, path, content, there=there)
        if self.torn and some():
            _apply(tree, *self.torn, there=True)
        reachable = {
            path: content
            for path, content in tree.items()
            if all(tree.get(path[:at], b"") is FOLDER for at, letter in enumerate(path) if letter == "/")
        }
        return Medium(reachable, capitals=self.capitals)

    def _change(self, path: str, content: bytes | None, *, there: bool) -> None:
        self._op(changes=True)
        self._set(path, content, there=there)

    def _set(self, path: str, content: bytes | None, *, there: bool) -> None:
        _apply(self.tree, path, content, there=there)
        self.since.append((path, content, there))

    def _op(self, *, changes: bool = False) -> None:
        self.ops += 1
        if self.cut_at is None or self.ops <= self.cut_at:
            return
        if self.code in (errno.ENOSPC, *READ_ONLY) and not changes:
            return
        raise Pulled(self.code)

    def _found(self, path: str) -> str | None:
        if self.capitals:
            return path if path in self.tree else None
        return next((each for each in self.tree if each.lower() == path.lower()), None)


def _apply(tree: Tree, path: str, content: bytes | None, *, there: bool) -> None:
    if there:
        tree[path] = content
    else:
        tree.pop(path, None)
