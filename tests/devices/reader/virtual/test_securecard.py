"""CPU cards that guard their files: published vectors, dialogues over T=0 and T=1, tears, and a real pcscd between."""

import copy
import importlib.util
from pathlib import Path

import pytest

from kiosk.devices.reader.pcsc import PcscConnection
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.filecard import DF_METER, USER_FILES
from kiosk.devices.reader.virtual.keys import Algorithm, KeysElsewhere, SoftwareKeys, diversified, encipher, mac
from kiosk.devices.reader.virtual.securecard import Guard, SecureCard
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.model.errors import CardRefused

VENDOR = Path(__file__).parents[4] / "kiosk" / "drivers" / "vendors" / "sgc"
SERIAL = bytes.fromhex("1122334455667788")
MASTER = bytes(range(16))
KEYS = {
    Algorithm.DES: SoftwareKeys(Algorithm.DES, {1: MASTER[:8], 2: MASTER[8:]}),
    Algorithm.TDES: SoftwareKeys(Algorithm.TDES, {1: MASTER, 2: MASTER[::-1]}),
    Algorithm.SM4: SoftwareKeys(Algorithm.SM4, {1: MASTER, 2: MASTER[::-1]}),
}
GUARDED = {name: Guard(update_after=2, mac=2) for name in USER_FILES}
MESSAGE = bytes.fromhex("04D682000C0000271000000008")


def x(text):
    return bytes.fromhex(text)


def card_of(keys, **how):
    """At the meter's files, with challenges of 11 22 33 …."""
    card = SecureCard(
        serial=SERIAL, keys=keys, guards=how.pop("guards", GUARDED), chance=lambda size: SERIAL[:size], **how
    )
    card.reset()
    for apdu in ("00A40000023F00", "00A4000002DF01"):
        card.transmit(x(apdu))
    return card


def authenticate(card, keys, key=2):
    challenge = card.transmit(x("0084000008"))[:-2]
    return card.transmit(bytes((0, 0x82, 0, key, 8)) + keys.cryptogram(key, SERIAL, challenge))


def update(card, keys, header, data):
    challenge = card.transmit(x("0084000004"))[:-2]
    apdu = x(header) + bytes((len(data) + 4,)) + data
    return card.transmit(apdu + keys.mac(2, SERIAL, challenge, apdu))


# -- ciphers -----------------------------------------------------------------------------------------------------------


def test_sm4_as_gb_t_32907_prints_it():
    key = x("0123456789ABCDEFFEDCBA9876543210")
    assert encipher(Algorithm.SM4, key, key) == x("681EDF34D206965E86B3E94F536E4246")


def test_des_and_3des_as_everybody_knows_them():
    assert encipher(Algorithm.DES, x("0123456789ABCDEF"), b"Now is t") == x("3FA40E8A984D4815")  # FIPS 81
    both = encipher(Algorithm.TDES, 2 * x("0123456789ABCDEF"), b"Now is t")
    assert both == x("3FA40E8A984D4815")  # both halves alike: single DES


@pytest.mark.parametrize(
    ("algorithm", "key", "wanted"),
    [(Algorithm.TDES, bytes(range(16)), "0A860A38"), (Algorithm.DES, bytes(range(8)), "0EC84EFC")],
)
def test_the_neutral_mac_vectors(algorithm, key, wanted):
    assert mac(algorithm, key, x("11223344"), MESSAGE) == x(wanted)
    assert mac(algorithm, key, x("1122334400000000"), MESSAGE) == x(wanted)
    longer = MESSAGE + b"\x80"  # padding is never left out, so these two are not the same message
    assert mac(algorithm, key, x("11223344"), longer) != x(wanted)


def test_a_message_that_fills_its_blocks_is_padded_all_the_same():
    key = x("0123456789ABCDEFFEDCBA9876543210")
    start = encipher(Algorithm.SM4, key, key)  # CBC from a challenge of zeros
    last = bytes(a ^ b for a, b in zip(start, b"\x80" + bytes(15), strict=True))
    assert mac(Algorithm.SM4, key, bytes(4), key) == encipher(Algorithm.SM4, key, last)[:4]


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_card_has_keys_of_its_own(algorithm):
    key = MASTER[: algorithm.key]
    own = diversified(algorithm, key, SERIAL)
    assert len(own) == algorithm.key
    assert own[:8] != diversified(algorithm, key, SERIAL[::-1])[:8]
    if algorithm is Algorithm.TDES:  # left the serial, right its complement
        assert own == encipher(algorithm, key, SERIAL) + encipher(algorithm, key, x("EEDDCCBBAA998877"))
    with pytest.raises(ValueError, match="8 bytes"):
        diversified(algorithm, key, SERIAL[1:])


def test_keys_have_their_length_and_can_be_the_cards_own():
    with pytest.raises(ValueError, match="3DES key has 16 bytes"):
        SoftwareKeys(Algorithm.TDES, {1: bytes(8)})
    own = SoftwareKeys(Algorithm.DES, {2: bytes(range(8))}, diversified=False)
    assert own.mac(2, SERIAL, x("11223344"), MESSAGE) == x("0EC84EFC")
    with pytest.raises(KeyError):
        own.cryptogram(3, SERIAL, bytes(8))


