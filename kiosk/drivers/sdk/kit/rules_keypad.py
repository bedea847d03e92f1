"""Contract 1 §8: meters with keypads: PURCHASE gives a token, no card is touched.

The meter, where conformance/meter.py plays one, is ours to ask: ``enter(meter, token)``, docs/add-a-vendor.md §9. What
a driver makes a token of is its own affair; meter, count, value, time and sale id are the same in a repetition, so they
are the same here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import Answer
from kiosk.drivers.sdk.kit.bench import NONSENSE, Bench
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.verdict import NotOffered, RuleBroken, demand

OTHERS = (
    Command.READ, Command.OPEN, Command.REISSUE, Command.CLEAR, Command.SET, Command.CHECK, Command.REVERSE,
)  # fmt: skip
NO_KEYS, COUNT_MISMATCH = 0x14, 0x0D


def rule_token(bench: Bench) -> None:
    """PURCHASE answers 0507, digits, with icdev = 0; value 0, settings and a malformed password are refused."""
    _keypad(bench)
    items = _request(states.person(bench), states.bought(bench, 1))
    _token(bench, items, "PURCHASE")
    answer = bench.ask_port(Command.PURCHASE, {**items, bench.unit_item: bytes(4)}, None)
    # §4.14 does not say with which code
    demand(answer.error in (0x0E, 0x01), "PURCHASE of value 0", "error 0E or 01", answer.said)
    answer = bench.ask_port(Command.PURCHASE, {**items, DI.HOARD_LIMIT: orders.u4(states.hoard(bench))}, None)
    carried = answer.ok and DI.HOARD_LIMIT in answer.items
    demand(carried or answer.error == 0x0E, "PURCHASE with 0401", "error 0E, or 0401 in the answer", answer.said,
           "§1: what cannot be held is never skipped")  # fmt: skip
    if bench.folder.password:
        answer = bench.ask_port(Command.PURCHASE, items, None, NONSENSE)
        demand(answer.error == 0x06, f"PURCHASE with the password “{NONSENSE}”", "error 06", answer.said)


def rule_token_stays(bench: Bench) -> None:
    """The same request gives the same token, with other purchases between, and after a power cut; another purchase or
    another meter has another token."""
    _keypad(bench)
    someone, first, second = states.person(bench), states.bought(bench, 1), states.bought(bench, 2)
    items = _request(someone, first)
    token = _token(bench, items, "PURCHASE").digits(DI.TOKEN)
    _same(bench, items, token, "PURCHASE repeated")
    others: dict[str, Items] = {
        "PURCHASE of the next count": _request(someone, second),
        "the same PURCHASE for another meter": _request(states.person(bench), first),
    }
    for what, other in others.items():
        said = _token(bench, other, what).digits(DI.TOKEN)
        demand(said != token, what, "another token", said)
    more = _request(someone, _more(bench, first))
    what = "PURCHASE of the same count with another value"
    answer = bench.ask_port(Command.PURCHASE, more, None)
    demand(answer.error == COUNT_MISMATCH or answer.ok, what, "a token of its own, or error 0D", answer.said)
    demand(answer.digits(DI.TOKEN) != token, what, "a token of its own, or error 0D", "the same token")
    _same(bench, items, token, "PURCHASE repeated after others")
    bench.driver.restart()
    _same(bench, items, token, "PURCHASE repeated after a power cut")


def rule_token_taken_once(bench: Bench) -> None:
    """The meter takes each token once, in order or not, and gives what was asked or, as 0208 then says, more."""
    _keypad(bench)
    someone = states.person(bench)
    _typed(bench, someone, _token(bench, _request(someone, states.bought(bench, 1)), "PURCHASE 1"), "token 1")
    bought = states.bought(bench, 2)
    sold = _token(bench, _request(someone, bought), "PURCHASE 2")
    given = sold.number(bench.unit_item) or bench.value(bought)
    demand(given >= bench.value(bought), f"PURCHASE 2: {bench.unit_item:04X}", f"{bench.value(bought)} or more",
           str(given))  # fmt: skip
    before, after = _meter(bench, someone), _typed(bench, someone, sold, "token 2")
    rise = after["remaining"] - before["remaining"]
    demand(rise == given, "what token 2 gives", f"{given} in the unit", str(rise))
    _refused(bench, someone, sold.digits(DI.TOKEN), "token 2 again")
    twin = bench.ask_port(Command.PURCHASE, _request(someone, _more(bench, bought)), None)
    if twin.ok:
        _refused(bench, someone, twin.digits(DI.TOKEN), "a token with count and time of token 2 and another value")
    tokens = {count: _token(bench, _request(someone, states.bought(bench, count)), f"PURCHASE {count}")
              for count in (3, 4)}  # fmt: skip
    _typed(bench, someone, tokens[4], "token 4 before token 3")
    bench.type_in(someone.meter, tokens[3].digits(DI.TOKEN))  # late: taken or not, as the vendor's meter has it
    for count, answer in tokens.items():
        _refused(bench, someone, answer.digits(DI.TOKEN), f"token {count} again, when all were typed")


def rule_token_of_others(bench: Bench) -> None:
    """A token of another meter gives nothing, nor does one with any digit mistyped, cut short or prolonged."""
    _keypad(bench)
    someone = states.person(bench)
    token = _token(bench, _request(someone, states.bought(bench, 1)), "PURCHASE").digits(DI.TOKEN)
    _refused(bench, states.person(bench), token, "a token of another meter")
    for at, digit in enumerate(token):
        wrong = token[:at] + str((int(digit) + 1) % 10) + token[at + 1 :]
        _refused(bench, someone, wrong, f"a token with its digit {at + 1} mistyped")
    for wrong in ("", token[:-1], token + "0", "0" * len(token)):
        _refused(bench, someone, wrong, f"the digits “{wrong}”")
    demand(_meter_takes(bench, someone, token), "the token as it was given, after all that", "taken", "refused")


def rule_keypad_only_sells(bench: Bench) -> None:
    """READ and the rest answer 02."""
    _keypad(bench)
    for command in OTHERS:
        answer = bench.ask_port(command, {}, None)
        demand(answer.error == 0x02, command.name, "error 02", answer.said)


def _keypad(bench: Bench) -> None:
    if bench.folder.type_name:
        raise NotOffered("a vendor with cards")


def _request(person: Person, bought: Bought) -> Items:
    """PURCHASE; each count has a time of its own, five minutes after the one before, always the same."""
    when = f"202602151{bought.count // 10:01d}{5 * (bought.count % 10):02d}00".encode()
    sale = replace(bought, sale=bytes(15) + bytes((bought.count,)))
    return {**orders.purchase(person, sale), DI.WHEN: when}


def _more(bench: Bench, bought: Bought) -> Bought:
    """The same count with another value."""
    other = states.bought(bench, bought.count, salt=1)
    return replace(bought, amount=other.amount, energy=other.energy)


def _token(bench: Bench, items: Items, what: str) -> Answer:
    """A PURCHASE that must give a token. Raises NotOffered where the keys are not here (14)."""
    answer = bench.ask_port(Command.PURCHASE, items, None)
    if answer.error == NO_KEYS:
        raise NotOffered(f"{what}: {answer.said}; the password in conformance/blank.toml names keys that are not here")
    demand(answer.ok, what, "success", answer.said)
    demand(answer.digits(DI.TOKEN).isdigit(), f"{what}: 0507", "digits", answer.digits(DI.TOKEN) or "left out")
    return answer


def _same(bench: Bench, items: Items, token: str, what: str) -> None:
    said = _token(bench, items, what).digits(DI.TOKEN)
    demand(said == token, what, f"the token {token} again", said, "a meter that took both would give two for one")


def _meter(bench: Bench, person: Person) -> dict[str, Any]:
    """What the meter has: asked with digits that are no token."""
    return bench.type_in(person.meter, "")


def _meter_takes(bench: Bench, person: Person, token: str) -> bool:
    return bool(bench.type_in(person.meter, token)["accepted"])


def _typed(bench: Bench, person: Person, sold: Answer, what: str) -> dict[str, Any]:
    """A token the meter must take; its count rises."""
    before = _meter(bench, person)
    after = bench.type_in(person.meter, sold.digits(DI.TOKEN))
    demand(after["accepted"], f"{what} at the meter", "taken", str(after["said"]))
    counts = f"count {after['count']} after {before['count']}"
    demand(after["count"] > before["count"], f"{what} at the meter", "a higher count", counts)
    return after


def _refused(bench: Bench, person: Person, token: str, what: str) -> None:
    """Digits the meter must not take; nothing in it changes."""
    before = _meter(bench, person)
    after = bench.type_in(person.meter, token)
    kept = all(before[name] == after[name] for name in ("count", "remaining"))
    if after["accepted"] or not kept:
        raise RuleBroken(f"{what} at the meter", "refused, nothing changed", f"{after['said']}: {after}")
