"""eSSP: the published sample, both halves of a key, and that nothing opens what was not sealed for it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssp_pair import below

from kiosk.devices.acceptor.ssp import cipher, wire
from kiosk.devices.acceptor.ssp.cipher import FIXED_KEY, HostKeys, Seal
from kiosk.devices.acceptor.ssp.greeting import KeySettings
from kiosk.devices.acceptor.ssp.voice import VoiceSettings

# kybarg/ssp, its test of a sealed answer: key 67452301674523019565000000000000, the first answer after the exchange
SAMPLE = "7F00117E702FFE1D411944ADDAD1DFD677F533CC631D"
SHARED = 0x6595


def seal(shared=SHARED, fixed=FIXED_KEY, count=0):
    made = Seal(fixed, shared, below("packing"))
    made.count = count
    return made


def sample():
    return wire.Decoder().feed(bytes.fromhex(SAMPLE))[0].data


def test_the_published_sealed_answer_is_a_serial_number():
    opened = seal(count=1).open(sample())
    assert opened == bytes.fromhex("F0004A78B4")
    assert wire.parse_serial(opened) == "4880564"


@pytest.mark.parametrize(
    "other", [seal(count=0), seal(count=2), seal(shared=SHARED + 1, count=1), seal(fixed=FIXED_KEY + 1, count=1)]
)
def test_another_key_or_another_count_opens_nothing(other):
    assert other.open(sample()) is None


@pytest.mark.parametrize("hexed", ["", "7E", "7E00", "F0", "7F" + "00" * 16, "7E" + "00" * 15])
def test_what_is_not_sealed_is_not_opened(hexed):
    assert seal().open(bytes.fromhex(hexed)) is None


@given(st.binary(min_size=1, max_size=200), st.integers(0, (1 << 32) - 1))
def test_what_one_seals_the_other_opens_once(inside, count):
    sealed = seal(count=count).close(inside)
    assert (len(sealed) - 1) % 16 == 0
    assert seal(count=count).open(sealed) == inside
    assert seal(count=count + 1).open(sealed) is None


@given(st.binary(min_size=1, max_size=40), st.integers(0), st.integers(0, 7))
def test_a_changed_bit_is_not_opened(inside, at, bit):
    sealed = bytearray(seal().close(inside))
    sealed[1 + at % (len(sealed) - 1)] ^= 1 << bit
    assert seal().open(bytes(sealed)) is None


def test_host_and_device_find_the_same_key():
    keys, secret = HostKeys(below("host")), 0x1234567
    generator, modulus, inter = (int.from_bytes(question[1:], "little") for question in keys.questions)
    assert [question[0] for question in keys.questions] == [0x4A, 0x4B, 0x4C]
    assert cipher.is_prime(generator) and cipher.is_prime(modulus) and generator > modulus
    theirs = b"\xf0" + pow(generator, secret, modulus).to_bytes(8, "little")
    device = Seal(FIXED_KEY, pow(inter, secret, modulus), below("device"))
    assert keys.agree(theirs, FIXED_KEY).open(device.close(b"\x07")) == b"\x07"
    with pytest.raises(ValueError, match="9 bytes"):
        keys.agree(b"\xf0", FIXED_KEY)


def test_each_exchange_has_other_numbers():
    one, other = HostKeys(below("one")), HostKeys(below("other"))
    assert one.questions != other.questions


def test_primes_and_others():
    small = [number for number in range(2000) if cipher.is_prime(number)]
    assert small == [n for n in range(2, 2000) if all(n % d for d in range(2, int(n**0.5) + 1))]
    assert cipher.is_prime(982_451_653) and cipher.is_prime(1_287_821)  # GA138's
    assert not any(map(cipher.is_prime, (2_047, 1_373_653, 25_326_001, 1_287_821 * 7)))  # pseudoprimes
    found = cipher.prime(random.Random(4).randrange)
    assert 1 << 29 < found < 1 << 31 and cipher.is_prime(found)


def test_the_fixed_key_is_not_shown():
    secret = 0xFEEDFACECAFEBEEF
    for settings in (KeySettings(fixed_key=secret), VoiceSettings(fixed_key=secret)):
        assert str(secret) not in repr(settings) and "feedface" not in repr(settings).lower()
