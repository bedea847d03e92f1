"""The report as a page that stands by itself: no script, nothing loaded from elsewhere; it can be mailed and printed.

On top: the verdict, how many rules ended how, what to do first. Below: every rule, by what it is about; a click shows
only those that failed, or only one language (both by radio buttons and style alone).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from kiosk.drivers.sdk.kit.report import shown
from kiosk.drivers.sdk.kit.verdict import Outcome, Verdict

STYLE = Path(__file__).with_name("page.css")
ENDS = {
    Outcome.FAILED: ("failed", "不通过"), Outcome.BLOCKED: ("could not be tried", "无法检验"),
    Outcome.PASSED: ("passed", "通过"), Outcome.NOT_OFFERED: ("not offered", "不提供"),
}  # fmt: skip
ABOUT = {
    "rules_folder": ("The folder", "厂家目录"),
    "rules_frame": ("Frames and items", "帧与数据项"),
    "rules_card": ("Whose card, and reading it", "识别与读卡"),
    "rules_purchase": ("Purchase", "购电"),
    "rules_open": ("Opening, reissue, setting and check cards", "开户、补卡、设置卡、检测卡"),
    "rules_reverse": ("Reversal and clearing", "冲正与清零"),
    "rules_tear": ("A card pulled out at any byte", "任意字节拔卡"),
    "rules_credit": ("The money in the meter", "电表中的金额"),
    "rules_write": ("The truth about a write", "写卡结果如实"),
    "rules_secret": ("Secrets", "卡密码"),
    "rules_meter": ("The meter", "电表"),
    "rules_damage": ("Damaged cards", "损坏的卡"),
    "rules_keypad": ("Meters with keypads", "键盘表"),
    "rules_watch": ("Every call of this check", "全部调用"),
}


def page(vendor: str, about: str, verdicts: Sequence[Verdict], remarks: Sequence[str]) -> str:
    """The page. ``about``: what was tried, in one line; ``remarks``: what else there is to say."""
    good = all(each.outcome in (Outcome.PASSED, Outcome.NOT_OFFERED) for each in verdicts)
    title = f"Driver check 驱动检验: {escape(vendor)}"
    numbered = list(enumerate(verdicts))
    sections = "\n".join(
        _section(module, list(group))
        for module, group in groupby(sorted(numbered, key=_place), key=lambda each: _module(each[1]))
    )
    failing = any(each.outcome is Outcome.FAILED for each in verdicts)
    return f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>{STYLE.read_text("utf-8")}</style></head>
<body class="{"good" if good else "bad"}"><header><div><h1>{title}</h1><div class="about">{escape(about)}</div>
<div class="end">{"conforms 符合" if good else "does not conform 不符合"}</div>{_counts(verdicts)}</div></header>
<main>{_radio("show", "failed", failing)}{_radio("show", "all", not failing)}
{_radio("tongue", "both", True)}{_radio("tongue", "zh", False)}{_radio("tongue", "en", False)}
{_steps(numbered)}{_advice(numbered)}
<nav><label for="failed">不通过的 failures</label><label for="all">全部 all rules</label><span class="gap"></span>
<label for="both">中文 + English</label><label for="zh">中文</label><label for="en">English</label></nav>
{sections}
<h2>{_both("Remarks", "备注")}</h2><ul>{"".join(f"<li>{escape(text)}</li>" for text in remarks)}</ul>
</main></body></html>
"""


def _counts(verdicts: Sequence[Verdict]) -> str:
    count = Counter(each.outcome for each in verdicts)
    items = "".join(
        f'<li class="{_class(outcome)}"><b>{count[outcome]}</b> {en} {zh}</li>' for outcome, (en, zh) in ENDS.items()
    )
    return f'<ul class="counts">{items}</ul>'


