"""MFC: its card to the block, blocks that are garbage after a card was taken away, the meter, and wrong keys."""

import copy
import importlib.util
import io

import pytest
from rdk_bench import build_script

from kiosk.devices.reader.dialects import STORAGE
from kiosk.devices.reader.faces import face_of
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.mifare import Mifare1K
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.port import WatchedPort
from kiosk.model.card import CardType
from kiosk.model.cardport import NO_CARD, CardPortError

SUN = Person("420100", "100234", "0012345678")
FIRST = Bought(1, 5000, 8334, bytes(range(16)))
SECOND, THIRD = Bought(2, 3000, 5000, bytes(15) + b"\2"), Bought(3, 0x01020304, 3333, bytes(range(80, 96)))
NOT_MINE, SECRET, NOT_BLANK, NOT_TAKEN, COUNT, OVER_LIMIT, DAMAGED = 0x05, 0x06, 0x0B, 0x0C, 0x0D, 0x0E, 0x13
LIMIT = {DI.HOARD_LIMIT: orders.u4(60_000)}
SEALED, GARBAGE = b"\xa5" * 16, b"never written by."
OPENED = """
    01 42 01 00 FF 10 02 34 FF FF FF FF FF FF FF         opened; region; customer
    00 12 34 56 78 FF FF FF FF FF                        meter
    00 00 00 00 01 00 00 EA 60 00 00 00 00               base count; 0401 is set: 600.00 yuan
    00 00 00 00 00 00 00 00                              alarms, overdraft limit
"""
BOUGHT = """
    00 00 00 01 00 00 13 88 00 00 20 8E                  count 1, 50.00 yuan, 83.34 kWh
    20 26 02 15 10 30 01                                 when
    00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F      sale
    00 00 00 00 00 00 00 00 00 00 00
"""
TOLD = """
    00 00 00 01 00 00 12 8E 00 00 00 00 00 00 13 88      count 1, 47.50 yuan remain, 50.00 bought in all
    00 00 00 00 00 00 26 02 16 08 30 00 00 00            no overdraft, nothing illegal; when; status
"""


def with_crc(content):
    """CRC-16/CCITT-FALSE, bit by bit: another hand than the driver's."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return content + crc.to_bytes(2, "big")


def bytes_of(text):
    return with_crc(bytes.fromhex("".join(line.strip().split("   ")[0] for line in text.strip().split("\n"))))


class Mfc:
    """One finished vendor folder; each has a meter of its own that has met nobody."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        spec = importlib.util.spec_from_file_location("mfc_driver", self.folder.manifest.driver.path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.driver = module.Driver()
        self.meter = load_python(folder / "conformance" / "meter.py")
        self.seen = None

    def blank(self, image=None):
        return Mifare1K(image or self.folder.blank)

    def ask(self, card, code, items=None, password=None):
        card.reset()
        port = WatchedPort(card)
        raw = Frame(code, pack_items(items or {})).encode()
        answer = parse(self.driver.icard(port, raw, self.folder.password if password is None else password), code)
        self.seen = port.seen
        return answer

    def do(self, card, code, items):
        answer = self.ask(card, code, items)
        assert answer.ok, answer.said
        return answer

    def read(self, card):
        return self.do(card, Command.READ, {})

    def state(self, card):
        answer = self.read(card)
        return answer.number(DI.COUNT), answer.number(DI.STATE)

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)


def block(card, sector, number, count=1):
    return card.image()[sector * 64 + number * 16 :][: 16 * count]


def with_block(card, sector, number, content):
    """The card with another block, put there by nobody's key."""
    other = copy.deepcopy(card)
    at = sector * 64 + number * 16
    other._memory[at : at + 16] = content[:16]
    return other


def taken_away(card, after, leaves="spoiled"):
    other = copy.deepcopy(card)
    other.tear_after, other.tear_leaves = after, leaves
    return other


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "mfc"
    finished.mkdir()
    script.build(script.SOURCE / "mfc", finished)
    return finished


@pytest.fixture
def mfc(folder, monkeypatch):
    bench = Mfc(folder)
    monkeypatch.setattr(bench.meter, "clock", lambda: "260216083000")
    return bench


@pytest.fixture
def opened(mfc):
    card = mfc.blank()
    mfc.do(card, Command.OPEN, orders.open_card(SUN, settings=LIMIT))
    return card


@pytest.fixture
def bought(mfc, opened):
    mfc.do(opened, Command.PURCHASE, orders.purchase(SUN, FIRST))
    return opened


@pytest.fixture
def taken(mfc, bought):
    mfc.insert(bought)
    return bought


