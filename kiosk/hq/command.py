"""``kiosk hq …``: head office's commands. Each returns an exit code: 0 done, 1 not done (standard error says why)."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import uvicorn

from kiosk.hq.app import Settings, create_app
from kiosk.hq.enrol import change, vkeys, write_evidence
from kiosk.hq.enrol_command import fill_enrol, fill_retire, run_enrol, run_retire
from kiosk.hq.folder import Run, database_url, opened_store, prepared
from kiosk.hq.held_command import add_held_parsers
from kiosk.hq.keyring import create_signer, read_vkey
from kiosk.hq.publish.command import add_publish_parsers
from kiosk.hq.settings import load_settings
from kiosk.hq.staff_command import add_staff_parsers
from kiosk.hq.stick_command import add_stick_parsers
from kiosk.hq.upkeep_command import add_upkeep_parsers
from kiosk.hq.voucher_command import add_voucher_parsers
from kiosk.model.errors import ConfigFault

STOP_S = 1  # for requests under way when the server is to stop; terminals send theirs again
FIRST_STEPS = """first steps:
  kiosk hq init --data DIR --domain power.example   makes the key; give its public half to the terminals
  kiosk hq enrol --data DIR VKEY                    VKEY is the line that `kiosk enrol` printed at the terminal
  kiosk hq serve --data DIR                         takes ledgers, and shows the page at http://127.0.0.1:8600/

ORIGIN is the name of a terminal's ledger, e.g. power.example/kiosk/420100/0007/1; `kiosk hq vkeys` lists them.
"""


def add_parsers(subparsers: Any) -> None:
    """Adds ``hq`` with its own subcommands to an argparse ``subparsers``; each sets ``run(args) -> exit code``."""
    office = subparsers.add_parser(
        "hq",
        help="head office: server, enrolment, keys",
        description="Head office: takes the terminals' ledgers, witnesses them, and shows the books.",
        epilog=FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = office.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Run, help_: str) -> argparse.ArgumentParser:
        return prepared(commands.add_parser(name, help=help_, description=help_), run)

    init = add("init", _init, "Make head office's key, once, and print its public half.")
    init.add_argument("--domain", required=True, help="the operator's domain, e.g. power.example")
    init.add_argument("--number", type=int, default=1, metavar="N", help="of the key, 1 first")
    serve = add("serve", _serve, "Run the server: the terminals' uplink, and the page with the books.")
    serve.add_argument("--listen", default="127.0.0.1:8600", metavar="HOST:PORT", help="default: 127.0.0.1:8600")
    serve.add_argument("--certificate", type=Path, metavar="FILE", help="PEM, for HTTPS; else put a proxy in front")
    serve.add_argument("--certificate-key", type=Path, metavar="FILE", help="PEM; default: in the certificate's file")
    fill_enrol(add("enrol", run_enrol, "Enrol a terminal: by a code and a fingerprint, or by its public key."))
    fill_retire(add("retire", run_retire, "End a terminal's ledger; its debts are shown."))
    add("vkey", _vkey, "Print head office's public key, which terminals need.")
    add("vkeys", _vkeys, "Print every public key, old epochs too, one a line: the list to publish.")
    for name, (run, help_) in _ON_LOGS.items():
        parser = add(name, run, help_)
        parser.add_argument(
            "origin", metavar="ORIGIN", help="the ledger's name, e.g. power.example/kiosk/420100/0007/1"
        )
        if name == "evidence":
            parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write them")
    add_upkeep_parsers(commands)
    add_stick_parsers(commands)
    add_voucher_parsers(commands)
    add_held_parsers(commands)
    add_publish_parsers(commands)
    add_staff_parsers(commands)


def _init(args: argparse.Namespace) -> int:
    sys.stdout.write(f"{create_signer(args.data, args.domain, args.number).vkey}\n")
    return 0


def _serve(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    host, _, port = args.listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ConfigFault("F-701", f"--listen {args.listen}: give a host and a port, e.g. 127.0.0.1:8600")
    app = create_app(Settings(args.data, database_url(args), load_settings(args.data).limits))
    # One process, many threads. More offices may serve one PostgreSQL database, each its own `kiosk hq serve`.
    try:
        uvicorn.run(
            app,
            host=host.strip("[]"),
            port=int(port),
            workers=1,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            ssl_certfile=args.certificate,
            ssl_keyfile=args.certificate_key,
        )
    except OSError as error:  # the address in use is uvicorn's own report
        raise ConfigFault("F-701", f"the certificate {args.certificate} cannot be used: {error}") from error
    return 0


def _vkey(args: argparse.Namespace) -> int:
    sys.stdout.write(f"{read_vkey(args.data)}\n")
    return 0


def _vkeys(args: argparse.Namespace) -> int:
    listed = vkeys(opened_store(args))
    own = str(read_vkey(args.data))  # before the server first ran, the database does not know it
    sys.stdout.write("".join(f"{vkey}\n" for vkey in (*listed, *([] if own in listed else [own]))))
    return 0


def _changed(done: str, already: str, **fields: bool) -> Run:
    def run(args: argparse.Namespace) -> int:
        sys.stdout.write(f"{args.origin} {done if change(opened_store(args), args.origin, **fields) else already}\n")
        return 0

    return run


def _evidence(args: argparse.Namespace) -> int:
    written = write_evidence(opened_store(args), args.origin, args.out)
    sys.stdout.write(f"{written} written to {args.out}\n" if written else f"there is none about {args.origin}\n")
    return 0


_ON_LOGS: dict[str, tuple[Run, str]] = {
    "block": (
        _changed("is blocked", "is blocked already", blocked=True),
        "Refuse a terminal: it keeps its records and goes on selling.",
    ),
    "unblock": (_changed("is served again", "is not blocked", blocked=False), "Serve a blocked terminal again."),
    "lift": (
        _changed("is out of quarantine", "is not in quarantine", quarantined=False),
        "End a quarantine; look at the evidence first.",
    ),
    "evidence": (_evidence, "Write out the proofs of a fork: both checkpoints, and the leaf hashes."),
}
