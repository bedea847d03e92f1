"""The State Grid sample vendor: files to the byte, torn words, keys that are not here, whose card it is."""

import copy
import io

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from hypothesis import given
from hypothesis import strategies as st
from rdk_bench import build_script
from sgc_bench import (
    BACK,
    EYES,
    FIRST,
    LATER,
    NOW,
    PARA,
    SECOND,
    SETTINGS,
    THIRD,
    WALLET,
    WANG,
    Sgc,
    content,
    hexed,
    pulled,
    with_file,
    would_credit,
)

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.registry import load_registry
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.folder import load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person

NOT_MINE, SECRET, LOCKED, NOT_BLANK, NOT_TAKEN, COUNT, OVER_LIMIT, DAMAGED, KEY_CARD, TAKEN = (
    0x05, 0x06, 0x07, 0x0B, 0x0C, 0x0D, 0x0E, 0x13, 0x14, 0x17,
)  # fmt: skip

OPENED = """
    68 01 00 27 01 80 13 42 01 00 00 00 00 00 00 01      head, type, flags, version 13, region; switch time, tariffs
    00 00 20 00 00 00 10 00 00 00 01 00 00 01            alarm 20.00, alarm 10.00, CT 1, PT 1
    00 00 12 34 56 78 00 00 00 10 02 34 01 8D 16         meter, customer, kind: opened, CS
"""
TAKEN_BACK = """
    68 11 00 2B 01 00 00 01 00 00 01                     head, type, CT 1, PT 1
    00 00 12 34 56 78 00 00 00 10 02 34                  meter, customer
    00 00 13 88 00 00 00 01 00 00 00 00                  50.00 yuan, count 1, no overdraft
    00 00 00 00 00 00 00 26 02 16 08 30 AB 16            key, illegal insertions, when, CS
"""
SOLD_BACK = """
    00 00 00 00 01 00 00 00 00 00 01                     empty: no head, no CT
    00 00 12 34 56 78 00 00 00 10 02 34                  the rest still tells …
    00 00 13 88 00 00 00 01 00 00 00 00
    00 00 00 00 00 00 00 26 02 16 08 30 7F 00            … under a CS of its own, and without its 16
"""
RETURN_FILE = """
    68 11 00 2B 02 00 00 01 00 00 01 00 00 12 34 56 78 00 00 00 10 02 34 00 00 4D 90 00 00 00 07
    00 00 00 00 00 00 00 00 00 00 02 26 02 15 10 30 FD 16
"""  # the example of the facts: 198.56 yuan, count 7, 2 illegal insertions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "sgc"
    finished.mkdir()
    script.build(script.SOURCE / "sgc", finished)
    return finished


@pytest.fixture
def sgc(folder, monkeypatch):
    bench = Sgc(folder)
    monkeypatch.setattr(bench.meter, "clock", lambda: "2602160830")
    return bench


@pytest.fixture
def opened(sgc):
    card = sgc.blank()
    sgc.do(card, Command.OPEN, orders.open_card(WANG, settings=SETTINGS))
    return card


@pytest.fixture
def bought(sgc, opened):
    sgc.do(opened, Command.PURCHASE, orders.purchase(WANG, FIRST))
    return opened


@pytest.fixture
def taken(sgc, bought):
    sgc.insert(bought)
    return bought


@pytest.mark.slow  # a real driver process and some ten thousand calls: half a minute
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert " 0 failed," in page.getvalue()
    assert " 0 could not be tried" in page.getvalue()


# -- to the byte -------------------------------------------------------------------------------------------------------


def test_the_files_after_open_purchase_meter_and_purchase(sgc, opened):
    assert content(opened)[PARA] == hexed(OPENED)
    assert {name: file.strip(b"\0") for name, file in content(opened).items() if name != PARA} == dict.fromkeys(
        (WALLET, NOW, LATER, BACK), b""
    )
    sgc.do(opened, Command.PURCHASE, orders.purchase(WANG, FIRST))
    assert content(opened)[WALLET].hex(" ") == "00 00 13 88 00 00 00 01"
    assert content(opened)[BACK] == bytes(49)
    assert sgc.insert(opened) == {"count": 1, "remaining": 5000}
    assert content(opened)[BACK] == hexed(TAKEN_BACK)
    sgc.do(opened, Command.PURCHASE, orders.purchase(WANG, SECOND))
    assert content(opened)[WALLET].hex(" ") == "00 00 0b b8 00 00 00 02"
    assert content(opened)[BACK] == hexed(SOLD_BACK)
    assert content(opened)[PARA][42:].hex(" ") == "02 8e 16"
    answer = sgc.read(opened)
    assert (answer.number(DI.KIND), answer.signed(DI.REMAINING), answer.number(DI.METER_COUNT)) == (2, 5000, 1)


