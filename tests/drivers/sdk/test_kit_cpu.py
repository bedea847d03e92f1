"""CPU cards: the kit learns the files from what the driver does, and mutates, drops and tears there too."""

from __future__ import annotations

import pytest

from kiosk.drivers.sdk.kit.files import Chunk, read_files
from kiosk.drivers.sdk.kit.forge import forged
from kiosk.drivers.sdk.kit.port import Faults, WatchedPort
from kiosk.model.cardport import BAD_ARGUMENT, CardPortError

SELECT = bytes.fromhex("00A4000002DF01")
VERIFY = bytes.fromhex("0020000002ABCD")


class SmallCpuCard:
    """Two files, 81 and 82, below DF01; UPDATE needs VERIFY, which SELECT ends; dead after ``tear_after`` bytes."""

    takes_again = True  # the same VERIFY a second time; a cryptogram would be another one

    def __init__(self) -> None:
        self.verified = 0
        self.files = {1: bytearray(b"\x68\x01" + bytes(14)), 2: bytearray(8)}
        self.tear_after: int | None = None
        self.reset()

    def reset(self) -> bytes:
        self.selected = self.allowed = self.dead = False
        return bytes.fromhex("3B69")

    def card_type(self) -> int:
        return 60

    def atr(self) -> bytes:
        return bytes.fromhex("3B69")

    def image(self) -> bytes:
        return bytes(self.files[1] + self.files[2])

    def read(self, zone, addr, length):
        raise CardPortError(BAD_ARGUMENT)

    write = verify = tries_left = read

    def transmit(self, apdu: bytes) -> bytes:
        if self.dead:
            return b""
        if apdu[1] == 0xA4:
            self.selected, self.allowed = apdu == SELECT, False
            return b"\x90\x00" if self.selected else b"\x6a\x82"
        if apdu[1] == 0x20:
            self.verified += 1
            self.allowed = apdu == VERIFY and (self.takes_again or self.verified == 1)
            return b"\x90\x00" if self.allowed else b"\x63\xc2"
        file = self.files.get(apdu[2] & 0x1F)
        if not self.selected or file is None or not apdu[2] & 0x80:
            return b"\x6a\x82"
        at = apdu[3]
        if apdu[1] == 0xB0:
            return bytes(file[at : at + apdu[4]]) + b"\x90\x00"
        return self._update(file, at, apdu[5 : 5 + apdu[4]]) if self.allowed else b"\x69\x82"

    def _update(self, file: bytearray, at: int, data: bytes) -> bytes:
        for offset, byte in enumerate(data):
            if self.tear_after is not None:
                if self.tear_after == 0:
                    self.dead = True
                    return b""
                self.tear_after -= 1
            file[at + offset] = byte
        return b"\x90\x00"


def drive(port: WatchedPort) -> list[bytes]:
    script = (SELECT, bytes.fromhex("00B0810010"), VERIFY, bytes.fromhex("00D6820004") + b"\1\2\3\4")
    return [port.transmit(apdu) for apdu in script]


def test_places_are_learnt_from_reads_and_updates():
    port = WatchedPort(SmallCpuCard())
    drive(port)
    assert port.chunks == {Chunk((SELECT,), False, 0x81, 0): 16, Chunk((SELECT,), False, 0x82, 0): 4}
    assert dict(read_files(port.card, port.chunks))[Chunk((SELECT,), False, 0x82, 0)] == b"\1\2\3\4"


HEAD = Chunk((SELECT,), False, 0x81, 0)
OTHER = b"\xee" * 16


class CryptogramCard(SmallCpuCard):
    takes_again = False


@pytest.mark.parametrize("card_class", [SmallCpuCard, CryptogramCard])
def test_files_are_changed_behind_the_drivers_back(card_class):
    port = WatchedPort(card_class())
    drive(port)
    assert port.session is not None
    card = forged(port.card, ((HEAD, OTHER),), port.chunks, port.keys, [port.session])
    assert card is not None
    assert card.files[1] == OTHER
    assert card.files[2][:4] == b"\1\2\3\4"
    assert not card.allowed  # powered afresh
    assert port.card.files[1][0] == 0x68


def test_where_no_way_leads_in_no_card_is_shown():
    port = WatchedPort(CryptogramCard())
    drive(port)
    assert forged(port.card, ((HEAD, OTHER),), port.chunks, port.keys, []) is None


def test_a_secret_counts_only_where_one_is_sent():
    port = WatchedPort(SmallCpuCard())
    port.transmit(bytes.fromhex("00200000"))
    port.transmit(bytes.fromhex("0020000000"))
    assert port.seen.verifies == 0
    port.transmit(VERIFY)
    assert port.seen.verifies == 1
    assert port.presented == ((), VERIFY)


def test_a_spoiled_secret_is_refused_by_the_card():
    port = WatchedPort(SmallCpuCard(), Faults(spoil_secret=True))
    assert drive(port)[2].hex() == "63c2"
    assert port.keys == {}
    assert port.presented == ((SELECT,), VERIFY)  # what the driver sent


def test_reading_the_files_leaves_the_card_where_it_was():
    port = WatchedPort(SmallCpuCard())
    drive(port)
    read_files(port.card, port.chunks)
    assert port.card.allowed
    assert port.card.selected


@pytest.mark.parametrize(("faults", "sw"), [(Faults(drop_update=0), "9000"), (Faults(refuse_from=0), "6581")])
def test_updates_can_be_dropped_or_refused(faults, sw):
    port = WatchedPort(SmallCpuCard(), faults)
    assert drive(port)[-1].hex() == sw
    assert port.card.files[2] == bytes(8)
    assert port.seen.writes == 1


def test_a_torn_update_counts_as_failed():
    card = SmallCpuCard()
    card.tear_after = 2
    port = WatchedPort(card)
    assert drive(port)[-1] == b""
    assert port.seen.failures == 1
    assert card.files[2][:4] == b"\1\2\0\0"


def test_secret_changes_are_seen():
    port = WatchedPort(SmallCpuCard())
    port.transmit(bytes.fromhex("0024000004ABCD1234"))
    assert port.seen.secret_changes == 1
