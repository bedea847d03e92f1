"""The virtual MIFARE Classic 1K: keys, access bits as in NXP's tables, silence after a wrong key, torn blocks."""

import copy

import pytest

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.mifare import ATR, BOTH_KEYS, MAKER, TRANSPORT, Mifare1K
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, NO_CARD, CardPortError

PUBLIC, SECRET, OTHER = bytes.fromhex("A0A1A2A3A4A5"), b"secret", b"wrong!"
READ_A_WRITE_B = bytes.fromhex("78778869")


def raw(access=READ_A_WRITE_B, key_a=PUBLIC, key_b=SECRET):
    """A whole image: zeros, the same trailer in each sector."""
    return b"".join((MAKER if not sector else b"").ljust(48, b"\0") + key_a + access + key_b for sector in range(16))


def access_bits(data, trailer):
    """The four bytes for C1C2C3 of the data blocks and of the trailer, written down from NXP's figure 10."""
    c1, c2, c3 = (sum((data if block < 3 else trailer)[bit] << block for block in range(4)) for bit in range(3))
    return bytes(((~c2 & 15) << 4 | ~c1 & 15, c1 << 4 | ~c3 & 15, c3 << 4 | c2, 0x69))


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def test_the_access_bits_everybody_knows():
    assert access_bits((0, 0, 0), (0, 0, 1)) == TRANSPORT == bytes.fromhex("FF078069")
    assert access_bits((0, 0, 0), (0, 1, 1)) == BOTH_KEYS == bytes.fromhex("7F078869")
    assert access_bits((1, 0, 0), (0, 1, 1)) == READ_A_WRITE_B  # NXP AN10787: a sector of an application


