"""`kiosk run`: the terminal's own program."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kiosk.app.terminal import LANGUAGES, ROOT, Terminal
from kiosk.config import Config, load_config
from kiosk.model.clock import SystemClock
from kiosk.model.errors import KioskError
from kiosk.model.texts import load_texts
from kiosk.screens.window import prepare_window


def run(arguments: Sequence[str]) -> int:
    """`kiosk run --config kiosk.toml`: the terminal with its screen."""
    config = _given("kiosk run", "The terminal.", arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    screen = config.screen
    prepare_window(
        screen.width,
        screen.height,
        fullscreen=screen.fullscreen,
        left=screen.left,
        top=screen.top,
        touch=screen.touch,
    )
    from kiosk.screens.app import KioskApp  # noqa: PLC0415 - Kivy reads its settings when imported
    from kiosk.screens.bridge import Bridge  # noqa: PLC0415
    from kiosk.screens.page import Facts  # noqa: PLC0415
    from kiosk.screens.shots import Shots  # noqa: PLC0415

    terminal = config.terminal
    words = {language: load_texts(ROOT / "assets" / "text", "screens", language) for language in LANGUAGES}
    facts = Facts(
        operator={"zh-CN": terminal.operator_zh, "en": terminal.operator_en},
        place={
            "zh-CN": f"{terminal.place_zh} · 终端 {terminal.id}",
            "en": f"{terminal.place_en} · Kiosk {terminal.id}",
        },
        phone=terminal.phone,
        denominations_fen=config.visit.denominations_fen,
        words=words,
        coins_fen=config.coins_fen,
    )
    clock = SystemClock(terminal.utc_offset_minutes)
    app = KioskApp(facts, lambda press: kiosk.post(press), clock)  # noqa: PLW0108 - the kiosk is made below
    if screen.shots_folder is not None:
        app.on_rendered = Shots(screen.shots_folder).look
    kiosk = Terminal(config, clock, Bridge(app.render).show)
    app.on_first_frame = kiosk.start
    signal.signal(signal.SIGTERM, lambda *_: app.stop())
    signal.signal(signal.SIGINT, lambda *_: app.stop())
    app.run()
    kiosk.stop()
    return 0


def _given(program: str, about: str, arguments: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser(program, description=about)
    parser.add_argument("--config", type=Path, default=Path("kiosk.toml"), help="default: kiosk.toml")
    try:
        return load_config(parser.parse_args(arguments).config)
    except KioskError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
