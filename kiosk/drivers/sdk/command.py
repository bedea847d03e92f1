"""`kiosk driver check FOLDER [--quick] [--page FILE.html]`: the conformance kit on the command line.

Exit status: 0 every rule that applies holds · 1 one does not · 2 the folder cannot be used. The virtual chips are
handed in by the caller, which knows both drivers and devices (architecture: siblings do not import each other); so is
the serial reader that stands between a driver of the old kind and its card.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from kiosk.drivers.host import DriverProcess
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.sdk.kit import page, report, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import (
    CardMaker,
    CpuCardMaker,
    LineMaker,
    ReaderLine,
    VendorFolder,
    load_folder,
    no_bench,
)
from kiosk.drivers.sdk.kit.rules import RULES, conforms, run
from kiosk.drivers.sdk.kit.verdict import Verdict
from kiosk.model.cardport import CardPort
from kiosk.model.errors import ConfigFault

IMAGES_FULL, IMAGES_QUICK = 10_000, 200
SEED = 20260215


class WarmProcess:
    """The real driver process, kept warm between calls; it starts again by itself after a crash."""

    def __init__(self, manifest: Manifest, line: ReaderLine | None = None) -> None:
        self._timeout_ms = manifest.driver.timeout_ms
        self._line = line
        self._process = DriverProcess(manifest, None if line is None else line.lend, trusted=True)

    def call(self, raw: bytes, port: CardPort | None, password: str) -> bytes:
        """As DriverCall."""
        if self._line is not None:
            self._line.show(port)
        return self._process.call(raw, port, password, self._timeout_ms)

    def restart(self) -> None:
        """Another child for the next call."""
        self._process.discard()

    def close(self) -> None:
        """Ends the child, and the reader it was lent."""
        self._process.close()
        if self._line is not None:
            self._line.close()


def main(
    arguments: Sequence[str],
    card_maker: CardMaker,
    cpu_card_maker: CpuCardMaker,
    out: TextIO = sys.stdout,
    line_maker: LineMaker | None = None,
) -> int:
    """`kiosk driver check …`; ``arguments`` are those after ``check``."""
    parser = argparse.ArgumentParser("kiosk driver check", description="A vendor's driver against contract 1.")
    parser.add_argument("folder", type=Path, help="the vendor's folder, vendor.toml in it")
    parser.add_argument("--quick", action="store_true", help=f"{IMAGES_QUICK} mutated cards instead of {IMAGES_FULL}")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="also write the report as a page")
    given = parser.parse_args(arguments)
    try:
        folder = load_folder(given.folder)
        _try_maker(folder, card_maker)
        line = _reader_line(folder, line_maker)
    except ConfigFault as fault:
        out.write(f"{fault}\n")
        return 2
    process = WarmProcess(folder.manifest, line)
    try:
        images = IMAGES_QUICK if given.quick else IMAGES_FULL
        bench = Bench(folder, process, card_maker, cpu_card_maker, states.make, images, SEED)
        verdicts = check(bench, out)
    finally:
        process.close()
    if given.page is not None:
        name = f"{folder.manifest.vendor.abbr} {folder.manifest.vendor.zh} / {folder.manifest.vendor.en}"
        given.page.write_text(page.page(name, _about(bench), verdicts, bench.remarks), "utf-8")
    return 0 if conforms(verdicts) else 1


def _try_maker(folder: VendorFolder, card_maker: CardMaker) -> None:
    """Raises ConfigFault F-703 where there is no virtual card of the folder's family."""
    chip = folder.chip
    if chip is not None:
        try:
            card_maker(folder.type_name, bytes(chip.image_size), bytes(chip.secrets.get(0, 0)))
        except ValueError as fault:
            raise no_bench(folder.type_name, folder.manifest.folder) from fault


def _reader_line(folder: VendorFolder, line_maker: LineMaker | None) -> ReaderLine | None:
    """The serial reader, for a driver of the old kind. ConfigFault F-703 where the caller has none."""
    if folder.manifest.driver.access != "serial" or not folder.type_name:
        return None
    if line_maker is None:
        why = "access is serial: the driver talks to a reader itself, and there is none here; nothing was tried"
        raise ConfigFault("F-703", f"{folder.manifest.folder}: {why}")
    return line_maker()


def check(bench: Bench, out: TextIO) -> list[Verdict]:
    """Tries every rule and writes each verdict as it comes; on a terminal the rule in work is shown below."""
    bench.progress = _ticker(out)
    vendor = bench.folder.manifest.vendor
    started = time.monotonic()
    out.write(f"{vendor.abbr} {vendor.zh} / {vendor.en}: {len(RULES)} rules of contract 1\n")
    verdicts: list[Verdict] = []
    for verdict in run(bench):
        bench.progress("")
        out.write(report.line(verdict, verdicts))
        out.flush()
        verdicts.append(verdict)
    bench.remarks += report.untried(verdicts)
    for remark in bench.remarks:
        out.write(f"{remark}\n")
    out.write(f"{report.summary(verdicts)} in {time.monotonic() - started:.0f} s\n")
    advised = sum(bool(each.advice) for each in verdicts)
    if advised:
        out.write(f"{advised} rules hold, but with advice 建议: look for “advice:” above\n")
    if conforms(verdicts):
        out.write("conforms 符合\n")
        return verdicts
    out.write("does not conform 不符合; what to do first 先做：\n")
    out.writelines(f"  {step}\n" for step in report.first_steps(verdicts))
    return verdicts


def _about(bench: Bench) -> str:
    """What was tried, in one line."""
    manifest = bench.folder.manifest
    card = bench.folder.type_name or "keypad 键盘"
    return f"{manifest.vendor.code} · {card} · {manifest.driver.path.name} · sha256 {manifest.driver.sha256[:16]}…"


def _ticker(out: TextIO) -> Callable[[str], None]:
    """Shows what is being tried, in one line that is written over; nothing where ``out`` is no terminal."""
    shown_at = 0.0

    def tick(text: str) -> None:
        nonlocal shown_at
        if out.isatty() and (not text or time.monotonic() - shown_at > 0.1):
            shown_at = time.monotonic()
            out.write(f"\r\x1b[K{text[:100]}")

    return tick
