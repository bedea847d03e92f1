"""Writes docs/settings.md from the settings' own dataclasses in kiosk/config.py; a test holds the two together."""

import dataclasses
import inspect
import re
import typing
from pathlib import Path

from kiosk import config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """\
# Settings 设置

`kiosk.toml`, as the terminal reads it. This page is made from `kiosk/config.py` by `python scripts/write_settings.py`.
Unknown keys are refused and all mistakes are reported together (F-701). Money is in fen, times are in ms where the name
says so. Relative paths count from the folder of `kiosk.toml`. Secrets are paths, never values; the files they name must
not be readable by others.
"""
WORDS = {"Path": "path", "str": "text", "int": "whole number", "bool": "true or false"}


def page() -> str:
    """The whole page."""
    hints = typing.get_type_hints(config.Config)
    return HEAD + "".join(table(field.name, hints[field.name]) for field in dataclasses.fields(config.Config))


def table(name: str, kind: type) -> str:
    """One table of the file."""
    comments = dict(re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(kind), re.M))
    hints = typing.get_type_hints(kind)
    plain = [field for field in dataclasses.fields(kind) if not dataclasses.is_dataclass(hints[field.name])]
    inner = [field.name for field in dataclasses.fields(kind) if field not in plain]
    rows = "".join(row(field, hints[field.name], comments) for field in plain)
    head = f"\n## [{name}]\n\n{inspect.getdoc(kind)}\n\n| key | value | default | |\n|---|---|---|---|\n"
    return head + rows + "".join(table(f"{name}.{each}", hints[each]) for each in inner)


def row(field: "dataclasses.Field[object]", hint: object, comments: dict[str, str]) -> str:
    """One key."""
    default = "**must be there**" if field.default is dataclasses.MISSING else shown(field.default)
    return f"| `{field.name}` | {described(hint)} | {default} | {comments.get(field.name, '')} |\n"


def described(hint: object) -> str:
    """A type in words."""
    inner = [WORDS[arg.__name__] for arg in typing.get_args(hint) if getattr(arg, "__name__", "") in WORDS]
    if typing.get_origin(hint) is tuple:
        return f"list of {inner[0]}s"
    return inner[0] if inner else WORDS[getattr(hint, "__name__", "")]


def shown(value: object) -> str:
    """A default as one writes it in TOML."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} written")
