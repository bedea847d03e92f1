"""The Merkle tree of RFC 6962 §2.1 over leaf hashes.

``Frontier`` is what a growing log remembers: the roots of its perfect subtrees, largest first; one hash for each 1 in
the binary form of its size. Proofs are made from the leaf hashes, or from what is known of subtrees, and are checked
without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf: SHA-256(00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: appends a leaf hash in O(log n), gives the root."""

    __slots__ = ("_peaks", "_size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._size = 0
        self._peaks: list[bytes] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, node: bytes, height: int = 0) -> None:
        """Adds one leaf hash; or 2^height leaves at once by their root, where such a subtree begins."""
        size, rest = self._size >> height, self._size & ((1 << height) - 1)
        if rest:
            raise ValueError(f"no subtree of 2^{height} leaves begins at {self._size}")
        while size & 1:  # each trailing 1 is a subtree as large as the node: they merge
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self._size += 1 << height

    def copy(self) -> Frontier:
        """A second frontier that grows by itself."""
        twin = Frontier()
        twin._size, twin._peaks = self._size, self._peaks.copy()
        return twin

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees, largest first. Reversed: the inclusion proof of the next leaf."""
        return tuple(self._peaks)

    def root(self) -> bytes:
        """Root hash, 32 bytes."""
        return under(self._peaks[:-1], self._peaks[-1]) if self._peaks else EMPTY_ROOT


def under(peaks: Sequence[bytes], node: bytes) -> bytes:
    """The root of the tree whose right edge is these peaks, largest first, and then a smaller subtree's root."""
    for peak in reversed(peaks):
        node = node_hash(peak, node)
    return node


def perfect_root(hashes: bytes) -> bytes:
    """Root over 2^n hashes of 32 bytes, one after the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
    return hashes


def root_hash(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf hashes (MTH)."""
    return Frontier(leaves).root()


Span = tuple[int, int]
"""Leaves ``first`` … ``end − 1``, as a subtree."""


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose roots are the proof that leaf ``index`` is in a tree of ``size``, its sibling first."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    spans, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low = middle
    return spans[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """The subtrees whose roots are the proof that the tree of ``second`` leaves begins with that of ``first``."""
    if not 0 < first <= second:
        raise ValueError(f"no tree of {first} in a tree of {second}")
    spans, low, high, whole = [], 0, second, True
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low, whole = middle, False
    if not whole:  # the first tree is not one node of the second: its last part opens the proof
        spans.append((low, high))
    return spans[::-1]


def perfect_spans(first: int, end: int) -> list[Span]:
    """A subtree of a tree as the perfect ones that it consists of, largest first."""
    spans = []
    while first < end:
        width = 1 << (end - first).bit_length() - 1
        if first % width:
            raise ValueError(f"no subtree of leaves {first} to {end}")
        spans.append((first, first + width))
        first += width
    return spans


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> tuple[bytes, ...]:
    """Proof that leaf ``index`` is in the tree of the first ``size`` leaves, its sibling first (PATH, §2.1.1)."""
    if size > len(leaves):
        raise ValueError(f"no tree of {size} over {len(leaves)} leaves")
    return tuple(root_hash(leaves[first:end]) for first, end in inclusion_spans(index, size))


def consistency_proof(leaves: Sequence[bytes], first: int, second: int) -> tuple[bytes, ...]:
    """Proof that the tree of ``second`` leaves begins with that of ``first`` (PROOF, §2.1.2)."""
    if second > len(leaves):
        raise ValueError(f"no tree of {second} over {len(leaves)} leaves")
    return tuple(root_hash(leaves[begin:end]) for begin, end in consistency_spans(first, second))


def inclusion_length(index: int, size: int) -> int:
    """Number of hashes in the inclusion proof of a leaf (contract 2 §4)."""
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def inclusion_root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that a proof leads to (RFC 9162 §2.1.3.2). Raises ValueError for a proof of the wrong length."""
    if not 0 <= index < size or len(proof) != inclusion_length(index, size):
        raise ValueError(f"a proof of {len(proof)} hashes for leaf {index} of {size}")
    if any(len(each) != HASH_BYTES for each in (leaf, *proof)):
        raise ValueError("a hash is not 32 bytes")
    inner = (index ^ (size - 1)).bit_length()
    node = leaf
    for level, sibling in enumerate(proof):
        right_of = level >= inner or index >> level & 1
        node = node_hash(sibling, node) if right_of else node_hash(node, sibling)
    return node


def included(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows leaf hash ``leaf`` at ``index`` in the tree of that size and root."""
    try:
        return inclusion_root(index, size, leaf, proof) == root
    except ValueError:
        return False


def consistent(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows the second tree to begin with the first (RFC 9162 §2.1.4.2)."""
    if not 0 < first <= second:  # from the empty tree there is nothing to prove, and no proof of it
        return False
    if first == second:
        return not proof and first_root == second_root
    hashes = list(proof)
    if first & (first - 1) == 0:  # a perfect tree is itself the node that opens the proof
        hashes.insert(0, first_root)
    index, last = first - 1, second - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    if not hashes:
        return False
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while index & 1 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below ``size``, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1
