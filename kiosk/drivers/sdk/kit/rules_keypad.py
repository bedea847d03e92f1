"""Contract 1 §8: meters with keypads: PURCHASE gives a token, no card is touched."""

from __future__ import annotations

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.rules_secret import MALFORMED
from kiosk.drivers.sdk.kit.verdict import NotOffered, demand

OTHERS = (
    Command.READ, Command.OPEN, Command.REISSUE, Command.CLEAR, Command.SET, Command.CHECK, Command.REVERSE,
)  # fmt: skip


def rule_token(bench: Bench) -> None:
    """PURCHASE answers 0507, digits, with icdev = 0; the same PURCHASE again succeeds; value 0 and a malformed password
    do not."""
    _keypad(bench)
    items = orders.purchase(states.person(bench), states.bought(bench, 1))
    tokens = []
    for what in ("PURCHASE", "PURCHASE repeated"):
        answer = bench.ask_port(Command.PURCHASE, items, None)
        demand(answer.ok, what, "success", answer.said)
        demand(answer.digits(DI.TOKEN).isdigit(), f"{what}: 0507", "digits", answer.digits(DI.TOKEN) or "left out")
        tokens.append(answer.digits(DI.TOKEN))
    if len(set(tokens)) > 1:
        bench.remarks.append("PURCHASE repeated gives another token: the meter must take only one of them")
    answer = bench.ask_port(Command.PURCHASE, {**items, bench.unit_item: bytes(4)}, None)
    # §4.14 does not say with which code
    demand(answer.error in (0x0E, 0x01), "PURCHASE of value 0", "error 0E or 01", answer.said)
    if bench.folder.password:
        answer = bench.ask_port(Command.PURCHASE, items, None, MALFORMED)
        demand(answer.error == 0x06, f"PURCHASE with the password “{MALFORMED}”", "error 06", answer.said)


def rule_keypad_only_sells(bench: Bench) -> None:
    """READ and the rest answer 02."""
    _keypad(bench)
    for command in OTHERS:
        answer = bench.ask_port(command, {}, None)
        demand(answer.error == 0x02, command.name, "error 02", answer.said)


def _keypad(bench: Bench) -> None:
    if bench.folder.type_name:
        raise NotOffered("a vendor with cards")
