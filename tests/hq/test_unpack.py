"""Packed bodies, honest and not."""

import gzip
import zlib

import pytest
import zstandard

from kiosk.hq.unpack import unpack
from kiosk.sync.batch import BODY_BYTES_MAX, BatchMalformed, BatchTooLarge

TEXT = b"entry " * 1000


def _zstd(content, **options):
    return zstandard.ZstdCompressor(**options).compress(content)


def _zstd_unsized(content, **options):
    packer = zstandard.ZstdCompressor(**options).compressobj()
    return packer.compress(content) + packer.flush()


PACKED = [
    pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
    pytest.param("zstd", _zstd(TEXT), id="zstd"),
    pytest.param("zstd", _zstd(TEXT, write_checksum=True), id="zstd-checksum"),
    pytest.param("zstd", _zstd_unsized(TEXT, write_checksum=True), id="zstd-unsized"),
]


@pytest.mark.parametrize(("coding", "packed"), [pytest.param("", TEXT, id="plain"), *PACKED])
def test_one_member_or_frame_is_unpacked(coding, packed):
    assert unpack(packed, coding, len(TEXT)) == TEXT


@pytest.mark.parametrize(("coding", "packed"), PACKED)
def test_a_second_one_bytes_behind_it_or_a_cut_is_malformed(coding, packed):
    for wrong in (packed + packed, packed + b"\x00", packed[:-1], packed[:5], b"", b"\x00" + packed):
        with pytest.raises(BatchMalformed):
            unpack(wrong, coding, 1_000_000)


@pytest.mark.parametrize(("coding", "packed"), PACKED)
def test_limit_passes_and_one_more_byte_does_not(coding, packed):
    with pytest.raises(BatchTooLarge):
        unpack(packed, coding, len(TEXT) - 1)


def test_plain_bytes_over_the_limit():
    with pytest.raises(BatchTooLarge):
        unpack(b"12345", "", 4)


@pytest.mark.parametrize("spot", [12, 20, -9])
def test_a_flipped_bit_in_gzip(spot):
    packed = bytearray(gzip.compress(TEXT))
    packed[spot] ^= 0x10
    with pytest.raises(BatchMalformed):
        unpack(bytes(packed), "gzip", 1_000_000)


def test_a_wrong_zstd_checksum():
    packed = bytearray(_zstd(TEXT, write_checksum=True))
    packed[-1] ^= 1
    with pytest.raises(BatchMalformed):
        unpack(bytes(packed), "zstd", 1_000_000)


def test_a_skippable_frame_before_the_frame():
    with pytest.raises(BatchMalformed):
        unpack(b"\x50\x2a\x4d\x18\x01\x00\x00\x00x" + _zstd(TEXT), "zstd", 1_000_000)


def test_raw_deflate_is_not_gzip():
    with pytest.raises(BatchMalformed):
        unpack(zlib.compress(TEXT), "gzip", 1_000_000)


def test_a_window_of_8_mib_passes_and_a_wider_one_does_not():
    wide = {n: zstandard.ZstdCompressionParameters(window_log=n) for n in (23, 24)}
    noise = zlib.compress(TEXT) * 3
    assert unpack(_zstd_unsized(noise, compression_params=wide[23]), "zstd", BODY_BYTES_MAX) == noise
    with pytest.raises(BatchMalformed, match="window"):
        unpack(_zstd_unsized(noise, compression_params=wide[24]), "zstd", BODY_BYTES_MAX)


BOMB = bytes(64 * 1024 * 1024)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        pytest.param("gzip", gzip.compress(BOMB), id="gzip"),
        pytest.param("zstd", _zstd(BOMB), id="zstd"),
        pytest.param("zstd", _zstd(bytes(BODY_BYTES_MAX + 1), level=22), id="zstd-one-segment"),
        pytest.param("zstd", _zstd_unsized(BOMB), id="zstd-unsized"),
    ],
)
def test_a_bomb_stops_at_the_limit(coding, packed):
    assert len(packed) < 100_000
    with pytest.raises(BatchTooLarge):
        unpack(packed, coding, BODY_BYTES_MAX)