def test_reverse_gives_the_return_file_back(sgc, taken):
    before = content(taken)
    sgc.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    sgc.do(taken, Command.REVERSE, orders.reverse(WANG, SECOND))
    after = content(taken)
    assert after[BACK] == before[BACK]
    assert after[WALLET].hex(" ") == "00 00 00 00 00 00 00 01"
    assert sgc.insert(taken) == {"count": 1, "remaining": 5000}
    assert sgc.ask(taken, Command.REVERSE, orders.reverse(WANG, FIRST)).error == TAKEN


def test_a_return_file_as_state_grid_meters_write_it_is_understood(sgc, bought):
    answer = sgc.read(with_file(bought, BACK, hexed(RETURN_FILE)))
    assert (answer.signed(DI.REMAINING), answer.number(DI.METER_COUNT)) == (19856, 7)
    assert (answer.number(DI.OVERDRAFT), answer.number(DI.ILLEGAL_INSERTIONS)) == (0, 2)
    assert answer.digits(DI.WRITTEN_BACK_AT) == "20260215103000"


def test_a_card_other_sellers_emptied_to_zeros_is_pending(sgc, taken):
    sgc.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    card = with_file(taken, BACK, bytes(49))
    assert sgc.state(card) == (2, 1)
    sgc.do(card, Command.REVERSE, orders.reverse(WANG, SECOND))
    assert sgc.state(card) == (1, 0)
    assert content(card)[BACK] == bytes(49)


def test_a_cleared_card_is_blank_for_everybody(sgc, taken):
    blank = content(sgc.blank())
    sgc.do(taken, Command.CLEAR, orders.clear(WANG, 1))
    assert content(taken) == blank
    card = sgc.blank()
    sgc.do(card, Command.SET, orders.set_card(WANG, {DI.ALARM_1: orders.u4(5)}))
    sgc.do(card, Command.CLEAR, orders.clear(WANG, 0))
    assert content(card) == blank


def test_a_preset_card_is_a_frame_of_32_bytes_with_its_own_command(sgc):
    card = sgc.blank()
    sgc.do(card, Command.SET, orders.set_card(WANG, SETTINGS))
    wanted = "68 06 00 1A 01 80 13 42 01 00 00 00 00 00 00 01 00 00 20 00 00 00 10 00 00 00 01 00 00 01 2A 16"
    assert content(card)[PARA] == bytes.fromhex(wanted).ljust(45, b"\0")
    assert sgc.read(card).number(DI.KIND) == 5
    meter = {**orders.set_card(WANG, SETTINGS), DI.METER: WANG.meter.encode()}
    assert sgc.ask(sgc.blank(), Command.SET, meter).error == OVER_LIMIT
    assert sgc.insert(card)["error"] == "Err-32"


def test_a_tariff_with_a_ladder_from_a_day_on_stands_in_file_84(sgc):
    rows = bytes.fromhex("01000000 00002710 02000000 00001388 00010000 00000064 00020000 000000C8")
    tariff = {DI.TARIFF: rows, DI.LADDER: orders.u4(21_000), DI.TARIFF_FROM: b"20260301083000"}
    card = sgc.blank()
    sgc.do(card, Command.REISSUE, orders.reissue(WANG, 3, settings=tariff))
    assert {di: sgc.read(card).items[di] for di in tariff} == tariff
    file = content(card)[LATER]
    assert content(card)[NOW] == bytes(203)
    assert (file[:12].hex(), file[132:136].hex()) == ("680100c50001000000005000", "00021000")
    assert (file[156:164].hex(), file[184:187].hex(), file[196:201].hex()) == (
        "0000010000000200",
        "010100",
        "2603010830",
    )
    assert (file[201], file[202]) == (sum(file[1:201]) & 0xFF, 0x16)
    assert (content(card)[PARA][4:6].hex(), content(card)[PARA][10:16].hex()) == ("040a", "260301083002")
    now = sgc.blank()
    sgc.do(now, Command.OPEN, orders.open_card(WANG, settings={DI.TARIFF: bytes.fromhex("0000000000001388")}))
    assert (content(now)[LATER], content(now)[PARA][4:6].hex()) == (bytes(203), "0101")
    assert content(now)[NOW][4:8].hex() == "00005000"


