"""A run of entries checked by itself, away from the rest of the log: what workers do side by side.

A ``Part`` is what a sound run adds to the whole. Whether it belongs where it stands is ``Audit.take_part``'s to say. A
run with anything wrong in it gives none, and is gone through again one by one, by the code that finds the words.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from kiosk.ledger.closing import EVER, Run, civil_day, moved, summed
from kiosk.ledger.entry import FEN_MAX, SALE_BYTES, Entry, decode, is_account
from kiosk.ledger.form import Form, Forms
from kiosk.ledger.kinds import CLOSED, OPENED, PERIOD
from kiosk.ledger.tree import perfect_root
from kiosk.model.errors import LedgerFault

TILE_HEIGHT = 8
TILE = 1 << TILE_HEIGHT  # leaves
ENERGY_MAX = 2**32 - 1  # 0.01 kWh in one entry; beyond, sums are left to those who clamp them

_FORMS = Forms()  # what entries look like is the same in every log
_NUMBERS = {1: "B", 2: "xB", 3: "xH", 5: "xI", 9: "xQ"}  # layout of a whole number, by how many bytes it has


@dataclass(frozen=True, slots=True)
class Part:
    """What ``count`` entries from ``first`` on come to."""

    first: int
    count: int
    boots: tuple[int, int]  # of the first and of the last
    kinds: Mapping[str, int]
    balances: Mapping[str, int]  # fen by account, those that changed
    owed: Mapping[bytes, int]  # fen by sale, likewise
    even: Sequence[bytes]  # sales that were closed and keep what the part had added by then
    closes: Sequence[tuple[bytes, int, int]]  # the others: sale, kept, and what the part had added by then
    runs: Sequence[Run | Entry]  # closings of periods, and what lies between them
    roots: Sequence[bytes]  # of its whole tiles
    rest: Sequence[bytes]  # leaf hashes behind them
    opened: bytes = b""  # entry 0, if it is one of them
    held: Sequence[tuple[int, bytes, bytes]] = ()  # signed checkpoints: size, root, and the part's own root up to there


def part_of(raws: Sequence[bytes], first: int) -> tuple[Part, list[bytes]] | None:
    """The part that these entries are, and their leaf hashes; None if any of them breaks a rule.

    ``first``: the seq that the first of them must have, a multiple of ``TILE``.
    """
    try:
        return _part_of(raws, first)
    except (LedgerFault, _Unsound):
        return None


class _Unsound(Exception):
    """Something is wrong with an entry; what it is, is said by ``Audit``."""


class _Accounts(dict[bytes, tuple[str, str]]):
    """Account, and its first part, by the bytes of its name."""

    def __missing__(self, raw: bytes) -> tuple[str, str]:
        name = raw.decode()
        if not is_account(name):
            raise _Unsound
        self[raw] = found = name, name.partition(":")[0]
        return found


class _Amounts(dict[bytes, int]):
    """Fen by its CBOR."""

    def __missing__(self, raw: bytes) -> int:
        fen = _number(raw)
        if not 0 < abs(fen) <= FEN_MAX:
            raise _Unsound
        self[raw] = fen
        return fen


class _Sums:
    """Adds up entries, and remembers how the closed sales stood."""

    def __init__(self) -> None:
        self.owed: defaultdict[bytes, int] = defaultdict(int)
        self.even: list[bytes] = []
        self.closes: list[tuple[bytes, int, int]] = []
        self.balances: defaultdict[str, int] = defaultdict(int)
        self._accounts, self._amounts = _Accounts(), _Amounts()
        self._begin()

    def add(self, forms: Sequence[Form], raws: Sequence[bytes], ats: Sequence[int]) -> None:
        """Entries with no closing of a period among them."""
        self._ats += (ats[0], min(ats), max(ats))
        accounts, amounts, owed, ever, run = self._accounts, self._amounts, self.owed, self._ever, self._run
        for form, raw in zip(forms, raws, strict=True):
            if form.plain:
                continue
            if len(form.postings) == 2:
                ((begin, end), (fen_at, fen_end)), ((other_at, other_end), (back_at, back_end)) = form.postings
                one, first = accounts[raw[begin:end]]
                other, second = accounts[raw[other_at:other_end]]
                fen, sale = amounts[raw[fen_at:fen_end]], raw[-SALE_BYTES:] if form.sale else None
                if fen + amounts[raw[back_at:back_end]] or one >= other:
                    raise _Unsound
                run[one] += fen
                run[other] -= fen
                if first == "cash" and second == "owed" and fen > 0 and sale:  # a note
                    owed[sale] -= fen
                    ever["cash_in"] += fen
                elif first == "owed" and second == "sold" and fen > 0 and sale:  # credit on a card
                    owed[sale] += fen
                    ever["sold"] += fen
                    ever["energy"] += _energy(form, raw)
                else:
                    self._move(sale, ((first, fen), (second, -fen)), _energy(form, raw))
            elif form.postings:
                self._add_any(form, raw)
            if form.kind == CLOSED:
                self._close(form, raw)

    def end(self) -> Iterator[Run]:
        """What was added since the last closing, if anything."""
        if not self._ats:
            return
        sums: dict[str, int] = {}
        for account, fen in self._run.items():
            self.balances[account] += fen
            if fen:
                name = summed(account)
                sums[name] = sums.get(name, 0) + fen
        days = civil_day(self._ats[0]), civil_day(min(self._ats)), civil_day(max(self._ats))
        yield Run(days, self._ever["sales"], sums, self._ever)
        self._begin()

    def _begin(self) -> None:
        self._run: defaultdict[str, int] = defaultdict(int)
        self._ever, self._ats = dict.fromkeys(EVER, 0), list[int]()

    def _move(self, sale: bytes | None, postings: Sequence[tuple[str, int]], kwh: int) -> None:
        """What postings, by their accounts' first parts, move: debt, cash, and credit sold with its 0.01 kWh."""
        cash = sold = owed = 0
        for first, fen in postings:
            if first == "owed":
                owed += fen
            elif first == "sold":
                sold -= fen
            elif first == "cash":
                cash += fen
        if sale is not None and owed:
            self.owed[sale] += owed
        for name, value in moved(cash, sold, kwh, False):
            self._ever[name] += value

    def _add_any(self, form: Form, raw: bytes) -> None:
        """However many postings."""
        moves, before, total = [], "", 0
        for (begin, end), (fen_at, fen_end) in form.postings:
            name, first = self._accounts[raw[begin:end]]
            fen = self._amounts[raw[fen_at:fen_end]]
            if name <= before:
                raise _Unsound
            self._run[name] += fen
            moves.append((first, fen))
            before, total = name, total + fen
        if total:
            raise _Unsound
        self._move(raw[-SALE_BYTES:] if form.sale else None, moves, _energy(form, raw))

    def _close(self, form: Form, raw: bytes) -> None:
        if not form.sale:
            raise _Unsound
        sale, kept = raw[-SALE_BYTES:], 0
        if form.kept:
            kept = _number(raw[form.kept[0] : form.kept[1]])
        elif form.odd_kept:
            raise _Unsound
        self._ever["sales"] += 1
        added = self.owed.get(sale, 0)
        if kept == added:
            self.even.append(sale)
        else:
            self.closes.append((sale, kept, added))


