"""STS: EA07 and the token's bits against the vectors of STS 531-1; the meter, written apart from the driver."""

from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from keypad_bench import SALE, WHEN, ZHAO, Keypad, build, checked

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders

ITEMS, SECRET, COUNT, OVER_LIMIT, NO_KEYS = 0x01, 0x06, 0x0D, 0x0E, 0x14
civil = datetime.fromisoformat
BASE_1993, BASE_2014 = civil("1993-01-01"), civil("2014-01-01")
# STS 531-1 as NectarAPI/tokens-service@609cea0e0c8a tests it (numbers only): vending key AB…AB, supply group 123456,
# tariff index 01, key revision 1, key type 2, RND 5, base date 1993, DKGA02, EA07
VENDING_KEY, RND = bytes.fromhex("AB" * 8), 5
FIRST, SECOND = "600727000000000009", "000001000000000082"
CTSA01 = [  # PAN, minutes after 2004-03-01 13:55, subclass, token of 0.1
    (FIRST, 0, 0, "23716100501183194197"), (SECOND, 5, 0, "67206107716095682372"),
    (FIRST, 10, 1, "42502136492215507402"), (SECOND, 15, 1, "09109691696351271646"),
    (FIRST, 20, 2, "67586531586639825066"), (SECOND, 25, 2, "35758660990071466853"),
]  # fmt: skip
CTSA10 = [  # time on 2004-04-01, 0.1 kWh asked, 0.1 kWh given, token
    ("00:30", 256, 256, "26456622012185850752"), ("00:35", 16_383, 16_383, "02194538019157867319"),
    ("00:40", 16_384, 16_384, "49848950875249585071"), ("00:45", 20_000, 20_004, "71997443697501228179"),
    ("00:50", 180_223, 180_224, "58589277912776864555"), ("00:55", 180_224, 180_224, "16328229234437142451"),
    ("01:44", 1_818_623, 1_818_624, "45001756646344378677"), ("01:49", 1_818_624, 1_818_624, "15810488151857362998"),
    ("01:54", 18_201_624, 18_201_624, "42222423067848970276"),
]  # fmt: skip
MOST = 182_016_240  # 0.01 kWh
TIMES = st.datetimes(BASE_2014, civil("2045-11-24T20:14"))
SEEDED = settings(max_examples=60, deadline=None, derandomize=True)
GOLDEN_KEY = "7e83dd059483a7af"
GOLDEN_TOKENS = ["68038933182428415547", "19304696915578098427", "45317044146007333504"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return build(tmp_path_factory, "sts")


@pytest.fixture
def sts(finished):
    return Keypad(finished)


def decoder_key(pan):
    """DKGA02: DES of (PAN block xor control block), xor itself, xor the vending key."""
    block = bytes.fromhex(pan[1:17])
    control = bytes.fromhex("2" + "123456" + "01" + "1" + "FFFFFF")
    both = bytes(a ^ b for a, b in zip(block, control, strict=True))
    des = Cipher(TripleDES(VENDING_KEY * 3), modes.ECB()).encryptor()
    return bytes(a ^ b ^ c for a, b, c in zip(des.update(both), both, VENDING_KEY, strict=True))


def made(module, key, when, tenths, subclass=0):
    block = module.credit_block(RND, module.token_identifier(when, BASE_1993), module.amount_code(tenths), subclass)
    return module.digits_of(module.ea07(key, block))


def test_the_published_decoder_key():
    assert decoder_key(FIRST)[::-1].hex() == "6ff35b9d1f3453e6"  # published with its lowest byte first


@pytest.mark.parametrize(("pan", "minutes", "subclass", "token"), CTSA01)
def test_published_tokens_of_electricity_water_and_gas(sts, pan, minutes, subclass, token):
    when = civil("2004-03-01T13:55") + timedelta(minutes=minutes)
    assert made(sts.module, decoder_key(pan), when, 1, subclass) == token


@pytest.mark.parametrize(("time", "asked", "given", "token"), CTSA10)
def test_published_tokens_of_every_exponent(sts, time, asked, given, token):
    when = civil(f"2004-04-01T{time}")
    assert made(sts.module, decoder_key(FIRST), when, asked) == token
    minutes = (when - BASE_1993) // timedelta(minutes=1)
    assert sts.meter.read_token(decoder_key(FIRST), token) == (minutes, given)


@SEEDED
@given(key=st.binary(min_size=8, max_size=8), block=st.integers(0, 2**64 - 1))
def test_the_meter_deciphers_what_the_driver_enciphers(finished, key, block):
    sts = Keypad(finished)
    assert sts.meter.decipher(key, sts.module.ea07(key, block)) == block


@SEEDED
@given(asked=st.integers(1, MOST), when=TIMES, sale=st.binary(min_size=16, max_size=16))
def test_every_token_decodes_to_its_time_and_no_less_than_was_paid(finished, asked, when, sale):
    sts = Keypad(finished)
    token = sts.buy(1, asked, f"{when:%Y%m%d%H%M%S}", sale=sale)
    identifier, tenths = sts.meter.read_token(sts.meter.decoder_key(ZHAO.meter), token)
    minutes = (when - BASE_2014) // timedelta(minutes=1)
    assert identifier == minutes + (minutes % 1440 == 1)
    assert asked <= 10 * tenths == sts.given
    step = next(step for most, step in ((163_830, 10), (1_802_230, 100), (18_186_230, 1000), (MOST, 10_000))
                if asked <= most)  # fmt: skip
    assert sts.given - asked < step


def test_amounts_at_every_border(sts):
    codes = {tenths: sts.module.amount_code(tenths) for tenths in (1, 16_383, 16_384, 16_385, 180_224, 18_201_624)}
    assert codes == {1: 1, 16_383: 0x3FFF, 16_384: 0x4000, 16_385: 0x4001, 180_224: 0x8000, 18_201_624: 0xFFFF}
    said = [sts.module.amount_of(code) for code in range(1 << 16)]
    assert said == sorted(set(said))  # a larger code says more: so the first that is enough is the least
    assert all(sts.module.amount_code(tenths) == code for code, tenths in enumerate(said))


def test_keys_and_tokens_that_must_never_change(sts):
    assert sts.meter.decoder_key(ZHAO.meter).hex() == GOLDEN_KEY
    assert [sts.buy(1, 8334), sts.buy(2, 1, "20261101093200"), sts.buy(3, MOST, "20451124201400")] == GOLDEN_TOKENS


def test_money_becomes_energy_in_the_meter(sts):
    token = sts.buy(1, 8334)
    assert sts.given == 8340
    assert sts.enter(" ".join(token[at : at + 4] for at in range(0, 20, 4))) == {
        "accepted": True, "count": 1, "remaining": 8340, "said": "+83.4 kWh 充值成功",
    }  # fmt: skip
    again = sts.enter(token)
    assert (again["accepted"], again["remaining"], again["said"]) == (False, 8340, "used 已使用")
    assert not sts.enter(token, meter="07123456788")["accepted"]


def test_the_same_request_has_the_same_token_for_ever(sts, finished):
    token = sts.buy(1, 8334)
    sts.buy(2, 100, "20261101100000")
    assert sts.buy(1, 8334) == token
    assert Keypad(finished).buy(1, 8334) == token
    assert sts.buy(1, 8334, WHEN[:-2] + "59") == token  # seconds do not stand in a token
    assert sts.buy(1, 8334, sale=bytes(16)) != token  # the sale id does, as RND


def test_of_two_tokens_of_one_minute_the_meter_takes_one(sts):
    tokens = [sts.buy(1, 8334), sts.buy(1, 9000), sts.buy(2, 500, WHEN[:-2] + "45")]
    assert len(set(tokens)) == 3
    assert [sts.enter(token)["accepted"] for token in tokens] == [True, False, False]
    assert sts.enter("")["remaining"] == 8340


def test_one_minute_past_midnight_is_not_for_credit(sts):
    times = ("20261101000000", "20261101000100", "20261101000200", "20261101000300")
    identifiers = [sts.meter.read_token(sts.meter.decoder_key(ZHAO.meter), sts.buy(1, 10, when))[0] for when in times]
    first = identifiers[0]
    assert [each - first for each in identifiers] == [0, 2, 2, 3]  # so two minutes between purchases are always enough


@SEEDED
@given(values=st.lists(st.integers(1, 900_000), min_size=1, max_size=9), chance=st.randoms(use_true_random=False))
def test_tokens_in_disorder_each_count_once_and_give_what_was_paid(finished, values, chance):
    sts = Keypad(finished)
    tokens, due = [], 0
    for count, value in enumerate(values, 1):
        tokens.append(sts.buy(count, value, f"2026110109{2 * count:02d}00"))
        due += sts.given
    typed = tokens * 2
    chance.shuffle(typed)
    taken = [token for token in typed if sts.enter(token)["accepted"]]
    assert sorted(taken) == sorted(tokens)
    told = sts.enter("")
    assert (told["count"], told["remaining"]) == (len(values), due)
    assert due >= sum(values)


def test_a_token_before_the_fifty_the_meter_knows_is_too_old(sts):
    start = civil("2026-11-01")
    stamps = [f"{start + timedelta(minutes=2 * each):%Y%m%d%H%M%S}" for each in range(52)]
    late, tokens = sts.buy(1, 100, stamps[0]), [sts.buy(each + 1, 100, stamps[each]) for each in range(1, 52)]
    assert all(sts.enter(token)["accepted"] for token in tokens)
    assert sts.enter(late)["said"] == "too old 已过期"
    assert sts.enter(tokens[0])["said"] == "too old 已过期"  # taken once, and forgotten
    assert sts.enter(tokens[1])["said"] == "used 已使用"
    assert sts.enter("")["count"] == 51


@pytest.mark.parametrize(
    ("change", "error"),
    [({DI.COUNT: bytes(4)}, COUNT), ({DI.ENERGY: bytes(4)}, OVER_LIMIT), ({DI.ENERGY: b"\xff" * 4}, OVER_LIMIT),
     ({DI.ENERGY: orders.u4(MOST + 1)}, OVER_LIMIT), ({DI.WHEN: b"20131231235959"}, OVER_LIMIT),
     ({DI.WHEN: b"20451124201500"}, None), ({DI.WHEN: b"20451124201600"}, OVER_LIMIT),
     ({DI.WHEN: b"20261301000000"}, ITEMS), ({DI.WHEN: b"20260229000000"}, ITEMS),
     ({DI.WHEN: b"00000000000000"}, ITEMS), ({DI.ALARM_1: orders.u4(5)}, OVER_LIMIT)],
)  # fmt: skip
def test_what_no_token_holds_is_refused_before_the_password(sts, change, error):
    for password in ("keymodule", "nonsense"):
        answer = sts.ask(Command.PURCHASE, {**sts.order(1, 500), **change}, password)
        assert answer.error == (error or {"keymodule": NO_KEYS, "nonsense": SECRET}[password])


def test_the_real_key_module_is_not_here(sts):
    assert sts.purchase(1, 500, password="keymodule").error == NO_KEYS


@pytest.mark.parametrize(
    "password",
    ["", "test-key=", "0123456789ABCDEF", "test-key=0123456789ABCDE", "test-key=0123456789ABCDEFF", "keymodule=1",
     "test-key=0123456789ABCDEG", "TEST-KEY=0123456789ABCDEF"],
)  # fmt: skip
def test_a_malformed_password_makes_no_token(sts, password):
    assert sts.purchase(1, 500, password=password).error == SECRET


def test_any_key_module_may_stand_in_its_place(sts, monkeypatch):
    asked = []

    class Hsm:
        def encipher(self, meter, block):
            asked.append((meter, block))
            return 0xFFFF_FFFF_FFFF_FFFF

    monkeypatch.setattr(sts.module, "key_module", lambda password: Hsm() if password == "keymodule" else None)
    token = sts.purchase(1, 500, password="keymodule").digits(DI.TOKEN)
    assert int(token) == (1 << 66) - 1 - (3 << 27)  # the class, 00, stands at bits 28 and 27
    [(meter, block)] = asked
    assert (meter, block >> 60, block >> 16 & 0xFFFF) == (b"07123456789", 0, 50)


def test_a_test_key_is_no_vending_key(sts):
    """Even with a vending key given as the test key, no token of a real meter comes out."""
    token = sts.buy(1, 10, person=orders.Person("420100", "1", FIRST), sale=SALE)
    ours = sts.purchase(1, 10, password=f"test-key={VENDING_KEY.hex()}", person=orders.Person("420100", "1", FIRST))
    real = decoder_key(FIRST)
    assert sts.meter.read_token(real, token) is None
    assert sts.meter.read_token(real, ours.digits(DI.TOKEN)) is None


@pytest.mark.parametrize("typed", ["", "1" * 19, "1" * 21, "1" * 19 + "a", "１" * 20, "0" * 20, "9" * 20])
def test_the_meter_takes_nothing_but_its_digits(sts, typed):
    assert not sts.enter(typed)["accepted"]


@pytest.mark.parametrize("token_class", [1, 2, 3])
def test_only_class_0_is_credit(sts, token_class):
    token = sts.buy(1, 500)
    assert not sts.enter(str(int(token) | token_class << 27).zfill(20))["accepted"]
    assert sts.enter(token)["accepted"]


def test_water_is_not_for_an_electricity_meter(sts):
    key = sts.meter.decoder_key(ZHAO.meter)
    assert sts.enter(made(sts.module, key, civil("2004-03-01"), 5))["accepted"]
    assert not sts.enter(made(sts.module, key, civil("2004-03-02"), 5, subclass=1))["accepted"]


def test_the_kit_finds_nothing(finished):
    status, page = checked(finished)
    assert (status, "0 failed" in page, "0 could not be tried" in page) == (0, True, True), page
    passed = [line for line in page.splitlines() if line.startswith("ok")]
    assert sum("§8" in line for line in passed) == 5


def test_without_its_key_module_the_kit_says_so(tmp_path_factory):
    folder = build(tmp_path_factory, "sts")
    (folder / "conformance" / "blank.toml").write_text('password = "keymodule"\n')
    status, page = checked(folder)
    assert status == 0
    assert "14 (NO_KEY_CARD" in page
    assert "PURCHASE was not tried at all" in page