def test_keys_that_are_elsewhere_say_so():
    for call in (
        lambda: KeysElsewhere().cryptogram(2, SERIAL, bytes(8)), lambda: KeysElsewhere().mac(2, SERIAL, bytes(4), b""),
    ):  # fmt: skip
        with pytest.raises(CardRefused, match=r"C-114.*key 2.*not here"):
            call()


# -- the card ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("t1", [False, True])
def test_authenticated_and_written(algorithm, t1):
    keys = KEYS[algorithm]
    card = card_of(keys, t1=t1)
    proof = keys.cryptogram(1, SERIAL, bytes(8)) + x("9000")
    if t1:
        assert card.transmit(x("0088000108") + bytes(8) + x("08")) == proof
    else:
        assert card.transmit(x("0088000108") + bytes(8)) == x("6108")
        assert card.transmit(x("00C0000008")) == proof
    assert authenticate(card, keys) == x("9000")
    assert update(card, keys, "04D68200", MESSAGE[-8:]) == x("9000")
    assert card.transmit(x("00B0820008")) == MESSAGE[-8:] + x("9000")


def test_the_way_to_the_file_is_locked_without_both():
    keys = KEYS[Algorithm.SM4]
    card = card_of(keys)
    assert update(card, keys, "04D68200", b"ab") == x("6982")
    authenticate(card, keys)
    assert card.transmit(x("00D68200026162")) == x("6987")
    apdu = x("04D68200066162")
    assert card.transmit(apdu + keys.mac(2, SERIAL, SERIAL[:4], apdu)) == x("6984")  # no challenge was fetched
    card.transmit(x("0084000004"))
    assert card.transmit(apdu + bytes(4)) == x("6988")
    card.transmit(x("0084000004"))
    assert card.transmit(x("04D682000461626364")) == x("6700")  # a MAC and nothing else
    card.transmit(x("0084000004"))
    card.transmit(x("00B0820001"))
    assert card.transmit(apdu + keys.mac(2, SERIAL, SERIAL[:4], apdu)) == x("6984")  # good for one command only
    assert card.transmit(x("00B0820002")) == x("00009000")
    assert update(card, keys, "04D68207", b"ab") == x("6B00")
    card.transmit(x("00A4000002DF01"))
    assert update(card, keys, "04D68200", b"ab") == x("6982")  # a SELECT of a directory ends it
    other = card_of(keys, mac_wrong=x("6989"))
    authenticate(other, keys)
    other.transmit(x("0084000004"))
    assert other.transmit(apdu + bytes(4)) == x("6989")


def test_a_mac_covers_header_length_and_place():
    keys = KEYS[Algorithm.TDES]
    card = card_of(keys)
    authenticate(card, keys)
    good = x("04D68200066162")
    for moved in ("04D68201066162", "04D68100066162", "04D68200066163"):
        card.transmit(x("0084000004"))
        assert card.transmit(x(moved) + keys.mac(2, SERIAL, SERIAL[:4], good)) == x("6988"), moved
    assert bytes(card._files[DF_METER, 2]) == bytes(8)


def test_three_tries_a_key_that_survive_the_power():
    keys = KEYS[Algorithm.SM4]
    card = card_of(keys)
    assert card.transmit(x("00820002")) == x("63C3")
    said = []
    for _ in range(2):
        card.transmit(x("0084000008"))
        said.append(card.transmit(x("0082000208") + bytes(8)).hex())
        card.reset()
    assert said == ["63c2", "63c1"]
    assert card.transmit(x("0082000200")) == x("63C1")
    assert authenticate(card, keys, key=1) == x("9000")  # each key has its own
    assert authenticate(card, keys) == x("9000")
    assert card.transmit(x("00820002")) == x("63C3")
    for _ in range(3):
        card.transmit(x("0084000008"))
        card.transmit(x("0082000208") + bytes(8))
    assert authenticate(card, keys) == x("6983")
    assert card.transmit(x("00820002")) == x("6983")
    assert copy.deepcopy(card).image() == card.image() != card_of(keys).image()


def test_a_cryptogram_without_a_challenge_or_key_costs_nothing():
    card = card_of(KEYS[Algorithm.SM4])
    assert card.transmit(x("0082000208") + bytes(8)) == x("6984")
    assert card.transmit(x("0082000207") + bytes(7)) == x("6700")
    assert card.transmit(x("00820009")) == x("6A88")
    assert card.transmit(x("0084000005")) == x("6700")
    assert card.transmit(x("00820002")) == x("63C3")


