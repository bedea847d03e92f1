"""`python -m kiosk.screens.gallery FOLDER`: a picture of every screen in every language, and a page that shows them."""

from __future__ import annotations

import html
import sys
from pathlib import Path

from kiosk.model.clock import SystemClock
from kiosk.model.texts import load_texts
from kiosk.screens.samples import LANGUAGES, samples
from kiosk.screens.window import ASSETS, prepare_window


def main(folder: Path) -> int:
    """Draws them all."""
    prepare_window(1024, 600)
    from kivy.base import EventLoop
    from kivy.core.window import Window

    from kiosk.screens.app import Frame, load_furniture
    from kiosk.screens.page import Facts

    words = {language: load_texts(ASSETS / "text", "screens", language) for language in LANGUAGES}
    operator = {"zh-CN": "示范电力公司", "en": "Example Power"}
    place = {"zh-CN": "一号楼大厅 · 终端 0007", "en": "Building 1 · Kiosk 0007"}
    facts = Facts(operator, place, "95598", (500, 1000, 2000, 5000, 10_000), words, (50, 100))
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    EventLoop.ensure_window()
    load_furniture()
    frame = Frame(facts, lambda _event: None, clock)
    Window.add_widget(frame)
    EventLoop.start()
    cells = []
    for language in LANGUAGES:
        for name, view in samples(language, clock.monotonic_ms()):
            frame.render(view)
            for _ in range(4):
                EventLoop.idle()
            picture = folder / f"{language}-{name}.png"
            Path(Window.screenshot(name=str(picture))).replace(picture)
            cells.append(
                f'<figure><img src="{picture.name}"><figcaption>{html.escape(picture.stem)}</figcaption></figure>'
            )
            sys.stderr.write(f"\r{len(cells)} screens")
    style = "body{font-family:sans-serif;display:grid;grid-template-columns:1fr 1fr;gap:1em}img{width:100%}"
    page = f'<!doctype html><meta charset="utf-8"><title>Screens</title><style>{style}</style>{"".join(cells)}'
    (folder / "index.html").write_text(page, encoding="utf-8")
    sys.stderr.write(f"\n{folder / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