@pytest.fixture
def pending(mfc, taken):
    """The older slot holds a purchase the meter has, the other one that waits."""
    mfc.do(taken, Command.PURCHASE, orders.purchase(SUN, SECOND))
    return taken


@pytest.mark.slow  # a real driver process and some 13 000 calls of up to 40 exchanges each: half a minute
@pytest.mark.timeout(600)
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert " 0 failed," in page.getvalue()
    assert " 0 could not be tried" in page.getvalue()
    assert "a real chip can do that too" not in page.getvalue()  # a sample stands every way its chip can be torn


def test_the_card_from_open_to_the_meter_is_this_to_the_block(mfc, opened):
    assert block(opened, 0, 1, 2) == b"MFC\1".ljust(16, b"\0") + SEALED
    assert block(opened, 1, 0, 3) == bytes_of(OPENED)
    mfc.do(opened, Command.PURCHASE, orders.purchase(SUN, FIRST))
    assert block(opened, 2, 0, 3) == bytes_of(BOUGHT)
    assert block(opened, 4, 0, 3) == SEALED + bytes(32)
    mfc.insert(opened, use=0)
    mfc.insert(opened, use=250)
    assert block(opened, 5, 0, 2) == bytes_of(TOLD)
    assert block(opened, 5, 2) == with_crc(b"\0\0\0\1".ljust(14, b"\0"))
    assert opened.image()[6 * 64 :] == mfc.folder.blank[6 * 64 :]
    assert [block(opened, sector, 3) for sector in range(16)] == [block(mfc.blank(), sector, 3) for sector in range(16)]


def test_money_to_the_meter_and_back(mfc, bought):
    assert mfc.insert(bought) == {"count": 1, "remaining": 5000}
    assert mfc.insert(bought, use=1234) == {"count": 1, "remaining": 3766}
    mfc.do(bought, Command.PURCHASE, orders.purchase(SUN, SECOND))
    assert mfc.read(bought).signed(DI.REMAINING) == 3766
    assert mfc.insert(bought, use=6000) == {"count": 2, "remaining": 766}
    assert mfc.insert(bought, use=1000) == {"count": 2, "remaining": -234}
    answer = mfc.read(bought)
    assert (answer.signed(DI.REMAINING), answer.number(DI.OVERDRAFT)) == (-234, 234)
    assert answer.number(DI.TOTAL_BOUGHT) == 8000
    assert answer.digits(DI.WRITTEN_BACK_AT) == "20260216083000"
    over = orders.purchase(SUN, Bought(3, 60_235, 1))
    assert mfc.ask(bought, Command.PURCHASE, over).error == OVER_LIMIT
    mfc.do(bought, Command.PURCHASE, orders.purchase(SUN, Bought(3, 60_234, 1)))
    assert mfc.insert(bought) == {"count": 3, "remaining": 60_000}


def writings(mfc, pending):
    """Name, card, command, items of each command that is torn."""
    free = mfc.blank()
    mfc.do(free, Command.REISSUE, orders.reissue(Person("420100", "88", "99"), 1, FIRST))
    mfc.insert(free)
    mfc.do(free, Command.PURCHASE, orders.purchase(Person("420100", "88", "99"), SECOND))
    mfc.insert(free)  # both slots are used, and there is no hoard limit
    yield "PURCHASE", free, Command.PURCHASE, orders.purchase(Person("420100", "88", "99"), THIRD, when=59)
    yield "REVERSE", pending, Command.REVERSE, orders.reverse(SUN, SECOND)
    yield "CLEAR", pending, Command.CLEAR, orders.clear(SUN, 2, insist=True)
    cleared = copy.deepcopy(pending)
    mfc.do(cleared, Command.CLEAR, orders.clear(SUN, 2, insist=True))
    yield "OPEN", cleared, Command.OPEN, orders.open_card(Person("420100", "55", "66"), FIRST, LIMIT)


@pytest.mark.parametrize("leaves", ["old", "spoiled"])
def test_taken_away_at_any_byte_it_reads_as_before_or_after(mfc, pending, leaves):
    for name, card, code, items in writings(mfc, pending):
        after = copy.deepcopy(card)
        mfc.do(after, code, items)
        total = mfc.seen.bytes_written
        wanted = [mfc.read(each).meaning() for each in (card, after)]
        assert total >= {"PURCHASE": 80, "REVERSE": 16, "CLEAR": 16, "OPEN": 144}[name]
        assert wanted[0] != wanted[1]
        for written in range(total):
            torn = taken_away(card, written, leaves)
            assert mfc.ask(torn, code, items).error == 0x11
            torn.reset()
            assert mfc.read(torn).meaning() in wanted, (name, written)
            mfc.do(torn, code, items)
            assert mfc.read(torn).meaning() == wanted[1], (name, written)