def test_a_secured_read_is_for_the_command_it_names():
    keys = KEYS[Algorithm.SM4]
    card = card_of(keys, guards={2: Guard(read_after=2, update_after=2, mac=2)})
    ask = x("04B0820009 AABBCCDD 8432010C0C")
    assert card.transmit(ask) == x("6982")
    authenticate(card, keys)
    update(card, keys, "04D68200", MESSAGE[-8:])
    assert card.transmit(ask) == x("610C")
    sealed = MESSAGE[-8:] + keys.mac(2, SERIAL, x("AABBCCDD"), x("8432010C0C") + MESSAGE[-8:])
    assert card.transmit(x("00C000000C")) == sealed + x("9000")
    assert card.transmit(x("04B0820009 AABBCCDD 8432010C0D")) == x("6700")  # more than there is
    assert card.transmit(x("00B0820008")) == MESSAGE[-8:] + x("9000")
    card.reset()
    for apdu in ("00A40000023F00", "00A4000002DF01"):
        card.transmit(x(apdu))
    assert card.transmit(x("00B0820008")) == x("6982")


def test_a_card_whose_keys_nobody_has_can_be_read():
    card = card_of(None)
    assert card.transmit(x("00B0820008")) == bytes(8) + x("9000")
    assert card.transmit(x("0088000108") + bytes(8)) == x("6A88")
    assert card.transmit(x("00820002")) == x("6A88")


def test_t1_brings_data_where_le_asks_and_in_one_answer():
    card = card_of(KEYS[Algorithm.SM4], t1=True)
    atr = card.reset()
    assert atr[:4] == x("3BC90001")
    assert atr[5:13] == SERIAL
    check = 0
    for byte in atr[1:]:
        check ^= byte
    assert (len(atr), check) == (14, 0)
    assert card.transmit(x("00A40000023F00")) == x("9000")
    assert card.transmit(x("00A4000002DF0100")) == x("6F048302DF019000")
    assert card.transmit(x("00B0820000")) == bytes(8) + x("9000")
    assert card.transmit(x("00B08200")) == x("9000")
    assert card.transmit(x("00B0820008")) == bytes(8) + x("9000")


@pytest.mark.parametrize("survived", range(9))
def test_torn_in_a_secured_update_the_mac_not_counted(survived):
    keys = KEYS[Algorithm.SM4]
    card = card_of(keys)
    authenticate(card, keys)
    card.tear_after = survived
    answer = update(card, keys, "04D68200", b"abcdefgh")
    assert answer == (x("9000") if survived == 8 else b"")
    assert bytes(card._files[DF_METER, 2]) == b"abcdefgh"[:survived].ljust(8, b"\0")
    assert card.transmit(x("00820002")) == (x("63C3") if survived == 8 else b"")
    card.reset()
    assert card.transmit(x("00820002")) == x("63C3")


# -- with a driver, through the real pcscd ----------------------------------------------------------------------------

WANG = orders.Person("420100", "000010100234", "000012345678")
FIRST = orders.Bought(1, 5001, 1, bytes(16))
PASSWORD = "test-sm4=" + MASTER.hex()


@pytest.fixture(scope="module")
def driver():
    """SGC's, which makes its own SM4."""
    spec = importlib.util.spec_from_file_location("sgc_driver_for_cards", VENDOR / "driver.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Driver()


def ask(driver, port, command, items):
    return parse(driver.icard(port, Frame(command, pack_items(items)).encode(), PASSWORD), command)


def state_grid_card(t1):
    keys = SoftwareKeys(Algorithm.SM4, {2: MASTER})
    blank = {**USER_FILES, 1: x("68010027 0000 13FFFFFF") + bytes(33) + x("3816")}
    return SecureCard({DF_METER: blank}, SERIAL, keys=keys, guards=GUARDED, t1=t1)


@pytest.mark.parametrize("t1", [False, True])
def test_a_driver_with_its_own_sm4_opens_and_sells_on_it(driver, t1):
    port = VirtualCpuCard(state_grid_card(t1))
    assert ask(driver, port, Command.OPEN, orders.open_card(WANG)).ok
    port.reset()
    assert ask(driver, port, Command.PURCHASE, orders.purchase(WANG, FIRST)).number(DI.AMOUNT) == 5001
    assert bytes(port.card._files[DF_METER, 2]) == x("0000138900000001")


@pytest.mark.slow
@pytest.mark.parametrize("t1", [False, True])
def test_the_same_through_pcscd(driver, inserted, t1):
    card = state_grid_card(t1)
    watcher, session = inserted(card)

    def sell(reader):
        connection = reader._connection
        assert isinstance(connection, PcscConnection)
        told = [connection.t0]
        for command, items in (
            (Command.OPEN, orders.open_card(WANG, FIRST)),
            (Command.REVERSE, orders.reverse(WANG, FIRST)),
            (Command.PURCHASE, orders.purchase(WANG, FIRST)),
            (Command.READ, {}),
        ):
            reader.power_afresh()
            answer = ask(driver, reader.port, command, items)
            told.append((answer.error, answer.number(DI.COUNT), answer.number(DI.STATE)))
        return told

    assert watcher.do(session, sell) == [not t1, (None, 1, 1), (None, 0, 0), (None, 1, 1), (None, 1, 1)]
    assert bytes(card._files[DF_METER, 2]) == x("0000138900000001")
