"""One page of all accidents that were played: the story, what the customer saw, the attendant's list, the money.

python tests/accidents/album.py build/accidents
"""

import html
import json
import sys
from pathlib import Path

LANGUAGES = (("zh-CN", "中文"), ("en", "English"))
STYLE = """
:root { --ink: #0b1f33; --quiet: #334150; --blue: #073a73; --pale: #e0e9f4; --paper: #f4f6f8; --red: #730a0a; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 "Noto Sans SC", "Noto Sans CJK SC", sans-serif; color: var(--ink);
       background: var(--paper); }
header { background: var(--blue); color: #fff; padding: 20px max(24px, calc(50vw - 640px)); }
header h1 { margin: 0; font-size: 26px; } header p { margin: 4px 0 0; max-width: 70em; }
main { max-width: 1328px; margin: 0 auto; padding: 24px; }
nav { columns: 2 32em; margin-bottom: 24px; } nav a { color: var(--blue); }
nav ol { margin: 0; } nav li { break-inside: avoid; padding: 2px 0; }
section { background: #fff; border-radius: 12px; padding: 20px 28px 28px; margin-bottom: 28px; }
h2 { margin: 0 0 4px; font-size: 24px; } h2 small { display: block; font-weight: normal; font-size: 18px; }
.story { color: var(--quiet); max-width: 62em; margin: 8px 0 0; }
.chapter { border-top: 2px solid var(--pale); margin-top: 24px; padding-top: 4px; }
.chapter h3 { font-size: 18px; margin: 12px 0; color: var(--quiet); }
.step { display: grid; grid-template-columns: 7.5em 1fr; gap: 16px; margin-top: 16px; align-items: start; }
.who { font-weight: bold; color: var(--blue); padding-top: 2px; } .who small { display: block; font-weight: normal; }
.happens { font-weight: bold; }
.happens small { font-weight: normal; color: var(--quiet); margin-left: .7em; font-size: 1em; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
figure { margin: 0; } figure img { width: 100%; border: 1px solid #b8c4d0; border-radius: 6px; display: block; }
figcaption { color: var(--quiet); font-size: 13px; }
.list { background: var(--pale); border-radius: 6px; padding: 10px 14px; font-size: 15px; }
.list b { display: block; } .list p { margin: 6px 0 0; } .list .do { color: var(--quiet); margin: 0 0 0 1.2em; }
.slips { display: flex; flex-wrap: wrap; gap: 16px; align-items: start; }
.slips img { width: 288px; border: 1px solid #b8c4d0; }
table { border-collapse: collapse; } td, th { padding: 2px 20px 2px 0; text-align: left; font-weight: normal; }
td { font-weight: bold; font-variant-numeric: tabular-nums; }
.bad { color: var(--red); font-weight: bold; }
@media (max-width: 900px) { .pair { grid-template-columns: 1fr; } .step { grid-template-columns: 1fr; gap: 4px; } }
@media print { section { break-inside: avoid; } }
"""
MONEY = (
    ("counted", "钞箱清点 counted by hand"),
    ("ledger", "账本钞箱 cash box by the ledger"),
    ("sold", "已写卡 on the card"),
    ("owed", "欠用户 owed to the customer"),
    ("nobody", "无主款 nobody's"),
)


def yuan(fen):
    return f"¥{fen // 100}.{fen % 100:02d}"


def text(words):
    return html.escape(words)


def happens(step, _folder):
    return "发生", "What happens", f'<p class="happens">{text(step["zh"])}<small>{text(step["en"])}</small></p>'


def customer(step, folder):
    shown = []
    for language, name in LANGUAGES:
        picture = step["pictures"][language]
        shown.append(
            f'<figure><img src="{folder}/{picture}" alt="{name}: {text(step["page"])}" loading="lazy">'
            f"<figcaption>{text(step['page'])} · {name}</figcaption></figure>"
        )
    return "用户看到", "Customer sees", f'<div class="pair">{"".join(shown)}</div>'


def attendant(step, _folder):
    shown = []
    for language, name in LANGUAGES:
        head, *matters = step["lists"][language].strip().split("\n\n")
        told = f"<b>{text(head)}</b>"
        for matter in matters:
            what, _, do = matter.strip().partition("\n")
            told += f'<p>{text(what.strip())}</p><p class="do">{text(do.strip())}</p>'
        shown.append(f'<div class="list" lang="{language}" aria-label="{name}">{told}</div>')
    return "待办清单", "Attendant's list", f'<div class="pair">{"".join(shown)}</div>'


def slip(step, folder):
    shown = "".join(f'<img src="{folder}/{name}" alt="slip" loading="lazy">' for name in step["pictures"])
    return "凭条", "Slip", f'<div class="slips">{shown}</div>'


def money(step, _folder):
    rows = "".join(
        f"<tr><th>{name}</th><td>{yuan(step[key])}</td></tr>" for key, name in MONEY if step[key] or key != "nobody"
    )
    return "钱", "Money", f"<table>{rows}</table>"


KINDS = {"happens": happens, "customer": customer, "attendant": attendant, "slip": slip, "money": money}


def chapter(folder, told, finished):
    steps = []
    for step in told["steps"]:
        zh, en, body = KINDS[step["what"]](step, folder.name)
        steps.append(f'<div class="step"><div class="who">{zh}<small>{en}</small></div><div>{body}</div></div>')
    title = f"<h3>{text(told['part'].replace('-', ' '))}</h3>" if told["part"] else ""
    broken = (
        "" if finished else '<p class="bad">没有演完，测试失败 This one was not played to its end: the test failed</p>'
    )
    return f'<div class="chapter">{title}{broken}{"".join(steps)}</div>'


def read(folder):
    finished = (folder / "story.json").exists()
    return json.loads(
        (folder / ("story.json" if finished else "unfinished.json")).read_text(encoding="utf-8")
    ), finished


def page(root):
    accidents = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir():
            told, finished = read(folder)
            accidents.setdefault(told["story"], []).append((folder, told, finished))
    index, sections = [], []
    for number, (story, chapters) in enumerate(accidents.items(), 1):
        title, _, rest = story.partition("\n")
        zh, _, en = title.partition(" · ")
        index.append(f'<li><a href="#a{number}">{text(zh)}</a> {text(en)}</li>')
        body = "".join(chapter(*each) for each in sorted(chapters, key=lambda each: each[1]["part"]))
        story = f'<p class="story">{text(" ".join(rest.split()))}</p>'
        sections.append(f'<section id="a{number}"><h2>{text(zh)}<small>{text(en)}</small></h2>{story}{body}</section>')
    about = (
        "每一起事故都在真实的程序、真实的 pcscd 和仿真设备上演过：用户看到什么，现场人员的待办清单写什么，钱在哪里。"
        "<br>Each was played by the real programs: what the customer sees, what the attendant's list says,"
        " where the money is."
    )
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>事故 Accidents</title><style>{STYLE}</style>"
        f"<header><h1>凌晨三点的事故 Accidents at 3 a.m.</h1><p>{about}</p></header>"
        f"<main><nav><ol>{''.join(index)}</ol></nav>{''.join(sections)}</main></html>\n"
    )


def main(root):
    (root / "index.html").write_text(page(root), encoding="utf-8")
    sys.stderr.write(f"{root / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