@pytest.mark.parametrize(
    "held",
    [
        {DI.HOARD_LIMIT: orders.u4(1)}, {DI.OVERDRAFT_LIMIT: orders.u4(1)}, {DI.ALARM_1: orders.u4(100_000_000)},
        {DI.CT_RATIO: orders.u4(0)}, {DI.PT_RATIO: orders.u4(1_000_000)}, {DI.TARIFF_FROM: b"20260301000000"},
        {DI.TARIFF: bytes.fromhex("0000000000001388 0100000000001388")}, {DI.TARIFF: bytes.fromhex("0101000000001388")},
        {DI.TARIFF: bytes.fromhex("0600000000001388")}, {DI.TARIFF: bytes.fromhex("0008000000001388")},
        {DI.TARIFF: bytes.fromhex("0100000000000000")}, {DI.LADDER: b"".join(map(orders.u4, range(1, 8)))},
        {DI.LADDER: orders.u4(1), DI.TARIFF_FROM: b"20260301000001"}, {DI.LADDER: orders.u4(0)},
        {DI.LADDER: orders.u4(1), DI.TARIFF_FROM: b"21260301000000"}, {DI.LADDER: orders.u4(100_000_000)},
    ],
)  # fmt: skip
def test_what_the_card_cannot_hold_is_refused(sgc, held):
    assert sgc.ask(sgc.blank(), Command.OPEN, orders.open_card(WANG, settings=held)).error == OVER_LIMIT


@pytest.mark.parametrize(
    "who",
    [
        Person("4201000", WANG.customer, WANG.meter), Person("420100", "10100234", WANG.meter),
        Person("420100", WANG.customer, "0000123456789"), Person("420100", WANG.customer, "0" * 12),
    ],
)  # fmt: skip
def test_numbers_have_twelve_digits_regions_six_at_most(sgc, who):
    assert sgc.ask(sgc.blank(), Command.OPEN, orders.open_card(who)).error == OVER_LIMIT


def test_a_reissued_card_holds_only_what_a_meter_takes_from_it(sgc):
    for held in ({DI.ALARM_1: orders.u4(5)}, {DI.TARIFF: bytes.fromhex("0000000000001388")}):
        assert sgc.ask(sgc.blank(), Command.REISSUE, orders.reissue(WANG, 3, settings=held)).error == OVER_LIMIT


# -- pulled out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 255, 0xFFFF])
@pytest.mark.parametrize("met", [False, True])
def test_no_meter_credits_what_a_torn_purchase_does_not_say(sgc, count, met):
    """Whichever way a meter tells an empty return file, it and READ agree at every byte; counts that carry too."""
    card, what = sgc.blank(), Bought(count + 1, 0x01020304, 1, bytes(16))
    if count:
        sgc.do(card, Command.REISSUE, orders.reissue(WANG, count, Bought(count, 700, 1, bytes(16)) if met else None))
    else:
        sgc.do(card, Command.OPEN, orders.open_card(WANG))
    if met:
        sgc.insert(card)
    before = sgc.state(card)
    for code, items, start in (
        (Command.PURCHASE, orders.purchase(WANG, what), card),
        (Command.REVERSE, orders.reverse(WANG, what), None),
    ):
        start = start or card
        whole = copy.deepcopy(start)
        sgc.do(whole, code, items)
        for after in range(sgc.written):
            torn = pulled(start, after)
            assert sgc.ask(torn, code, items).error == 0x11
            state, undone = sgc.state(torn), sgc.state(start)
            assert state in (before, (count + 1, 1))
            for eye in EYES:
                assert would_credit(eye, torn, count) == (state[1] == 1), (after, eye)
            sgc.do(torn, code, items)
            assert sgc.state(torn) == sgc.state(whole)
            assert state != undone or content(torn) == content(whole)  # else nothing was left to be written
        card = whole
    assert sgc.state(card) == before