def _part_of(raws: Sequence[bytes], first: int) -> tuple[Part, list[bytes]]:
    sums, leaves, roots, runs = _Sums(), list[bytes](), list[bytes](), list[Run | Entry]()
    kinds, boots = Counter[str](), list[int]()
    for begin in range(0, len(raws), TILE):
        some = raws[begin : begin + TILE]
        forms = list(map(_FORMS.of, some))
        found = Counter([form.kind for form in forms])
        ats, seqs, some_boots = _places(forms, some)
        if seqs != tuple(range(first + begin, first + begin + len(some))):
            raise _Unsound
        if found[OPENED] != (first + begin == 0) or (first + begin == 0 and forms[0].kind != OPENED):
            raise _Unsound
        kinds.update(found)
        boots += some_boots if len(set(some_boots)) > 1 else some_boots[:1]
        runs += _runs(forms, some, ats, sums, found[PERIOD] > 0)
        hashes = [sha256(b"\x00" + raw).digest() for raw in some]
        leaves += hashes
        if len(hashes) == TILE:
            roots.append(perfect_root(b"".join(hashes)))
    runs += sums.end()
    if boots != sorted(boots):
        raise _Unsound
    part = Part(
        first,
        len(raws),
        (boots[0], boots[-1]),
        {kind: count for kind, count in kinds.items() if count},
        {account: fen for account, fen in sums.balances.items() if fen},
        {sale: fen for sale, fen in sums.owed.items() if fen},
        sums.even,
        sums.closes,
        runs,
        roots,
        leaves[len(roots) * TILE :],
        opened=raws[0] if first == 0 else b"",
    )
    return part, leaves


def _places(forms: Sequence[Form], raws: Sequence[bytes]) -> tuple[Sequence[int], tuple[int, ...], Sequence[int]]:
    """at, seq and boot of entries: in one go, where they are of the same widths."""
    if len({form.widths for form in forms}) == 1:
        (at, at_end), (seq, seq_end), (boot, end) = forms[0].front
        layout = _layout(len(raws), at_end - at, seq_end - seq, end - boot)
        values = layout.unpack(b"".join([raw[:end] for raw in raws]))
        return values[0::3], values[1::3], values[2::3]
    fronts = [[_number(raw[begin:end]) for begin, end in form.front] for form, raw in zip(forms, raws, strict=True)]
    ats, seqs, boots = zip(*fronts, strict=True)
    return ats, seqs, boots


@cache
def _layout(count: int, at: int, seq: int, boot: int) -> struct.Struct:
    """Of entries cut behind boot."""
    return struct.Struct(">" + f"4x{_NUMBERS[at]}4x{_NUMBERS[seq]}5x{_NUMBERS[boot]}" * count)


def _runs(
    forms: Sequence[Form], raws: Sequence[bytes], ats: Sequence[int], sums: _Sums, closings: bool
) -> Iterator[Run | Entry]:
    """Adds entries up; gives closings of periods, which stand for themselves, and what came before each."""
    begin = 0
    for end in [at for at, form in enumerate(forms) if form.kind == PERIOD] if closings else []:
        if end > begin:
            sums.add(forms[begin:end], raws[begin:end], ats[begin:end])
        yield from sums.end()
        entry = decode(raws[end])
        if entry.post:
            raise _Unsound
        yield entry
        begin = end + 1
    if begin < len(raws):
        sums.add(forms[begin:], raws[begin:], ats[begin:])


def _energy(form: Form, raw: bytes) -> int:
    """0.01 kWh that an entry names, 0 for less."""
    if form.energy is None or raw[form.energy[0]] >= 0x20:
        return 0
    kwh = _number(raw[form.energy[0] : form.energy[1]])
    if kwh > ENERGY_MAX:
        raise _Unsound
    return kwh


def _number(raw: bytes) -> int:
    """The whole number of its CBOR."""
    value = raw[0] & 0x1F if len(raw) == 1 else int.from_bytes(raw[1:])
    return ~value if raw[0] >= 0x20 else value