@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
@pytest.mark.parametrize("leaves", ["old", "spoiled"])
def test_a_new_card_is_marked_even_when_it_is_taken_away(mfc, fill, leaves):
    image = bytearray(mfc.folder.blank)
    for sector in range(16):
        start = 16 if sector == 0 else 0
        image[sector * 64 + start : sector * 64 + 48] = fill * (48 - start)
    card, items = mfc.blank(bytes(image)), orders.open_card(SUN, FIRST, LIMIT)
    assert mfc.ask(card, Command.READ).error == NOT_MINE
    assert mfc.ask(card, Command.PURCHASE, orders.purchase(SUN, FIRST)).error == NOT_MINE
    whole = copy.deepcopy(card)
    mfc.do(whole, Command.OPEN, items)
    total, wanted = mfc.seen.bytes_written, mfc.read(whole).meaning()
    assert block(whole, 4, 2) == b"MFC BIRTHMARK 01"
    assert total == 16 * 10  # birthmark, mark, purchase and its seal, header, seal
    for written in range(total):
        torn = taken_away(card, written, leaves)
        assert mfc.ask(torn, Command.OPEN, items).error == 0x11
        torn.reset()
        said = mfc.ask(torn, Command.READ)
        assert said.error == NOT_MINE or said.number(DI.KIND) == 0 or said.meaning() == wanted, written
        mfc.do(torn, Command.OPEN, items)
        assert mfc.read(torn).meaning() == wanted, written
    for sector, number in ((0, 1), (0, 2), (7, 0), (15, 2)):
        assert mfc.ask(with_block(card, sector, number, GARBAGE), Command.OPEN, items).error == NOT_MINE


def test_taken_away_from_the_meter_at_any_byte_nothing_is_credited_twice_or_lost(mfc, pending):
    known = dict(mfc.meter.MEMORY)
    refused = {
        Command.PURCHASE: orders.purchase(SUN, THIRD), Command.REVERSE: orders.reverse(SUN, SECOND),
        Command.CLEAR: orders.clear(SUN, 2),
    }  # fmt: skip
    for leaves, remembers in (("old", known), ("spoiled", known), ("spoiled", {})):
        for after in range(48):
            mfc.meter.MEMORY.clear()
            mfc.meter.MEMORY.update(remembers)
            card = taken_away(pending, after, leaves)
            with pytest.raises(CardPortError):
                mfc.insert(card)
            card.reset()
            count, state = mfc.state(card)
            assert count == 2
            assert state == 3 or (state, after < 16) == (1, True)
            if state == 1:  # so it must not be the meter's yet
                assert [state.count for _, state in mfc.meter.MEMORY.values()] == [1]
            for code, items in refused.items() if state == 3 else ():
                assert mfc.ask(card, code, items).error == NOT_TAKEN
            assert mfc.insert(card) == {"count": 2, "remaining": 8000}
            assert mfc.insert(card) == {"count": 2, "remaining": 8000}
            assert mfc.state(card) == (2, 2)


def test_a_seal_of_garbage_still_seals_what_is_sound_and_damage_is_told(mfc, pending):
    before = mfc.read(pending).meaning()
    for sector, number in ((0, 2), (4, 0), (4, 1)):
        assert mfc.read(with_block(pending, sector, number, GARBAGE)).meaning() == before
    for sector, number in ((1, 0), (1, 1), (1, 2), (2, 0), (3, 1), (3, 2)):
        spoiled = with_block(pending, sector, number, GARBAGE)
        for code, items in ((Command.READ, {}), (Command.PURCHASE, orders.purchase(SUN, THIRD))):
            assert mfc.ask(spoiled, code, items).error == DAMAGED
        mfc.do(spoiled, Command.CLEAR, orders.clear(SUN, 9, insist=True))
        assert mfc.read(spoiled).number(DI.KIND) == 0
    for number in range(3):
        assert mfc.state(with_block(pending, 5, number, GARBAGE)) == (2, 3)
    assert mfc.read(with_block(pending, 4, 2, GARBAGE)).meaning() == before


