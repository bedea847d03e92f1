"""Kivy's settings, which must stand before Kivy is imported (it reads them at import)."""

from __future__ import annotations

import os
from pathlib import Path

FONTS = Path(__file__).resolve().parents[2] / "build" / "fonts"
ASSETS = Path(__file__).resolve().parents[2] / "assets"


def prepare_window(
    width: int, height: int, *, fullscreen: bool = False, left: int = -1, top: int = -1, touch: str = ""
) -> None:
    """Sets the window's size in pixels and keeps Kivy from reading or writing files of its own.

    Only the mouse provider is kept: SDL turns touches into mouse events, and a second provider would make two of each.
    ``touch`` names one more provider for touch frames that speak it, for example ``tuio,127.0.0.1:3333``.
    """
    os.environ.setdefault("KIVY_NO_ARGS", "1")
    os.environ.setdefault("KIVY_NO_CONFIG", "1")
    os.environ.setdefault("KIVY_NO_FILELOG", "1")
    os.environ.setdefault("KIVY_NO_CONSOLELOG", "1")
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("SDL_VIDEODRIVER", "offscreen")
    from kivy.config import Config
    from kivy.core.text import LabelBase

    Config.set("graphics", "width", str(width))
    Config.set("graphics", "height", str(height))
    Config.set("graphics", "resizable", "0")
    Config.set("graphics", "maxfps", "30")
    Config.set("graphics", "multisamples", "0")
    Config.set("graphics", "fullscreen", "auto" if fullscreen else "0")
    if left >= 0 and top >= 0:
        Config.set("graphics", "position", "custom")
        Config.set("graphics", "left", str(left))
        Config.set("graphics", "top", str(top))
    Config.set("kivy", "exit_on_escape", "0")
    Config.remove_section("input")
    Config.add_section("input")
    Config.set("input", "mouse", "mouse,disable_multitouch")
    if touch:
        Config.set("input", "frame", touch)
    LabelBase.register("Roboto", str(FONTS / "NotoSansSC-Regular.otf"), fn_bold=str(FONTS / "NotoSansSC-Bold.otf"))