# C1C2C3 of a data block → who reads, who writes: NXP MF1S50yyX, table 8
RIGHTS = {
    (0, 0, 0): ("AB", "AB"), (0, 1, 0): ("AB", ""), (1, 0, 0): ("AB", "B"), (1, 1, 0): ("AB", "B"),
    (0, 0, 1): ("AB", ""), (0, 1, 1): ("B", "B"), (1, 0, 1): ("B", ""), (1, 1, 1): ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("bits", sorted(RIGHTS))
def test_each_key_may_do_what_the_access_bits_say(bits):
    reads, writes = RIGHTS[bits]
    for which, (name, key) in enumerate((("A", PUBLIC), ("B", SECRET))):
        card = Mifare1K(raw(access_bits(bits, (0, 1, 1))))
        card.verify(2 * 5 + which, key)
        if name in writes:
            card.write(5, 16, b"0123456789abcdef")
            assert card.image()[5 * 64 + 16 : 5 * 64 + 32] == b"0123456789abcdef"
        else:
            before = card.image()
            assert code_of(card.write, 5, 16, b"0123456789abcdef") == DENIED
            assert card.image() == before
        if name in reads:
            assert card.read(5, 0, 48) == card.image()[5 * 64 : 5 * 64 + 48]
        else:
            assert code_of(card.read, 5, 0, 48) == DENIED


def test_a_key_b_that_can_be_read_is_data_and_opens_nothing():
    card = Mifare1K(raw(TRANSPORT))
    card.verify(2 * 3 + 1, SECRET)
    assert code_of(card.read, 3, 0, 1) == DENIED
    assert code_of(card.write, 3, 0, b"a") == DENIED
    card.verify(2 * 3, PUBLIC)
    assert card.read_block(3 * 4 + 3) == bytes(6) + TRANSPORT + SECRET


def test_key_b_changes_a_trailer_and_key_a_does_not():
    card = Mifare1K(raw())
    fresh = OTHER + TRANSPORT + OTHER
    assert card.authenticate(4, "A", PUBLIC)
    assert code_of(card.write_block, 7, fresh) == DENIED
    assert card.authenticate(4, "B", SECRET)
    card.write_block(7, fresh)
    assert card.image()[7 * 16 : 8 * 16] == fresh
    locked = Mifare1K(raw(access_bits((1, 0, 0), (1, 0, 0))))  # keys by B, access bits by nobody
    assert locked.authenticate(4, "B", SECRET)
    locked.write_block(7, fresh)
    assert locked.image()[7 * 16 : 8 * 16] == OTHER + access_bits((1, 0, 0), (1, 0, 0)) + OTHER


def test_access_bits_that_contradict_themselves_block_their_sector_and_no_other():
    image = bytearray(raw())
    image[6 * 64 + 54] ^= 0x01
    card = Mifare1K(bytes(image))
    for call in ((card.read, 6, 0, 1), (card.verify, 12, PUBLIC), (card.verify, 13, SECRET)):
        assert code_of(*call) == DENIED
    assert card.read(7, 0, 1) == b"\0"


def test_made_of_768_bytes_both_keys_are_the_secret_and_both_do_all():
    memory = bytes(range(256)) * 3
    for which in (0, 1):
        card = memory_card("MIFARE1K", memory, SECRET)
        assert card.card_type() == 70
        assert code_of(card.read, 9, 0, 48) == DENIED
        card.verify(2 * 9 + which, SECRET)
        assert card.read(9, 0, 48) == memory[9 * 48 : 10 * 48]
        card.write(9, 0, memory[:48])
        assert card.read(9, 0, 48) == memory[:48]


def test_made_of_1024_bytes_the_card_is_the_image():
    assert Mifare1K(raw(), OTHER).image() == raw()
    assert Mifare1K().image()[:16] == MAKER
    for memory, secret in ((bytes(768), b"short"), (bytes(512), SECRET)):
        with pytest.raises(ValueError, match="768"):
            Mifare1K(memory, secret)


def test_public_keys_read_and_never_write():
    for key in ("A0A1A2A3A4A5", "FFFFFFFFFFFF", "D3F7D3F7D3F7"):
        card = Mifare1K(raw(BOTH_KEYS, bytes.fromhex(key)))
        assert card.read(0, 0, 16) == MAKER
        assert code_of(card.write, 0, 16, b"a") == DENIED
    assert code_of(Mifare1K(raw(key_a=OTHER)).read, 0, 0, 16) == DENIED


def test_one_sector_is_open_at_a_time_and_a_wrong_key_closes_it():
    card = Mifare1K(raw(BOTH_KEYS))
    card.verify(2 * 1 + 1, SECRET)
    card.write(1, 0, b"a")
    card.read(2, 0, 1)
    for sector in (1, 2):  # a public key has opened 2: that is no right to write
        assert code_of(card.write, sector, 0, b"b") == DENIED
    card.verify(2 * 1 + 1, SECRET)
    assert code_of(card.verify, 2 * 1 + 1, OTHER) == DENIED
    assert code_of(card.write, 1, 0, b"b") == DENIED
    card.verify(2 * 1 + 1, SECRET)
    card.reset()
    assert code_of(card.write, 1, 0, b"b") == DENIED
    assert card.read(1, 0, 1) == b"a"


def test_the_card_alone_is_silent_after_a_wrong_key_until_it_is_selected():
    card = Mifare1K(raw())
    assert not card.authenticate(4, "A", OTHER)
    assert code_of(card.authenticate, 4, "A", PUBLIC) == IO_FAULT
    assert code_of(card.read_block, 4) == IO_FAULT
    card.select()
    assert code_of(card.read_block, 4) == DENIED
    assert card.authenticate(4, "A", PUBLIC)
    assert card.read_block(4) == bytes(16)


def test_there_is_no_try_counter():
    card = Mifare1K(raw())
    for _ in range(300):
        assert code_of(card.verify, 1, OTHER) == DENIED
    assert card.tries_left(1) == card.tries_left(31) == 255
    card.verify(1, SECRET)


def test_bad_arguments():
    card = Mifare1K(raw())
    card.verify(1, SECRET)
    calls = [
        (card.read, 16, 0, 1), (card.read, 0, 47, 2), (card.read, 0, -1, 1), (card.read, 0, 0, 0),
        (card.write, 0, 15, b"ab"), (card.write, 0, 47, b"ab"), (card.write, 16, 0, b"a"),
        (card.verify, 32, SECRET), (card.verify, -1, SECRET), (card.verify, 0, b"short"), (card.tries_left, 32),
        (card.transmit, b"\0\xa4\0\0"),
    ]  # fmt: skip
    assert [code_of(*each) for each in calls] == [BAD_ARGUMENT] * len(calls)
    assert card.image() == raw()


def test_a_part_of_a_block_leaves_the_rest():
    card = Mifare1K(raw())
    card.verify(2 * 4 + 1, SECRET)
    card.write(4, 0, bytes(range(48)))
    card.write(4, 14, b"abcd")
    assert card.read(4, 0, 48) == bytes(range(14)) + b"abcd" + bytes(range(18, 48))


def test_after_minus_3_nothing_is_written_even_where_the_first_block_would_be():
    image = bytearray(raw())
    first_only = access_bits((0, 0, 0), (0, 1, 1))
    c1 = 0b0010  # block 1: 100, key A may not write
    bits = bytes((first_only[0] & ~c1 & 0xFF, first_only[1] | c1 << 4, first_only[2], 0x69))
    image[2 * 64 + 54 : 2 * 64 + 58] = bits
    card = Mifare1K(bytes(image))
    card.verify(4, PUBLIC)
    card.write(2, 0, b"a" * 16)
    before = card.image()
    assert code_of(card.write, 2, 0, b"b" * 32) == DENIED
    assert card.image() == before


@pytest.mark.parametrize("leaves", ["old", "spoiled"])
def test_torn_at_any_byte_blocks_are_new_old_or_garbage(leaves):
    card = Mifare1K(raw())
    card.verify(7, SECRET)
    card.write(3, 0, b"o" * 48)
    new, garbage = bytes(range(1, 49)), set()
    for after in range(49):
        torn = copy.deepcopy(card)
        torn.tear_after, torn.tear_leaves = after, leaves
        if after < 48:
            assert code_of(torn.write, 3, 0, new) == IO_FAULT
            assert code_of(torn.read, 3, 0, 1) == NO_CARD
            assert code_of(torn.atr) == NO_CARD
        else:
            torn.write(3, 0, new)
        torn.reset()
        found = torn.read(3, 0, 48)
        whole = after // 16 * 16
        assert found[:whole] == new[:whole]
        assert found[whole + 16 :] == b"o" * len(found[whole + 16 :])
        if after % 16 == 0 or leaves == "old":
            assert found[whole:] == b"o" * (48 - whole)
        else:
            assert found[whole : whole + 16] not in (b"o" * 16, new[whole : whole + 16])
            garbage.add(found[whole : whole + 16])
    assert (bytes(16) in garbage) == (leaves == "spoiled")
    assert card.read(3, 0, 48) == b"o" * 48


def test_torn_with_a_prefix_nothing_else_is_written():
    card = Mifare1K(raw())
    card.verify(7, SECRET)
    card.write(3, 0, b"o" * 48)
    for after in range(20):
        torn = copy.deepcopy(card)
        torn.tear_after, torn.tear_leaves = after, "prefix"
        assert code_of(torn.write, 3, 5, bytes(range(1, 21))) == IO_FAULT
        torn.reset()
        assert torn.read(3, 0, 48) == b"o" * 5 + bytes(range(1, after + 1)) + b"o" * (43 - after)


def test_a_byte_in_a_block_counts_as_one():
    card = Mifare1K(raw())
    card.verify(7, SECRET)
    card.tear_after = 3
    card.write(3, 5, b"abc")
    assert code_of(card.write, 3, 8, b"d") == IO_FAULT
    assert card.reset() == ATR
    assert card.tear_after is None
    assert card.read(3, 5, 4) == b"abc\0"
