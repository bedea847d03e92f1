"""From the bytes of a request to the body that was meant: contract 2 §6, step 1, as far as it is about coding.

Nothing is unpacked beyond limit + 1 bytes, so a small body cannot fill the memory. One gzip member or one zstd frame,
nothing behind it. ``zstandard`` does not say where a frame ends, so its blocks are walked here (RFC 8878 §3.1.1).
"""

from __future__ import annotations

import zlib

import zstandard

from kiosk.sync.batch import BatchMalformed, BatchTooLarge

WINDOW_BYTES_MAX = 8_388_608
CODINGS = ("", "gzip", "zstd")

_GZIP = 16 + zlib.MAX_WBITS
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_RLE_BLOCK, _RESERVED_BLOCK = 1, 3


def unpack(sent: bytes, coding: str, limit: int) -> bytes:
    """The unpacked body, at most ``limit`` bytes.

    ``coding`` is one of ``CODINGS``. Raises BatchTooLarge (413) or BatchMalformed (400), both S-604.
    """
    if len(sent) > limit:
        raise _too_large(limit)
    if coding == "gzip":
        return _gunzip(sent, limit)
    if coding == "zstd":
        return _unzstd(sent, limit)
    return sent


def _gunzip(sent: bytes, limit: int) -> bytes:
    member = zlib.decompressobj(_GZIP)
    try:
        body = member.decompress(sent, limit + 1)
    except zlib.error as error:
        raise BatchMalformed("S-604", f"gzip: {error}") from error
    if len(body) > limit:
        raise _too_large(limit)
    if not member.eof:
        raise BatchMalformed("S-604", "the gzip member ends too early")
    if member.unused_data:
        raise BatchMalformed("S-604", "bytes behind the gzip member")
    return body


def _unzstd(sent: bytes, limit: int) -> bytes:
    if sent[:4] != _ZSTD_MAGIC:
        raise BatchMalformed("S-604", "no zstd frame")
    try:
        frame = zstandard.get_frame_parameters(sent)
        # A frame that states its size is too large before it is too wide: 413 comes before 400.
        if frame.content_size not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
            _within(frame.content_size, limit)
        if frame.window_size > WINDOW_BYTES_MAX:
            raise BatchMalformed("S-604", f"a zstd window of {frame.window_size} bytes")
        body = _frame_content(sent, limit)
        _within(len(body), limit)
        if _frame_length(sent, zstandard.frame_header_size(sent), frame.has_checksum) != len(sent):
            raise BatchMalformed("S-604", "bytes behind the zstd frame, or too few")
    except zstandard.ZstdError as error:
        raise BatchMalformed("S-604", f"zstd: {error}") from error
    return body


def _frame_content(sent: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX).stream_reader(sent)
    parts = []
    left = limit + 1
    while left and (part := reader.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _frame_length(sent: bytes, header: int, has_checksum: bool) -> int:
    """Bytes of the frame at the front; more than there are when it is cut off."""
    at, last = header, False
    while not last:
        if at + 3 > len(sent):
            return len(sent) + 1
        block = int.from_bytes(sent[at : at + 3], "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == _RESERVED_BLOCK:
            raise BatchMalformed("S-604", "a reserved zstd block")
        at += 3 + (1 if kind == _RLE_BLOCK else size)
    return at + (4 if has_checksum else 0)


def _within(size: int, limit: int) -> None:
    if size > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> BatchTooLarge:
    return BatchTooLarge("S-604", f"more than {limit} bytes")
