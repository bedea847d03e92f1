"""`kiosk self-check`: whether this program could run here, tried while another one runs. It changes nothing.

Its tree is the one that was meant, its settings, texts, fonts and vendors load, the parts of the terminal can be
imported, and it can read the whole ledger, as it would at its start.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kiosk.app.office_settings import config_in_force
from kiosk.app.releases import BUILD, ROOT, running
from kiosk.config import Config
from kiosk.drivers.registry import load_registry
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import JournalReader
from kiosk.model.errors import ConfigFault, KioskError
from kiosk.model.texts import load_texts
from kiosk.sale.books import Memory
from kiosk.sale.matters import Matters

TEXTS = ("screens", "receipt", "matters", "down")
LANGUAGES = ("zh-CN", "en")
WEIGHTS = ("Regular", "Bold")


def main(rest: Sequence[str]) -> int:
    """The command. 0: it can run; 1: it cannot, and why; 2: asked wrongly."""
    parser = argparse.ArgumentParser(
        "python -m kiosk self-check", description="Whether this program can run here. 程序自检"
    )
    parser.add_argument("--config", type=Path, default=Path("kiosk.toml"), help="default: kiosk.toml")
    parser.add_argument("--release", type=Path, help="the tree that is meant")
    args = parser.parse_args(rest)
    try:
        told = [check(args.config) for check in (_tree(args.release), _settings, _words, _parts, _ledger)]
    except (KioskError, OSError, ImportError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write(f"{running().told}: {', '.join(told)}\n")
    return 0


def _tree(meant: Path | None) -> Callable[[Path], str]:
    def check(_: Path) -> str:
        if meant is not None and (meant.resolve() != ROOT or running().version == 0):
            raise ConfigFault("F-722", f"{ROOT} runs, and not {meant}")
        return str(ROOT)

    return check


def _settings(path: Path) -> str:
    config = config_in_force(path)
    vendors = load_registry(config.vendors.folders).manifests
    return f"{path.name}, {len(vendors)} vendors"


def _words(_: Path) -> str:
    for name in TEXTS:
        for language in LANGUAGES:
            load_texts(ROOT / "assets" / "text", name, language)
    for weight in WEIGHTS:
        font = ROOT / BUILD / "fonts" / f"NotoSansSC-{weight}.otf"
        if not font.is_file():
            raise ConfigFault("F-722", f"{font} is not there: scripts/setup makes it")
    return "texts and fonts"


def _parts(_: Path) -> str:
    from kiosk.app import command, terminal  # noqa: PLC0415 - only here: an import that fails is what is looked for
    from kiosk.sync import command as sync  # noqa: PLC0415

    return f"{len((command, terminal, sync))} parts"


def _ledger(path: Path) -> str:
    config: Config = config_in_force(path)
    memory, matters = Memory(), Matters()
    with JournalReader(config.journal) as journal:
        for raw in journal.kept():
            if raw:
                entry = decode(raw)
                memory.see(entry)
                matters.see(entry)
    last = memory.last
    return f"ledger to entry {last.seq if last else 0}"