def test_a_real_meters_one_update_leaves_a_doubt_at_every_byte_but_the_first(sgc, taken):
    """Before the first byte nobody can know: the page says so. After it READ never says that nothing was bought."""
    sgc.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    old = content(taken)[BACK]
    meter = copy.deepcopy(taken)
    sgc.insert(meter)
    new = content(meter)[BACK]
    states = [sgc.state(with_file(taken, BACK, new[:after] + old[after:])) for after in range(50)]
    assert states == [(2, 1), *[(2, 3)] * 48, (2, 2)]


def test_pulled_out_of_this_meter_at_any_byte_nothing_is_credited_twice_or_lost(sgc, taken):
    sgc.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    memory = dict(sgc.meter.MEMORY)
    for after in range(1 + 48 + 1):
        sgc.meter.MEMORY.clear()
        sgc.meter.MEMORY.update(memory)
        card = pulled(taken, after)
        with pytest.raises(Exception, match="pulled"):
            sgc.insert(card)
        assert sgc.state(card) == ((2, 1) if after == 0 else (2, 3))
        if after:
            for code, items in (
                (Command.REVERSE, orders.reverse(WANG, SECOND)),
                (Command.CLEAR, orders.clear(WANG, 2)),
            ):
                assert sgc.ask(card, code, items).error == NOT_TAKEN
        assert sgc.insert(card) == {"count": 2, "remaining": 8000}
        assert sgc.state(card) == (2, 2)


def test_pulled_while_the_kind_changes_the_card_reads_on_and_is_mended(sgc, taken):
    card = pulled(taken, 1)
    assert sgc.ask(card, Command.PURCHASE, orders.purchase(WANG, SECOND)).error == 0x11
    assert content(card)[PARA][42:44].hex() == "028d"  # the kind is there, its CS is not
    assert sgc.state(card) == (1, 2)
    assert sgc.insert(card) == {"count": 1, "remaining": 5000, "error": "Err-34"}
    sgc.do(card, Command.PURCHASE, orders.purchase(WANG, SECOND))
    assert sgc.insert(card) == {"count": 2, "remaining": 8000}
    for at in range(45):
        other = with_file(taken, PARA, bytes((content(taken)[PARA][at] ^ 0x40,)), at)
        assert sgc.ask(other, Command.READ).error == (NOT_MINE if at in (0, 6) else DAMAGED), at


@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_a_card_of_one_byte_throughout_is_made_an_sgc_card_even_when_pulled(sgc, fill):
    card = sgc.blank()
    for file in card.card._files.values():
        file[:] = bytes((fill,)) * len(file)
    items = orders.open_card(WANG, FIRST, SETTINGS)
    assert sgc.ask(card, Command.READ).error == NOT_MINE
    after = 0
    while sgc.ask(torn := pulled(card, after), Command.OPEN, items).error is not None:
        said = sgc.ask(torn, Command.READ)
        assert said.error == NOT_MINE or said.number(DI.KIND) == 0, after
        sgc.do(torn, Command.OPEN, items)
        assert content(torn)[PARA] == hexed(OPENED), after
        after += 1
    assert after > 20
    assert sgc.ask(with_file(card, BACK, b"\x5a", 48), Command.OPEN, items).error == NOT_MINE


# -- keys --------------------------------------------------------------------------------------------------------------


own_sm4 = load_python(build_script().SOURCE / "sgc" / "driver.py").sm4


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_the_drivers_sm4_is_the_libraries(key, block):
    sm4 = own_sm4
    assert sm4(key, block) == Cipher(SM4(key), modes.ECB()).encryptor().update(block)
    example = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    assert sm4(example, example).hex() == "681edf34d206965e86b3e94f536e4246"  # GB/T 32907


