"""Knows an entry's form again, without decoding it: most entries of a log have the form of one that came before.

The first of a form is decoded (``entry.decode``) and remembered as a few large numbers: which bits of its bytes are the
same in all of its form (heads of items, keys, the kind, the top bits of ASCII texts), and where its whole numbers lie,
each of which must need all the bytes that it has. Bytes that fit are what ``decode`` takes, but for what is left to the
caller: which seq belongs there, and of postings the accounts' names and order and the sum.

Three operations on large numbers hold all whole numbers of an entry at once. Each byte that counts is added something
that sets its top bit if the number is long enough; of a number within its head, bit 5 if the head is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.ledger.entry import decode
from kiosk.ledger.kinds import CLOSED, PERIOD

FORMS_MAX, ALIKE_MAX = 4_096, 64  # remembered in all, then they are forgotten and come again; and of one length
WIDTHS = {0x18: 1, 0x19: 2, 0x1A: 4, 0x1B: 8}  # of a number, by the low bits of its head

Place = tuple[int, int]
"""Where something begins and ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What entries of one form have in common. Places of whole numbers begin with their heads."""

    kind: str
    plain: bool  # posts nothing and closes nothing
    front: tuple[Place, Place, Place]  # at, seq, boot
    widths: int  # of these three, a digit each: what they are like, in a word
    postings: tuple[tuple[Place, Place], ...]  # an account's name, and fen
    sale: bool  # its last 16 bytes
    energy: Place | None
    kept: Place | None
    odd_kept: bool  # it is there, and no number
    same: tuple[int, int]  # the bits that are alike, and what they are
    numbers: tuple[int, int, int, int]  # what is taken of the bytes, added, looked at, and found there


class Forms:
    """Forms that were met."""

    def __init__(self) -> None:
        self._by_length: dict[int, list[Form]] = {}
        self._count = 0

    def of(self, raw: bytes) -> Form:
        """The form of an entry's bytes. Raises LedgerFault L-501 if it breaks a rule of contract 2 §2."""
        number = int.from_bytes(raw)
        for form in self._by_length.get(len(raw), ()):
            alike, bits = form.same
            if number & alike == bits:
                taken, added, looked_at, found = form.numbers
                if ((number & taken) + added | number) & looked_at == found:
                    return form
        return self._learnt(raw)

    def _learnt(self, raw: bytes) -> Form:
        decode(raw)
        form, general = _Reader(raw).form()
        if self._count == FORMS_MAX:
            self._by_length, self._count = {}, 0
        known = self._by_length.setdefault(len(raw), [])
        if general and len(known) < ALIKE_MAX:
            known.append(form)
            self._count += 1
        return form


class _Reader:
    """Goes through the bytes of an entry that was decoded, once."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._next = raw, 0
        self._same = bytearray(b"\xff" * len(raw))  # nothing may differ, unless it is said below
        self._taken, self._added = bytearray(len(raw)), bytearray(len(raw))
        self._looked_at, self._found = bytearray(len(raw)), bytearray(len(raw))
        self._places: dict[str, Place] = {}
        self._postings: list[tuple[Place, Place]] = []
        self._kind = ""

    def form(self) -> tuple[Form, bool]:
        """The form, and whether others may have it too."""
        for _ in range(self._head() & 0x1F):
            key = self._key()
            if key == "kind":
                self._kind = self._key()
            elif key == "data":
                self._data()
            elif key == "post":
                self._post()
            else:
                begin = self._next
                self._value()
                self._places[key] = begin, self._next
        places, raw = self._places, self._raw
        front = places["at"], places["seq"], places["boot"]
        same, *numbers = (
            int.from_bytes(part) for part in (self._same, self._taken, self._added, self._looked_at, self._found)
        )
        form = Form(
            self._kind,
            not self._postings and self._kind not in (CLOSED, PERIOD),
            front,
            int("".join(str(end - begin) for begin, end in front)),
            tuple(self._postings),
            "sale" in places,
            self._number_at("energy"),
            self._number_at("kept"),
            "data kept" in places and self._number_at("kept") is None,
            (same, int.from_bytes(raw) & same),
            (numbers[0], numbers[1], numbers[2], numbers[3]),
        )
        at = places["at"][0]
        return form, raw[at : at + 3] == b"\x1b\x00\x00"  # then at stays below 2^53

    def _number_at(self, key: str) -> Place | None:
        place = self._places.get(f"data {key}")
        return place if place and self._raw[place[0]] < 0x40 else None

    def _data(self) -> None:
        for _ in range(self._length(self._head())):
            key, begin = self._key(), self._next
            self._value()
            self._places[f"data {key}"] = begin, self._next

    def _post(self) -> None:
        for _ in range(self._length(self._head())):
            self._head()
            begin = self._next
            self._value()
            name_at = begin + 1 + WIDTHS.get(self._raw[begin] & 0x1F, 0)
            middle = self._next
            self._value()
            self._postings.append(((name_at, middle), (middle, self._next)))

    def _value(self) -> None:
        """One item. What is in maps' keys stays as it is; of the rest, what is said here may differ."""
        begin, head = self._next, self._head()
        major = head >> 5
        if major in (0, 1):
            self._number(begin)
        elif major in (2, 3):
            length = self._length(head)
            text = self._next
            self._next += length
            if major == 2:
                self._free(text, self._next, 0)
            elif self._raw[text : self._next].isascii():
                self._free(text, self._next, 0x80)
        elif major == 4:
            for _ in range(self._length(head)):
                self._value()
        elif major == 5:
            for _ in range(self._length(head)):
                self._key()
                self._value()
        else:  # true and false are one bit apart
            self._free(begin, begin + 1, 0xFE)

    def _number(self, begin: int) -> None:
        """Any number of the same width may stand there; within its head if it is not negative."""
        width = WIDTHS.get(self._raw[begin] & 0x1F, 0)
        self._next = begin + 1 + width
        if width == 0:
            if self._raw[begin] < 0x20:
                self._free(begin, begin + 1, 0xE0)
                self._taken[begin], self._added[begin], self._looked_at[begin] = 0x18, 0x08, 0x20
            return
        needed = begin + 1  # the byte that shows that the number needs its width: zeros before it stay as they are
        while self._raw[needed] == 0:
            needed += 1
        self._free(needed, self._next, 0)
        self._taken[needed], self._added[needed] = 0x7F, 0x68 if width == 1 else 0x7F
        self._looked_at[needed] = self._found[needed] = 0x80

    def _free(self, begin: int, end: int, alike: int) -> None:
        self._same[begin:end] = bytes([alike]) * (end - begin)

    def _key(self) -> str:
        """A text of which no bit may differ."""
        length = self._length(self._head())
        self._next += length
        return self._raw[self._next - length : self._next].decode()

    def _head(self) -> int:
        """The first byte of an item; stands behind the whole head then, but for a number's."""
        head = self._raw[self._next]
        self._next += 1
        return head

    def _length(self, head: int) -> int:
        """The length that a head says, whose first byte has been read."""
        width = WIDTHS.get(head & 0x1F, 0)
        self._next += width
        return int.from_bytes(self._raw[self._next - width : self._next]) if width else head & 0x1F
