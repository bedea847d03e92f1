"""The report: plain text line by line, and a page that stands by itself."""

from __future__ import annotations

from html import escape

from kiosk.drivers.sdk.kit.verdict import Exchange, Outcome, Verdict

SIGNS = {Outcome.PASSED: "ok  ", Outcome.FAILED: "FAIL", Outcome.NOT_OFFERED: "—   ", Outcome.BLOCKED: "??  "}
WORDS_ZH = {
    Outcome.PASSED: "通过",
    Outcome.FAILED: "不通过",
    Outcome.NOT_OFFERED: "不提供",
    Outcome.BLOCKED: "无法检验",
}
STYLE = """body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.4em .6em;text-align:left;
vertical-align:top}td small{color:#555}pre{white-space:pre-wrap;word-break:break-all;background:#f4f4f4;padding:.6em}
.passed b{color:#17692b}.failed b{color:#b00020}.not-offered b{color:#666}.could-not-be-tried b{color:#8a5a00}"""


def line(verdict: Verdict) -> str:
    """One verdict as text, several lines when there is something to act on."""
    rule = verdict.rule
    lines = [f"{SIGNS[verdict.outcome]}  {rule.paragraph:<12} {rule.title} · {rule.title_zh}"]
    if verdict.outcome is not Outcome.PASSED:
        lines.append(f"      {verdict.outcome.value}: {verdict.why}")
    if verdict.hint:
        lines.append(f"      hint: {verdict.hint}")
    lines += [f"      {text}" for call in verdict.calls for text in _frames(call)]
    return "\n".join(lines) + "\n"


def summary(verdicts: list[Verdict]) -> str:
    """How many ended how."""
    parts = [f"{sum(each.outcome is outcome for each in verdicts)} {outcome.value}" for outcome in Outcome]
    return ", ".join(parts)


def page(vendor: str, verdicts: list[Verdict], remarks: list[str]) -> str:
    """The same as HTML, nothing loaded from elsewhere."""
    rows = "\n".join(_row(verdict) for verdict in verdicts)
    notes = "".join(f"<li>{escape(text)}</li>" for text in remarks)
    title = f"Driver check 驱动检验: {escape(vendor)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1><p>{escape(summary(verdicts))}</p><ul>{notes}</ul>
<table><tr><th>Contract 1</th><th>Rule 规则</th><th>Result 结果</th></tr>
{rows}
</table></body></html>
"""


def _row(verdict: Verdict) -> str:
    rule, outcome = verdict.rule, verdict.outcome
    told = escape(verdict.why) + (f"<br><i>{escape(verdict.hint)}</i>" if verdict.hint else "")
    frames = "\n".join(text for call in verdict.calls for text in _frames(call))
    shown = f"<pre>{escape(frames)}</pre>" if frames else ""
    name = outcome.value.replace(" ", "-")
    return (
        f'<tr class="{name}"><td>{escape(rule.paragraph)}</td>'
        f"<td>{escape(rule.title)}<br><small>{escape(rule.title_zh)}</small></td>"
        f"<td><b>{outcome.value} {WORDS_ZH[outcome]}</b> {told}{shown}</td></tr>"
    )


def _frames(call: Exchange) -> list[str]:
    answer = call.answer.hex(" ") or "(nothing)"
    return [f"> {call.request.hex(' ')}", f"< {answer}" + (f"   [{call.remark}]" if call.remark else "")]
