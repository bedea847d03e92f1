"""OPG: our tokens against the published ones and against the openpaygo library; the meter, which is that library."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keypad_bench import WHEN, ZHAO, Keypad, build, checked
from openpaygo import OpenPAYGOTokenDecoder, OpenPAYGOTokenEncoder, TokenType

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders

ITEMS, NOT_SUPPORTED, SECRET, COUNT, OVER_LIMIT, MISSING = 0x01, 0x02, 0x06, 0x0D, 0x0E, 0x16
FIRST_KEY, FIRST_START = bytes.fromhex("bc41ec9530f6dac86b1a29ab82edc5fb"), 516959010
SECOND_KEY, SECOND_START = bytes.fromhex("dac86b1a29ab82edc5fbbc41ec9530f6"), 432435255
# EnAccess/OpenPAYGO-python@d90881bc test/test_tokens.jsonl: ADD_TIME, extended, not restricted; token counts 2 and 12
PUBLISHED = [
    (FIRST_KEY, FIRST_START, 1, 1, "247264959011"), (FIRST_KEY, FIRST_START, 1, 2, "088026959012"),
    (FIRST_KEY, FIRST_START, 1, 5, "507849959015"), (FIRST_KEY, FIRST_START, 1, 995, "202207960005"),
    (SECOND_KEY, SECOND_START, 6, 1, "190546435256"), (SECOND_KEY, SECOND_START, 6, 2, "504100435257"),
    (SECOND_KEY, SECOND_START, 6, 5, "406910435260"), (SECOND_KEY, SECOND_START, 6, 995, "750811436250"),
]  # fmt: skip
MASTER = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0")
GOLDEN_SECRETS = ("e60e7e81d804e8fd2b3cb31aecd55190", 708_523_762)
GOLDEN_TOKENS = ["089579532096", "766029523763", "153806523761", "998955523862"]
VALUES = st.integers(1, 999_999)
SEEDED = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return build(tmp_path_factory, "opg")


@pytest.fixture
def opg(finished):
    return Keypad(finished)


def test_siphash_is_the_one_of_the_paper(opg):
    # Aumasson and Bernstein, "SipHash: a fast short-input PRF", appendix A; and its reference vectors 0 and 8
    key = bytes(range(16))
    assert opg.module.siphash(key, bytes(range(15))) == 0xA129CA6149BE45E5
    assert opg.module.siphash(key, b"") == int.from_bytes(bytes.fromhex("310E0EDD47DB6F72"), "little")
    assert opg.module.siphash(key, bytes(range(8))) == int.from_bytes(bytes.fromhex("6224939A79F5F593"), "little")


@pytest.mark.parametrize(("key", "start", "count", "value", "token"), PUBLISHED)
def test_published_tokens(opg, key, start, count, value, token):
    assert opg.module.add_token(key, start, count, value) == token


@SEEDED
@given(
    key=st.binary(min_size=16, max_size=16), start=st.integers(1, 999_999_999), count=st.integers(1, 40), value=VALUES
)
def test_our_tokens_are_the_librarys(finished, key, start, count, value):
    theirs = OpenPAYGOTokenEncoder.generate_token(
        secret_key=key.hex(), count=2 * count - 2, value=value, token_type=TokenType.ADD_TIME, starting_code=start,
        extended_token=True,
    )  # fmt: skip
    assert (2 * count, Keypad(finished).module.add_token(key, start, count, value)) == theirs


def test_each_meter_has_secrets_of_its_own(opg):
    key, start = opg.module.meter_secrets(MASTER, b"07123456789")
    assert (key.hex(), start) == GOLDEN_SECRETS
    others = {opg.module.meter_secrets(MASTER, meter) for meter in (b"07123456789", b"7123456789", b"07123456788")}
    assert len(others) == 3
    assert opg.module.meter_secrets(bytes(16), b"07123456789") != (key, start)


def test_golden_tokens(opg):
    assert [opg.buy(*each) for each in ((1, 8334), (2, 1), (3, 999_999), (5000, 100))] == GOLDEN_TOKENS


def test_money_becomes_energy_in_the_meter(opg):
    token = opg.buy(1, 8334)
    assert opg.enter(" ".join((token[:4], token[4:8], token[8:]))) == {
        "accepted": True, "count": 1, "remaining": 8334, "said": "+83.34 kWh 充值成功",
    }  # fmt: skip
    again = opg.enter(token)
    assert (again["accepted"], again["count"], again["remaining"]) == (False, 1, 8334)
    assert not opg.enter(token, meter="07123456788")["accepted"]


def test_neither_time_nor_terminal_nor_sale_change_the_token(opg):
    token = opg.buy(3, 500)
    assert opg.buy(3, 500, "20270101000000", sale=bytes(16)) == token
    assert Keypad(opg.folder.manifest.folder).buy(3, 500) == token  # a driver that has just been loaded


def test_of_two_tokens_with_one_count_the_meter_takes_one(opg):
    tokens = [opg.buy(1, 500), opg.buy(1, 900)]
    assert tokens[0] != tokens[1]
    assert [opg.enter(token)["accepted"] for token in tokens] == [True, False]
    assert opg.enter("")["remaining"] == 500


@SEEDED
@given(values=st.lists(VALUES, min_size=1, max_size=8), chance=st.randoms(use_true_random=False))
def test_tokens_in_disorder_each_count_once_and_give_what_was_paid(finished, values, chance):
    opg = Keypad(finished)
    tokens = [(opg.buy(count, value), opg.given, value) for count, value in enumerate(values, 1)]
    typed = tokens * 2
    chance.shuffle(typed)
    taken = [token for token, _, _ in typed if opg.enter(token)["accepted"]]
    assert sorted(taken) == sorted(token for token, _, _ in tokens)
    told = opg.enter("")
    assert (told["count"], told["remaining"]) == (len(values), sum(given for _, given, _ in tokens))
    assert all(0 <= given - value <= 2 for _, given, value in tokens)


def test_seven_purchases_back_is_still_taken_and_thirty_two_ahead(opg):
    tokens = {count: opg.buy(count, 100) for count in (1, 24, 25, 32, 33, 64)}
    assert not opg.enter(tokens[33])["accepted"]  # the library looks 64 token counts ahead
    assert opg.enter(tokens[32])["accepted"]
    assert opg.enter(tokens[25])["accepted"]
    assert not opg.enter(tokens[24])["accepted"]
    assert not opg.enter(tokens[1])["accepted"]
    assert opg.enter(tokens[64]) | {"said": ""} == {"accepted": True, "count": 64, "remaining": 300, "said": ""}


def test_the_numbers_that_are_commands_to_decoders_are_passed_over(opg):
    key, start = opg.module.meter_secrets(MASTER, ZHAO.meter.encode())
    count_999 = opg.module.add_token(key, start, 1, 999)
    taken = [
        OpenPAYGOTokenDecoder.decode_token(
            token=count_999, secret_key=key.hex(), count=2, used_counts=[0, 2], starting_code=start
        )[0]
        for _ in range(2)
    ]
    assert taken == [999, 999]  # what would happen: a used token, taken again and again
    for asked, gives in ((997, 997), (998, 1000), (999, 1000), (1000, 1000)):
        token = opg.buy(1, asked)
        assert (opg.given, token) == (gives, opg.module.add_token(key, start, 1, gives))


@pytest.mark.parametrize(
    ("count", "energy", "error"),
    [(0, 500, COUNT), (0, 0, COUNT), (1, 0, OVER_LIMIT), (1, 1_000_000, OVER_LIMIT), (1, 2**32 - 1, OVER_LIMIT),
     (5001, 500, OVER_LIMIT), (2**32 - 1, 500, OVER_LIMIT)],
)  # fmt: skip
def test_what_no_token_holds_is_refused_before_the_password(opg, count, energy, error):
    assert opg.purchase(count, energy, password="key=nonsense").error == error


@pytest.mark.parametrize("di", [DI.HOARD_LIMIT, DI.ALARM_1, DI.PT_RATIO, DI.TARIFF, DI.LADDER, DI.TARIFF_FROM])
def test_settings_are_never_skipped(opg, di):
    value = {DI.TARIFF: bytes(7) + b"\1", DI.TARIFF_FROM: WHEN.encode()}.get(di, orders.u4(5))
    assert opg.ask(Command.PURCHASE, {**opg.order(1, 500), di: value}).error == OVER_LIMIT


@pytest.mark.parametrize(
    "password",
    ["", "key=", "0F1E2D3C4B5A69788796A5B4C3D2E1F0", "key=0F1E2D3C4B5A69788796A5B4C3D2E1F", "KEY=" + "0" * 32,
     "key=0F1E2D3C4B5A69788796A5B4C3D2E1F0F", "key=0F1E2D3C4B5A69788796A5B4C3D2E1 0", "key=" + "x" * 32],
)  # fmt: skip
def test_a_malformed_password_makes_no_token(opg, password):
    assert opg.purchase(1, 500, password=password).error == SECRET


def test_hex_digits_may_be_small(opg):
    assert opg.purchase(1, 500, password=f"key={MASTER.hex()}").digits(DI.TOKEN) == opg.buy(1, 500)


@pytest.mark.parametrize(
    "typed", ["", "12345678901", "1234567890123", "12345678901a", "１２３４５６７８９０１２", "000000000000"]
)
def test_the_meter_takes_nothing_but_its_digits(opg, typed):
    assert not opg.enter(typed)["accepted"]


def test_the_kit_finds_nothing(finished):
    status, page = checked(finished)
    assert (status, "0 failed" in page, "0 could not be tried" in page) == (0, True, True), page
    passed = [line for line in page.splitlines() if line.startswith("ok")]
    assert sum("§8" in line for line in passed) == 5
