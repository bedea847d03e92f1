"""The report as text, line by line; page.py makes a page of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kiosk.drivers.sdk.kit.rules_keypad import rule_token
from kiosk.drivers.sdk.kit.rules_purchase import rule_purchase
from kiosk.drivers.sdk.kit.verdict import Exchange, Outcome, Verdict
from kiosk.drivers.sdk.kit.words import frame_in_words

SIGNS = {Outcome.PASSED: "ok  ", Outcome.FAILED: "FAIL", Outcome.NOT_OFFERED: "—   ", Outcome.BLOCKED: "??  "}


def line(verdict: Verdict, earlier: Sequence[Verdict] = ()) -> str:
    """One verdict as text, several lines when there is something to act on; what an ``earlier`` one said is not said
    again."""
    rule = verdict.rule
    lines = [f"{SIGNS[verdict.outcome]}  {rule.paragraph:<12} {rule.title} · {rule.title_zh}"]
    if verdict.outcome is not Outcome.PASSED:
        told = verdict.outcome is Outcome.BLOCKED and any(verdict.why == each.why for each in earlier)
        lines.append(f"      {verdict.outcome.value}: {'as said above' if told else verdict.why}")
    if verdict.hint:
        lines.append(f"      hint: {verdict.hint}")
    lines += [f"      advice: {text}" for text in verdict.advice]
    lines += [f"      {text}" for text in shown(verdict)]
    return "\n".join(lines) + "\n"


def untried(verdicts: list[Verdict]) -> list[str]:
    """A remark where a driver that may sell was never seen to sell."""
    sold = [each for each in verdicts if each.rule.check in (rule_purchase, rule_token)]
    if any(each.outcome is not Outcome.NOT_OFFERED for each in sold):
        return []
    return [f"PURCHASE was not tried at all: {each.why}" for each in sold if each.rule.check is rule_purchase]


def summary(verdicts: list[Verdict]) -> str:
    """How many ended how."""
    parts = [f"{sum(each.outcome is outcome for each in verdicts)} {outcome.value}" for outcome in Outcome]
    return ", ".join(parts)


def first_steps(verdicts: Sequence[Verdict]) -> list[str]:
    """What to do first: the rules that fail, in the order of the contract, then why others could not be tried."""
    found = [
        f"{number}. {each.rule.paragraph} {each.rule.title} · {each.rule.title_zh}"
        for number, each in enumerate((each for each in verdicts if each.outcome is Outcome.FAILED), 1)
    ]
    blocked = Counter(each.why for each in verdicts if each.outcome is Outcome.BLOCKED)
    return found + [f"{count} more could not be tried: {why}" for why, count in blocked.most_common()]


def shown(verdict: Verdict) -> list[str]:
    """The last calls, oldest first, and the card as it lay in the reader before the last one."""
    lines = [text for call in verdict.calls for text in _frames(call)]
    if verdict.card:
        lines += ["the card before the last call (rows of FF or 00 left out):", *verdict.card]
    return lines


def _frames(call: Exchange) -> list[str]:
    answer = call.answer.hex(" ") or "(nothing)"
    hexed = (f"> {call.request.hex(' ')}", f"< {answer}" + (f"   [{call.remark}]" if call.remark else ""))
    said = (frame_in_words(call.request), frame_in_words(call.answer))
    return [text for words, line in zip(said, hexed, strict=True) for text in (f"  {words}", line) if text.strip()]