def test_keys_in_a_key_card_read_works_and_every_write_says_so(sgc, taken):
    before = content(taken)
    assert sgc.ask(taken, Command.READ, password="keycard").ok
    for card, code, items in (
        (taken, Command.PURCHASE, orders.purchase(WANG, SECOND)),
        (taken, Command.CLEAR, orders.clear(WANG, 1)),
        (sgc.blank(), Command.OPEN, orders.open_card(WANG)),
        (sgc.blank(), Command.REISSUE, orders.reissue(WANG, 1)),
        (sgc.blank(), Command.SET, orders.set_card(WANG, SETTINGS)),
    ):
        assert sgc.ask(card, code, items, password="keycard").error == KEY_CARD
        assert (sgc.updates, sgc.verifies, card.card._tries) == (0, 0, 3)
    assert sgc.ask(taken, Command.PURCHASE, orders.purchase(WANG, FIRST), password="keycard").ok  # nothing to write
    assert sgc.ask(taken, Command.PURCHASE, orders.purchase(WANG, THIRD), password="keycard").error == COUNT
    assert content(taken) == before


@pytest.mark.parametrize("password", ["", "!", "keycard ", "test-sm4=", "test-sm4=" + "g" * 32, "test-sm4=" + "0" * 31])
def test_a_malformed_password_costs_no_try(sgc, opened, password):
    assert sgc.ask(opened, Command.PURCHASE, orders.purchase(WANG, FIRST), password=password).error == SECRET
    assert (sgc.verifies, opened.card._tries) == (0, 3)


def test_a_wrong_key_costs_one_try_and_the_last_is_not_risked(sgc, opened):
    items, wrong = orders.purchase(WANG, FIRST), "test-sm4=" + "0" * 32
    for left in (2, 1):
        assert sgc.ask(opened, Command.PURCHASE, items, password=wrong).error == SECRET
        assert opened.card._tries == left
    assert sgc.ask(opened, Command.PURCHASE, items).error == LOCKED
    assert sgc.verifies == 0
    opened.card._tries = 2
    sgc.do(opened, Command.PURCHASE, items)
    assert opened.card._tries == 3


def test_a_card_that_does_not_tell_its_tries_is_not_risked(sgc, opened, monkeypatch):
    plain = type(opened.card).transmit

    def silent(card, apdu):
        return b"\x67\x00" if apdu[:4] == bytes.fromhex("00820002") and len(apdu) < 13 else plain(card, apdu)

    monkeypatch.setattr(type(opened.card), "transmit", silent)
    assert sgc.ask(opened, Command.PURCHASE, orders.purchase(WANG, FIRST)).error == LOCKED


# -- whose card --------------------------------------------------------------------------------------------------------


def test_it_lives_beside_the_vendor_whose_layout_is_modelled_on_it(folder, tmp_path, sgc, opened):
    script = build_script()
    other = tmp_path / "nlt"
    other.mkdir()
    script.build(script.SOURCE / "nlt", other)
    assert [each.vendor.abbr for each in load_registry([folder, other]).manifests] == ["SGC", "NLT"]
    named = with_file(opened, PARA, b"NLT\x01", 6)
    for code, items in ((Command.READ, {}), (Command.OPEN, orders.open_card(WANG))):
        assert sgc.ask(named, code, items).error == NOT_MINE
    issued = sgc.blank()
    issued.card._files.clear()
    assert sgc.ask(issued, Command.READ).error == NOT_MINE


def test_an_older_or_other_card_with_a_kind_nobody_knows_is_damaged(sgc, opened):
    for at, byte in ((42, 4), (42, 9), (1, 3), (1, 2)):
        card = with_file(opened, PARA, bytes((byte,)), at)
        file = content(card)[PARA]
        card = with_file(card, PARA, bytes((sum(file[1:43]) & 0xFF,)), 43)
        assert sgc.ask(card, Command.READ).error == DAMAGED
        assert sgc.ask(card, Command.CLEAR, {**orders.clear(WANG, 0, insist=True)}).ok
        assert content(card) == content(sgc.blank())


def test_opened_twice_and_bought_in_between(sgc, opened):
    again = orders.open_card(WANG, settings=SETTINGS, when=9)
    sgc.do(opened, Command.OPEN, again)
    assert sgc.updates == 0
    sgc.do(opened, Command.PURCHASE, orders.purchase(WANG, FIRST))
    assert sgc.ask(opened, Command.OPEN, again).error == NOT_BLANK
