"""`kiosk run`: the terminal's own program."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kiosk.app.office_settings import SettingsRoad, config_in_force
from kiosk.app.programs import program_road
from kiosk.app.terminal import LANGUAGES, ROOT, Terminal
from kiosk.config import Config
from kiosk.model.clock import SystemClock
from kiosk.model.errors import KioskError
from kiosk.model.texts import Texts, load_texts
from kiosk.screens.window import prepare_window

if TYPE_CHECKING:
    from kiosk.screens.page import Facts

FOR_ANOTHER = 75
"""Exit status: this program has made way for another release, which is to be started (deploy/kiosk-start)."""


def run(arguments: Sequence[str]) -> int:
    """`kiosk run --config kiosk.toml`: the terminal with its screen."""
    path, config = _given("kiosk run", "The terminal.", arguments)
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
    from kivy.clock import Clock  # noqa: PLC0415 - Kivy reads its settings when imported

    from kiosk.screens.app import KioskApp  # noqa: PLC0415
    from kiosk.screens.bridge import Bridge  # noqa: PLC0415
    from kiosk.screens.shots import Shots  # noqa: PLC0415

    words = {language: load_texts(ROOT / "assets" / "text", "screens", language) for language in LANGUAGES}
    used = [_facts(config, words)]

    def use(config: Config) -> None:
        facts = _facts(config, words)
        if facts != used[-1]:
            used.append(facts)
            Clock.schedule_once(lambda _dt: app.use(facts), 0)

    clock = SystemClock(config.terminal.utc_offset_minutes)
    app = KioskApp(used[0], lambda press: kiosk.post(press), clock)  # noqa: PLW0108 - the kiosk is made below
    if screen.shots_folder is not None:
        app.on_rendered = Shots(screen.shots_folder).look
    left = []

    def leave() -> None:
        left.append(FOR_ANOTHER)
        Clock.schedule_once(lambda _dt: app.stop(), 0)

    kiosk = Terminal(config, clock, Bridge(app.render).show, SettingsRoad(path), use, program_road(path), leave)
    app.on_first_frame = kiosk.start
    signal.signal(signal.SIGTERM, lambda *_: app.stop())
    signal.signal(signal.SIGINT, lambda *_: app.stop())
    app.run()
    kiosk.stop()
    return left[0] if left else 0


def _facts(config: Config, words: dict[str, Texts]) -> Facts:
    from kiosk.screens.page import Facts  # noqa: PLC0415 - Kivy reads its settings when imported

    terminal = config.terminal
    place = {"zh-CN": f"{terminal.place_zh} · 终端 {terminal.id}", "en": f"{terminal.place_en} · Kiosk {terminal.id}"}
    return Facts(
        operator={"zh-CN": terminal.operator_zh, "en": terminal.operator_en},
        place=place,
        phone=terminal.phone,
        denominations_fen=config.visit.denominations_fen,
        words=words,
        coins_fen=config.coins_fen,
    )


def _given(program: str, about: str, arguments: Sequence[str]) -> tuple[Path, Config]:
    parser = argparse.ArgumentParser(program, description=about)
    parser.add_argument("--config", type=Path, default=Path("kiosk.toml"), help="default: kiosk.toml")
    try:
        path = parser.parse_args(arguments).config
        return path, config_in_force(path)
    except KioskError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