def test_few_blocks(mfc, taken):
    written = []
    for code, items in (
        (Command.PURCHASE, orders.purchase(SUN, SECOND)),
        (Command.REVERSE, orders.reverse(SUN, SECOND)),
        (Command.PURCHASE, orders.purchase(SUN, SECOND)),
        (Command.CLEAR, orders.clear(SUN, 2, insist=True)),
        (Command.OPEN, orders.open_card(SUN)),
    ):
        mfc.do(taken, code, items)
        written.append(mfc.seen.writes)
    assert written == [4, 1, 1, 1, 8]  # OPEN takes away what the card's past has left: two seals, what the meter said
    assert mfc.read(taken).meaning() == mfc.do(mfc.blank(), Command.OPEN, orders.open_card(SUN)).meaning()


def test_another_key_of_any_sector_is_noticed_before_the_first_block(mfc, pending):
    mfc.insert(pending)
    for sector in (2, 4):  # slot A, and the seals
        image = bytearray(pending.image())
        image[sector * 64 + 58 : sector * 64 + 64] = b"theirs"
        answer = mfc.ask(mfc.blank(bytes(image)), Command.PURCHASE, orders.purchase(SUN, Bought(3, 1, 1)))
        assert (answer.error, answer.number(DI.CARD_AFTER), mfc.seen.writes) == (SECRET, 0, 0)
        image[sector * 64 + 48 : sector * 64 + 54] = b"theirs"
        assert mfc.ask(mfc.blank(bytes(image)), Command.READ).error == NOT_MINE


def test_the_key_is_presented_last_and_not_to_read(mfc, opened):
    items = orders.purchase(SUN, FIRST)
    for malformed in ("4D4643202607", "keyb=4D464320260", "keyb=4D4643202607 ", "keyb=4D464320260G", ""):
        assert mfc.ask(opened, Command.PURCHASE, items, password=malformed).error == SECRET
        assert mfc.seen.verifies == 0
    assert mfc.ask(opened, Command.PURCHASE, items, password="keyb=000000000000").error == SECRET
    assert mfc.ask(opened, Command.PURCHASE, orders.purchase(SUN, THIRD), password="!").error == COUNT
    mfc.read(opened)
    assert mfc.seen.verifies == 0
    assert mfc.ask(opened, Command.PURCHASE, items, password="keyb=4d4643202607").ok


def test_copies_of_a_bought_card_are_credited_once_whenever_they_were_made(mfc, pending):
    copies = [copy.deepcopy(pending) for _ in range(3)]
    for card in (*copies, pending):
        assert mfc.insert(card) == {"count": 2, "remaining": 8000}
        assert mfc.state(card) == (2, 2)


def test_illegal_insertions_are_counted_and_leave_the_card_alone(mfc, taken):
    stranger = mfc.blank()
    mfc.do(stranger, Command.OPEN, orders.open_card(Person("420100", "777", SUN.meter), FIRST))
    before = stranger.image()
    assert mfc.insert(stranger) == {"count": 1, "remaining": 5000}
    assert stranger.image() == before
    image = bytearray(taken.image())
    image[5 * 64 + 58 : 5 * 64 + 64] = b"theirs"
    with pytest.raises(CardPortError):
        mfc.insert(mfc.blank(bytes(image)))
    mfc.insert(taken)
    assert mfc.read(taken).number(DI.ILLEGAL_INSERTIONS) == 2


def test_a_reissued_card_goes_on_in_the_same_meter(mfc, taken):
    again = mfc.blank()
    mfc.do(again, Command.REISSUE, orders.reissue(SUN, 2, SECOND))
    assert mfc.state(again) == (2, 1)
    assert mfc.insert(again) == {"count": 2, "remaining": 8000}
    assert mfc.ask(again, Command.REISSUE, orders.reissue(SUN, 2, SECOND)).error == NOT_BLANK


class Wire:
    """The card before a contactless reader, without pcscd."""

    t0 = False

    def __init__(self, card):
        self.face = face_of(card)
        self.atr = self.face.reset()
        self.sent = []

    def transmit(self, apdu):
        self.sent.append(apdu)
        answer = self.face.transmit(apdu)
        if not answer:
            raise CardPortError(NO_CARD)
        return answer


def test_a_purchase_through_the_readers_commands_is_the_same_purchase(mfc, opened):
    direct = copy.deepcopy(opened)
    mfc.do(direct, Command.PURCHASE, orders.purchase(SUN, FIRST))
    wire = Wire(opened)
    port = PcscCardPort(wire, CardType.MIFARE1K, STORAGE)
    raw = Frame(Command.PURCHASE, pack_items(orders.purchase(SUN, FIRST))).encode()
    answer = parse(mfc.driver.icard(port, raw, mfc.folder.password), Command.PURCHASE)
    assert answer.ok, answer.said
    assert opened.image() == direct.image()
    assert sum(apdu[1] == 0xD6 for apdu in wire.sent) == 4
    assert len(wire.sent) < 80
