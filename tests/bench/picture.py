"""Curves as pictures, bench_verify.py's and bench_intake.py's: docs/pictures/. Plain SVG, light and dark."""

from pathlib import Path

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
IN_LOG, IN_ALL = "entries in the log  账本条数", "entries of all together  合计条数"
WIDTH, HEIGHT, LEFT, TOP, PANEL_W, PANEL_H, GAP = 900, 410, 70, 50, 340, 230, 110
STYLE = """
  text { font: 13px sans-serif; fill: #444 } .axis { stroke: #999 } .grid { stroke: #ddd } .title { font-weight: bold }
  polyline { fill: none; stroke-width: 2.5 } .a { stroke: #8a8a8a; fill: #8a8a8a } .b { stroke: #1f77b4; fill: #1f77b4 }
  .c { stroke: #2ca02c; fill: #2ca02c } .d { stroke: #c9a227; fill: #c9a227 }
  polyline.a, polyline.b, polyline.c, polyline.d { fill: none } text.key { stroke: none }
  @media (prefers-color-scheme: dark) { text { fill: #ccc } .grid { stroke: #444 } }
"""


def write(rows):
    """``rows``: (entries, bare/s, one core/s, all cores/s, MB of one process, MB of one of several) each."""
    sizes = [row[0] for row in rows]
    rates = {"SHA-256 alone, one core": [row[1] for row in rows], "checked, one core": [row[2] for row in rows]}
    rates["checked, all cores"] = [row[3] for row in rows]
    memory = {"one process": [row[4] for row in rows], "each of several": [row[5] or row[4] for row in rows]}
    _draw(
        PICTURES / "ledger-verify.svg",
        _panel(LEFT, "entries a second  每秒条数", sizes, rates, ("a", "b", "c"), IN_LOG),
        _panel(LEFT + PANEL_W + GAP, "memory at most, MB  内存峰值", sizes, memory, ("b", "c"), IN_LOG),
    )


def write_intake(one, many, terminals, few, out=PICTURES / "hq-intake.svg"):
    """``one``, ``many``: database → [(entries, µs an entry, µs a row of the limit) …]; ``few``: entries a request."""
    panels = []
    for place, (found, across, title) in enumerate(
        (
            (one, IN_LOG, "one terminal, µs an entry  单终端每条"),
            (many, IN_ALL, f"{terminals:,} at once, {few} entries a request, µs an entry"),
        )
    ):
        lines, sizes = {}, [size for size, _, _ in next(iter(found.values()))]
        for kind, rows in found.items():
            lines[f"{kind}, verified and durable"] = [ours for _, ours, _ in rows]
            lines[f"{kind}, the same rows without a question"] = [limit for _, _, limit in rows]
        panels.append(_panel(LEFT + place * (PANEL_W + GAP), title, sizes, lines, ("b", "a", "c", "d"), across))
    _draw(out, *panels)


def _draw(out, *panels):
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><style>{STYLE}</style>']
    for panel in panels:
        parts += panel
    out.write_text("\n".join([*parts, "</svg>", ""]))


def _panel(left, title, sizes, lines, classes, across):
    top = _round_up(max(value for values in lines.values() for value in values))
    x = _across(left, sizes)
    yield f'<text class="title" x="{left}" y="{TOP - 22}">{title}</text>'
    for step in range(5):
        value, y = top * step / 4, TOP + PANEL_H * (1 - step / 4)
        yield f'<line class="grid" x1="{left}" x2="{left + PANEL_W}" y1="{y:.0f}" y2="{y:.0f}"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{_short(value)}</text>'
    for size in sizes:
        yield f'<text x="{x(size):.0f}" y="{TOP + PANEL_H + 20}" text-anchor="middle">{_short(size)}</text>'
    middle = f'x="{left + PANEL_W / 2}" y="{TOP + PANEL_H + 40}" text-anchor="middle"'
    yield f"<text {middle}>{across}</text>"
    for at, (name, values) in enumerate(lines.items()):
        kind = classes[at]
        points = [(x(size), TOP + PANEL_H * (1 - value / top)) for size, value in zip(sizes, values, strict=True)]
        yield f'<polyline class="{kind}" points="{" ".join(f"{px:.1f},{py:.1f}" for px, py in points)}"/>'
        yield from (f'<circle class="{kind}" cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>' for px, py in points)
        yield f'<text class="{kind} key" x="{left}" y="{TOP + PANEL_H + 66 + at * 20}">● {name}</text>'


def _across(left, sizes):
    digits = [len(str(size)) - 1 for size in sizes]
    spread = max(1, max(digits) - min(digits))
    return lambda size: left + 20 + (PANEL_W - 40) * (len(str(size)) - 1 - min(digits)) / spread


def _round_up(value):
    step = 10 ** (len(str(int(value))) - 1)
    return next(step * times for times in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if step * times >= value)


def _short(value):
    for size, word in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{word}"
    return f"{value:.3g}"
