"""The `kiosk` command. Each program imports only what it needs: sync knows no screen, head office no card."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

USAGE = """usage: python -m kiosk PROGRAM …

  run      the terminal                       终端
  enrol    make a terminal's key and ledger   建立终端密钥和账本
  card     staff's work on a card             人工办卡：开户、补卡、清零、冲正…
  demo     head office, kiosk and desk        演示：总部、终端、操作台
  matters  the attendant's list               待办事项
  staff    who may work here, a PIN checked   人员名单、核对密码
  ledger   verify, export, closings, outages  账本：校验、导出、合计、结账、停用
  receipt  verify a slip's code               校验凭条
  driver   begin or check a vendor's folder   新建、检验厂家驱动
  simulate whole towns in simulated time      全镇模拟（故障注入）
  powercuts  the plug pulled below SQLite     拔电试验（磁盘层）
  hq       head office                        总部
  self-check  whether this program can run here  程序自检（升级前）
  sync     the uplink (started by run)        上传（由 run 启动）
  sync status  how far, what is wrong         上传进度、故障
  sync round FOLDER  records on a stick       U盘携带记录

`python -m kiosk PROGRAM --help` tells more.
"""


def _terminal(name: str, rest: Sequence[str]) -> int:
    if name == "enrol":
        from kiosk.app import enrol_command  # noqa: PLC0415

        return enrol_command.main(rest)
    from kiosk.app import command  # noqa: PLC0415

    return command.run(rest)


def _card(_: str, rest: Sequence[str]) -> int:
    from kiosk.app.counter import command  # noqa: PLC0415

    return command.main(rest)


def _demo(_: str, rest: Sequence[str]) -> int:
    from kiosk.desk import command  # noqa: PLC0415

    return command.main(rest)


def _driver(_: str, rest: Sequence[str]) -> int:
    from kiosk.devices.reader.serial.bench import BenchLine  # noqa: PLC0415
    from kiosk.devices.reader.virtual.blank import memory_card  # noqa: PLC0415
    from kiosk.devices.reader.virtual.cpu import VirtualCpuCard  # noqa: PLC0415
    from kiosk.drivers.sdk import command, start  # noqa: PLC0415

    if rest[:1] == ["new"]:
        return start.main_new(rest[1:])
    if rest[:1] == ["seal"]:
        return start.main_seal(rest[1:])
    if rest[:1] != ["check"]:
        sys.stderr.write("usage: python -m kiosk driver check FOLDER [--quick] [--page FILE.html]\n")
        sys.stderr.write("       python -m kiosk driver new FOLDER [--c] [--code HHHH]\n")
        sys.stderr.write("       python -m kiosk driver seal FOLDER\n")
        return 2
    return command.main(rest[1:], memory_card, VirtualCpuCard, line_maker=BenchLine)


def _matters(_: str, rest: Sequence[str]) -> int:
    from kiosk.app import matters  # noqa: PLC0415

    return matters.main(rest)


def _staff(_: str, rest: Sequence[str]) -> int:
    from kiosk.app import staff_command  # noqa: PLC0415

    return staff_command.main(rest)


def _self_check(_: str, rest: Sequence[str]) -> int:
    from kiosk.app import self_check  # noqa: PLC0415

    return self_check.main(rest)


def _simulate(_: str, rest: Sequence[str]) -> int:
    from kiosk.simulation.town import command  # noqa: PLC0415

    return command.main(rest)


def _powercuts(_: str, rest: Sequence[str]) -> int:
    from kiosk.simulation import cuts_command  # noqa: PLC0415

    return cuts_command.main(rest)


def _ledger(name: str, rest: Sequence[str]) -> int:
    from kiosk.ledger import command  # noqa: PLC0415

    return _parsed(command.add_parsers, name, rest)


def _hq(name: str, rest: Sequence[str]) -> int:
    from kiosk.hq import command  # noqa: PLC0415

    return _parsed(command.add_parsers, name, rest)


def _sync(name: str, rest: Sequence[str]) -> int:
    if rest[:1] == ["status"]:
        from kiosk.app import contact  # noqa: PLC0415

        return contact.main(rest[1:])
    if rest and not rest[0].startswith("-"):
        from kiosk.app import stick  # noqa: PLC0415

        return stick.main(rest)
    from kiosk.sync import command  # noqa: PLC0415

    return _parsed(command.add_parsers, name, rest)


def _parsed(add_parsers: Callable[..., None], name: str, rest: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m kiosk")
    add_parsers(parser.add_subparsers(dest="program", required=True))
    given = parser.parse_args([name, *rest])
    return int(given.run(given))


def _version() -> int:
    from kiosk.app.releases import running  # noqa: PLC0415

    sys.stdout.write(f"{running().told}\n")
    return 0


PROGRAMS: dict[str, Callable[[str, Sequence[str]], int]] = {
    "run": _terminal,
    "enrol": _terminal,
    "card": _card,
    "demo": _demo,
    "ledger": _ledger,
    "receipt": _ledger,
    "driver": _driver,
    "matters": _matters,
    "staff": _staff,
    "self-check": _self_check,
    "simulate": _simulate,
    "powercuts": _powercuts,
    "hq": _hq,
    "sync": _sync,
}


def main() -> int:
    """Runs the program named first. Exit status 2: no such program, or words that are off."""
    name, rest = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name == "--version":
        return _version()
    program = PROGRAMS.get(name)
    if program is None:
        sys.stderr.write(USAGE)
        return 0 if name in ("-h", "--help") else 2
    return program(name, rest)


if __name__ == "__main__":
    sys.exit(main())
