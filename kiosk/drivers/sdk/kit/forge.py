"""Changing a CPU card's files behind the driver's back, so that damaged cards can be shown to it.

Three ways, since contract 1 gives none into conformance/card.py's Card:

1. The path, the secrets the card was seen to take on that path, then the UPDATE. Fails where a secret is a
   cryptogram over a random number.
2. A copy of the card taken in the middle of a call, while the driver or the meter was allowed to write. There the path
   is not walked again where it need not be: selecting an application ends what was allowed in it (ISO 7816-4).
3. Where every UPDATE wants a MAC, the card stays as it is and only READs as changed (``kit.shown``).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from kiosk.drivers.sdk.kit.files import OK, Chunk, Content, Keys, read_files
from kiosk.drivers.sdk.kit.shown import Shown
from kiosk.model.cardport import CardPortError, VirtualCard


def forged(
    card: VirtualCard, changes: Content, chunks: dict[Chunk, int], keys: Keys, sessions: list[VirtualCard]
) -> VirtualCard | None:
    """A copy of ``card`` with those places changed, or as many of them as can be; None: no way in was found.

    Without ``keys`` and ``sessions`` the UPDATEs seen had MACs: then the copy only shows the changes.
    """
    replayed = _replayed(card, changes, keys)
    if replayed is not None:
        return replayed
    wanted = {**dict(read_files(card, chunks)), **dict(changes)}
    for session in reversed(sessions):
        trial = _in_session(session, wanted, chunks)
        if trial is not None:
            sessions.remove(session)
            sessions.append(session)  # tried first the next time
            return trial
    return None if keys or sessions else Shown(card, changes)


def _replayed(card: VirtualCard, changes: Content, keys: Keys) -> VirtualCard | None:
    trial, taken = copy.deepcopy(card), 0
    trial.tear_after = None
    for chunk, data in changes:
        trial.reset()
        selects = list(chunk.path)
        taken += _send(trial, [*selects, *keys_on(chunk.path, keys), chunk.update(data[:255])])
    trial.reset()
    return trial if taken else None


def keys_on(path: tuple[bytes, ...], keys: Keys) -> list[bytes]:
    """The secrets that were taken somewhere on the way along ``path``."""
    return [key for where, key in keys if where == path[: len(where)]]


def _in_session(session: VirtualCard, wanted: dict[Chunk, bytes], chunks: dict[Chunk, int]) -> VirtualCard | None:
    trial = copy.deepcopy(session)
    trial.tear_after = None
    now = dict(read_files(trial, chunks))
    for chunk, data in sorted(wanted.items()):
        if now.get(chunk) == data:
            continue
        for selects in _ways(chunk):
            attempt = copy.deepcopy(trial)
            if _send(attempt, [*selects, chunk.update(data[:255])]) and _holds(attempt, chunk, data[:255]):
                trial = attempt
                break
        else:
            return None
        now = dict(read_files(trial, chunks))
    trial.reset()
    return trial


def _ways(chunk: Chunk) -> Iterator[tuple[bytes, ...]]:
    if chunk.names_its_file:
        yield ()
    yield chunk.path[-1:]
    yield chunk.path


def _holds(card: VirtualCard, chunk: Chunk, data: bytes) -> bool:
    return dict(read_files(card, {chunk: len(data)})).get(chunk) == data


def _send(card: VirtualCard, apdus: list[bytes]) -> bool:
    """Whether the last of them was taken."""
    answer = b""
    for apdu in apdus:
        try:
            answer = card.transmit(apdu)
        except CardPortError:
            return False
    return answer[-2:] == OK
