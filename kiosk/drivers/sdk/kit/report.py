"""The report: plain text line by line, and a page that stands by itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from kiosk.drivers.sdk.kit.rules_keypad import rule_token
from kiosk.drivers.sdk.kit.rules_purchase import rule_purchase
from kiosk.drivers.sdk.kit.verdict import Exchange, Outcome, Verdict
from kiosk.drivers.sdk.kit.words import frame_in_words

SIGNS = {Outcome.PASSED: "ok  ", Outcome.FAILED: "FAIL", Outcome.NOT_OFFERED: "—   ", Outcome.BLOCKED: "??  "}
WORDS_ZH = {
    Outcome.PASSED: "通过",
    Outcome.FAILED: "不通过",
    Outcome.NOT_OFFERED: "不提供",
    Outcome.BLOCKED: "无法检验",
}
STYLE = """body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;width:100%;table-layout:fixed}td small{color:#555}
td,th{border-bottom:1px solid #ddd;padding:.4em .6em;text-align:left;vertical-align:top}
pre{white-space:pre-wrap;word-break:break-all;background:#f4f4f4;padding:.6em}
.passed b{color:#17692b}.failed b{color:#b00020}.not-offered b{color:#666}.could-not-be-tried b{color:#8a5a00}"""


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
    lines += [f"      {text}" for text in _shown(verdict)]
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


def page(vendor: str, verdicts: list[Verdict], remarks: list[str]) -> str:
    """The same as HTML, nothing loaded from elsewhere."""
    rows = "\n".join(_row(number, verdict) for number, verdict in enumerate(verdicts))
    notes = "".join(f"<li>{escape(text)}</li>" for text in remarks)
    notes += "".join(
        f'<li><a href="#r{number}">failed 不通过: {escape(each.rule.paragraph)} {escape(each.rule.title)}</a></li>'
        for number, each in enumerate(verdicts)
        if each.outcome is Outcome.FAILED
    )
    good = all(each.outcome in (Outcome.PASSED, Outcome.NOT_OFFERED) for each in verdicts)
    end = "conforms 符合" if good else "does not conform 不符合"
    title = f"Driver check 驱动检验: {escape(vendor)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1><p><b>{end}</b>: {escape(summary(verdicts))}</p><ul>{notes}</ul>
<table><tr><th width="9%">Contract 1</th><th width="26%">Rule 规则</th><th>Result 结果</th></tr>
{rows}
</table></body></html>
"""


def _row(number: int, verdict: Verdict) -> str:
    rule, outcome = verdict.rule, verdict.outcome
    told = escape(verdict.why) + (f"<br><i>{escape(verdict.hint)}</i>" if verdict.hint else "")
    frames = "\n".join(_shown(verdict))
    shown = f"<pre>{escape(frames)}</pre>" if frames else ""
    name = outcome.value.replace(" ", "-")
    return (
        f'<tr class="{name}" id="r{number}"><td>{escape(rule.paragraph)}</td>'
        f"<td>{escape(rule.title)}<br><small>{escape(rule.title_zh)}</small></td>"
        f"<td><b>{outcome.value} {WORDS_ZH[outcome]}</b> {told}{shown}</td></tr>"
    )


def _shown(verdict: Verdict) -> list[str]:
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