def _steps(verdicts: Sequence[tuple[int, Verdict]]) -> str:
    """What to do first: what fails, in the order of the contract; what waits for it."""
    failed = [(number, each) for number, each in verdicts if each.outcome is Outcome.FAILED]
    waiting = Counter(each.why for _, each in verdicts if each.outcome is Outcome.BLOCKED)
    if not failed and not waiting:
        return ""
    items = "".join(
        f'<li><a href="#r{number}">{escape(each.rule.paragraph)} {_both(each.rule.title, each.rule.title_zh)}</a>'
        f"<br><small>{escape(each.why)}</small></li>"
        for number, each in failed
    )
    waits = "".join(
        f'<p class="waits">{count} × 无法检验 could not be tried: {escape(why)}</p>'
        for why, count in waiting.most_common()
    )
    head = "What to do first: mend the first, check again, then the next", "先做：先改第一条，重新检验，再改下一条"
    return f'<h2>{_both(*head)}</h2><ol class="steps">{items}</ol>{waits}'


def _advice(verdicts: Sequence[tuple[int, Verdict]]) -> str:
    items = "".join(
        f'<li><a href="#r{number}">{escape(each.rule.paragraph)}</a> {escape(text)}</li>'
        for number, each in verdicts
        for text in each.advice
    )
    head = "Advice: the contract holds, a real card would be safer", "建议：符合合同，但真实的卡可以更安全"
    return f'<h2>{_both(*head)}</h2><ul class="advice">{items}</ul>' if items else ""


def _section(module: str, group: Sequence[tuple[int, Verdict]]) -> str:
    calm = not any(_speaks(each) for _, each in group)
    passed = sum(each.outcome is Outcome.PASSED for _, each in group)
    rules = "\n".join(_rule(number, each) for number, each in group)
    head = _both(*ABOUT.get(module, (module, module)))
    kind = "calm" if calm else "hot"
    return f'<section class="{kind}"><h2>{head} <small>{passed} / {len(group)}</small></h2>{rules}</section>'


def _rule(number: int, verdict: Verdict) -> str:
    rule, outcome = verdict.rule, verdict.outcome
    en, zh = ENDS[outcome]
    head = (
        f'<span class="mark">{_both(en, zh)}</span><span class="par">{escape(rule.paragraph)}</span>'
        f"{_both(rule.title, rule.title_zh)}"
    )
    kind = _class(outcome) + ("" if _speaks(verdict) else " quiet")
    body = _body(verdict)
    if not body:
        return f'<div class="rule {kind}" id="r{number}">{head}</div>'
    opened = " open" if outcome is Outcome.FAILED else ""
    return f'<details class="{kind}" id="r{number}"{opened}><summary>{head}</summary>{body}</details>'


def _speaks(verdict: Verdict) -> bool:
    """Whether there is something to act on."""
    return verdict.outcome is Outcome.FAILED or bool(verdict.advice)


def _body(verdict: Verdict) -> str:
    rows: list[tuple[str, str, str]] = []
    if verdict.parts is not None:
        names = (("done", "操作"), ("expected", "应为"), ("came", "实为"))
        rows += [(en, zh, text) for (en, zh), text in zip(names, verdict.parts, strict=True)]
    elif verdict.why:
        rows.append(("why", "原因", verdict.why))
    if verdict.hint:
        rows.append(("hint", "提示", verdict.hint))
    rows += [("advice", "建议", text) for text in verdict.advice]
    said = "".join(f"<dt>{_both(en, zh)}</dt><dd>{escape(text)}</dd>" for en, zh, text in rows)
    frames = "\n".join(shown(verdict))
    return (f'<dl class="said">{said}</dl>' if said else "") + (f"<pre>{escape(frames)}</pre>" if frames else "")


def _both(en: str, zh: str) -> str:
    return f'<span class="zh">{escape(zh)}</span><span class="en">{escape(en)}</span>'


def _radio(group: str, name: str, checked: bool) -> str:
    return f'<input class="pick" type="radio" name="{group}" id="{name}"{" checked" if checked else ""}>'


def _class(outcome: Outcome) -> str:
    return "blocked" if outcome is Outcome.BLOCKED else outcome.value.replace(" ", "-")


def _module(verdict: Verdict) -> str:
    return verdict.rule.check.__module__.rpartition(".")[2]


def _place(numbered: tuple[int, Verdict]) -> int:
    names = list(ABOUT)
    module = _module(numbered[1])
    return names.index(module) if module in names else len(names)
