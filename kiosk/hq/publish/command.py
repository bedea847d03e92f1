"""``kiosk hq publish …`` and ``kiosk hq seal``: what goes down to the terminals, and whose keys say so."""

from __future__ import annotations

import argparse
import secrets
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from kiosk.billing.program import release_in
from kiosk.hq.enrol import vkeys
from kiosk.hq.folder import REPOSITORY, Run, opened_store, prepared
from kiosk.hq.invite import sealing_key
from kiosk.hq.keyring import read_vkey
from kiosk.hq.publish import keyfiles
from kiosk.hq.publish.content import checked, vendor_tar, version_of, vkeys_text
from kiosk.hq.publish.program import program_tar
from kiosk.hq.publish.repository import ROLES, Repository
from kiosk.hq.staff import Roster, keep_key, sealed_for, sealing_keys
from kiosk.hq.vouchers import next_list
from kiosk.ledger.files import Below, PlainFiles
from kiosk.ledger.sealing import SealingKey, seal
from kiosk.model import targets
from kiosk.model.clock import SystemClock
from kiosk.model.errors import ConfigFault, LedgerFault

FOLDER = "publish"
STICK_FOLDER = "prepaid-kiosk/v1/tuf"
KEYS_MAX = 16
SHARED = {
    "prices": targets.PRICES,
    "blocked": targets.BLOCKED,
    "messages": targets.MESSAGES,
    "settings": targets.SETTINGS,
}
OWN = {"customers": targets.CUSTOMERS, "secrets": targets.SECRETS, "own-settings": targets.OWN_SETTINGS}
ABOUT = """Publish prices, lists and secrets for the terminals, as a TUF repository.

Terminals fetch it from /v1/tuf/ of `kiosk hq serve`, or read it from a stick. The root's keys are needed for `init`,
`rotate` and `extend` only: keep them on sticks in a safe, not here. Run `lists` and `renew` daily (cron, systemd)."""


def add_publish_parsers(commands: Any) -> None:
    """Adds them to an argparse ``subparsers``."""
    about = "Publish prices, lists and secrets for the terminals (TUF)."
    raw = argparse.RawDescriptionHelpFormatter
    group = commands.add_parser("publish", help=about, description=ABOUT, formatter_class=raw)
    verbs = group.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Run, help_: str, into: Any = verbs, *, root: bool = False) -> argparse.ArgumentParser:
        parser = prepared(into.add_parser(name, help=help_, description=help_), run)
        if root:
            told = "where keys of the root lie; again for each further folder"
            parser.add_argument("--root-keys", type=Path, action="append", required=True, metavar="DIR", help=told)
        return parser

    init = add("init", _init, "Make the keys and the first root, which terminals need.", root=True)
    init.add_argument("--root-count", type=int, default=3, metavar="N", help="keys of the root; default: 3")
    init.add_argument("--root-threshold", type=int, default=2, metavar="N", help="of which are needed; default: 2")
    put = add("put", _put, "Publish files, all at once.")
    for name in SHARED:
        put.add_argument(f"--{name}", type=Path, metavar="FILE")
    for name in OWN:
        put.add_argument(f"--{name}", action="append", default=[], metavar="REGION/TERMINAL=FILE")
    put.add_argument("--vendor", type=Path, action="append", default=[], metavar="FOLDER", help="one that conforms")
    add("lists", _lists, "Publish the list of vouchers for cards, and all public keys, as the database has them.")
    staff = add("staff", _staff, "Publish the staff list, sealed to every terminal in service.")
    told = "sealing key of a terminal that was enrolled without a code, to be kept; again for each"
    staff.add_argument("--key", type=Path, action="append", default=[], metavar="FILE", help=told)
    program = add("program", _program, "Publish a program release: a tree of this project.")
    program.add_argument("tree", type=Path, metavar="TREE", help="its top folder")
    program.add_argument("--version", type=int, required=True, metavar="N", help="higher than the last one's")
    remove = add("remove", _remove, "Take something out; terminals keep what they have installed.")
    remove.add_argument("path", metavar="NAME", help="as `status` shows it")
    add("renew", _renew, "Give what is published a new date.")
    rotate = add("rotate", _rotate, "Exchange a role's key for a new one.", root=True)
    rotate.add_argument("role", choices=(*ROLES, "root"))
    rotate.add_argument("--old", default="", metavar="KEYID", help="the root key to be exchanged (role root)")
    rotate.add_argument(
        "--new-in", type=Path, metavar="DIR", help="where the new root key goes; default: the first DIR"
    )
    add("extend", _extend, "Give the root a new date.", root=True)
    add("status", _status, "What is published, by whose keys, and until when.")
    export = add("export", _export, "Copy the repository onto a stick.")
    export.add_argument("stick", type=Path, metavar="FOLDER", help="the stick's top folder")
    sealing = add("seal", _seal, "Seal vendors' secrets to one terminal.", commands)
    whose = sealing.add_mutually_exclusive_group(required=True)
    whose.add_argument("--terminal", default="", metavar="REGION/TERMINAL", help="enrolled by a code: its key is here")
    whose.add_argument("--key", type=Path, metavar="FILE", help="the terminal's sealing key, seal1+…")
    sealing.add_argument("--secrets", type=Path, required=True, metavar="FILE", help='TOML: name = "password"')
    sealing.add_argument("--version", type=int, required=True, metavar="N", help="higher than the last one's")
    sealing.add_argument("--out", type=Path, required=True, metavar="FILE", help="then `publish put --secrets`")


def repository(args: argparse.Namespace) -> Repository:
    """The repository of head office's folder."""
    return Repository(args.data / REPOSITORY, SystemClock())


def _keys(args: argparse.Namespace) -> dict[str, Any]:
    """The keys at head office that the root names: of several of a role (a rotation that broke off), the right one."""
    named = repository(args).now(Root).roles
    found = {}
    for role in ROLES:
        for signer in keyfiles.found([args.data / FOLDER / "keys"], f"{role}-"):
            if keyfiles.key_id(signer) in named[role].keyids:
                found[role] = signer
        if role not in found:
            raise LedgerFault("L-505", f"{args.data / FOLDER / 'keys'} holds no key that the root names for {role}")
    return found


def _new_key(folder: Path, role: str) -> Any:
    return keyfiles.make(folder, f"{role}-{secrets.token_hex(4)}")


def _init(args: argparse.Namespace) -> int:
    if not 1 <= args.root_threshold <= args.root_count <= KEYS_MAX:
        raise ConfigFault("F-701", f"--root-threshold is from 1 to --root-count, which is {KEYS_MAX} at most")
    read_vkey(args.data)  # a slip in --data must not make a repository somewhere else
    here = repository(args)
    if here.metadata.exists():
        raise LedgerFault("L-505", f"{here.folder} is a repository already")
    root = [_new_key(args.root_keys[n % len(args.root_keys)], "root") for n in range(args.root_count)]
    here.begin(root, args.root_threshold, {role: _new_key(args.data / FOLDER / "keys", role) for role in ROLES})
    _say(f"{here.metadata / '1.root.json'} is the root that every terminal is given at its enrolment")
    _say(f"any {args.root_threshold} of the {args.root_count} root keys sign: take them away from this machine")
    return 0


def _put(args: argparse.Namespace) -> int:
    here, changes = repository(args), {}
    for name, path in SHARED.items():
        if (file := getattr(args, name)) is not None:
            changes[path] = checked(here, path, file)
    for name, last in OWN.items():
        for given in getattr(args, name.replace("-", "_")):
            whose, equals, file = given.partition("=")
            if not equals or not targets.is_terminal(whose):
                raise ConfigFault("F-701", f"--{name} {given}: give REGION/TERMINAL=FILE, e.g. 420100/0007=list.txt")
            path = targets.for_terminal(whose, last)
            changes[path] = checked(here, path, Path(file))
    changes |= dict(map(vendor_tar, args.vendor))
    return _publish(args, here, changes)


def _lists(args: argparse.Namespace) -> int:
    store, here = opened_store(args), repository(args)
    listed = vkeys(store)
    own = str(read_vkey(args.data))
    changes = {targets.VKEYS: vkeys_text([*listed, *([] if own in listed else [own])])}
    owed = next_list(store, SystemClock().utc_ms())
    before = here.content(targets.OWED)
    if before is None or owed.text().partition("\nversion ")[2].partition("\n")[2] != _rows(before):
        changes[targets.OWED] = owed.text().encode("ascii")
    return _publish(args, here, changes)


def _staff(args: argparse.Namespace) -> int:
    here, store = repository(args), opened_store(args)
    for file in args.key:
        _say(f"the sealing key of {keep_key(args.data, file)} is kept")
    keys = sealing_keys(args.data, store)
    if not keys:
        raise ConfigFault("F-717", "no terminal in service has a sealing key here: enrol it by a code, or give --key")
    return _publish(args, here, sealed_for(here, Roster(args.data), keys))


def _program(args: argparse.Namespace) -> int:
    here = repository(args)
    return _publish(args, here, {targets.PROGRAM: program_tar(here, args.tree.resolve(), args.version)})


def _rows(content: bytes) -> str:
    return content.decode("ascii").split("\n", 2)[2]


def _remove(args: argparse.Namespace) -> int:
    here = repository(args)
    if args.path not in here.now(Targets).targets:
        raise ConfigFault("F-701", f"nothing is published as {args.path}; `kiosk hq publish status` tells what is")
    return _publish(args, here, {args.path: None})


def _publish(args: argparse.Namespace, here: Repository, changes: Mapping[str, bytes | None]) -> int:
    fresh = {path: content for path, content in changes.items() if content != here.content(path) or content is None}
    if not fresh:
        _say("nothing new: all of it is published already")
        return 0
    published = here.publish(fresh, _keys(args))
    for path, content in fresh.items():
        version = 0 if content is None else _version(path, content)
        told = "taken out" if content is None else f"version {version}" if version else "new"
        _say(f"{path}: {told}")
    _say(f"published as version {published}")
    return 0


def _version(path: str, content: bytes) -> int:
    """The version that a target says itself; 0 without one."""
    if path == targets.PROGRAM:
        return release_in(content).version
    return 0 if targets.vendor_in(path) else version_of(content)


def _renew(args: argparse.Namespace) -> int:
    repository(args).renew(_keys(args))
    return _status(args)


def _rotate(args: argparse.Namespace) -> int:
    here, root = repository(args), keyfiles.found(args.root_keys, "root-")
    if args.role == "root":
        new = _new_key(args.new_in or args.root_keys[0], "root")
        version = here.exchange_root_key(args.old, new, [*root, new])
        _say(f"root {version}: {args.old} is no root key any more, {keyfiles.key_id(new)} is one")
        return 0
    version = here.change_root({args.role: _new_key(args.data / FOLDER / "keys", args.role)}, root)
    here.sign_again(_keys(args))
    _say(f"root {version}: {args.role} has a new key, and everything is signed again")
    return 0


def _extend(args: argparse.Namespace) -> int:
    version = repository(args).change_root({}, keyfiles.found(args.root_keys, "root-"))
    _say(f"root {version} has a new date")
    return 0


def _status(args: argparse.Namespace) -> int:
    here = repository(args)
    root = here.now(Root)
    for kind in (Root, Targets, Snapshot, Timestamp):
        signed = here.now(kind)  # type: ignore[type-var]
        role = root.roles[kind.type]
        keys = f"{role.threshold} of {len(role.keyids)}: {' '.join(sorted(key[:16] for key in role.keyids))}"
        _say(f"{kind.type:9} version {signed.version:<5} until {signed.expires:%Y-%m-%d}  keys {keys}")
    for path, told in sorted(here.now(Targets).targets.items()):
        version = _version(path, here.content(path) or b"")
        _say(f"{path}  {told.length} bytes" + (f", version {version}" if version else ""))
    return 0


def _export(args: argparse.Namespace) -> int:
    write_stick(repository(args), args.stick)
    _say(f"the repository is in {args.stick / 'prepaid-kiosk' / 'v1' / 'tuf'}")
    return 0


def write_stick(here: Repository, stick: Path) -> None:
    """Copies the repository to ``prepaid-kiosk/v1/tuf`` under a folder, ``timestamp.json`` last, so that a copy that
    breaks off is an older one, or none. No link on the stick is followed. Raises LedgerFault L-502.
    """
    here.now(Timestamp)
    to = Below(PlainFiles(stick), STICK_FOLDER)
    with here.turn():
        files = sorted(path for path in here.folder.rglob("*") if path.is_file() and path.parent != here.folder)
        wanted = {path.relative_to(here.folder).as_posix(): path for path in files if path.name[0] != "."}
        for name in sorted(wanted, key=lambda name: name == "metadata/timestamp.json"):
            content = wanted[name].read_bytes()
            if to.read(name, len(content)) != content:
                to.write(f"{name}.new", content)
                if to.is_folder(name):
                    to.remove(name)
                to.rename(f"{name}.new", name)
                to.flush(name.rpartition("/")[0])
        folders = [""]
        while folders:
            folder = folders.pop()
            for name in (f"{folder}/{each}".lstrip("/") for each in to.names(folder)):
                if to.is_folder(name):
                    folders.append(name)
                elif name not in wanted:
                    to.remove(name)


def _seal(args: argparse.Namespace) -> int:
    try:
        content = args.secrets.read_bytes()
        names = tomllib.loads(content.decode())
        line = args.key.read_text(encoding="ascii") if args.key else sealing_key(opened_store(args), args.terminal)
        key = SealingKey.parse(line.strip())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not TOML, or not a key"  # never the content
        named = f" or {args.key}" if args.key else ""
        raise ConfigFault("F-715", f"{args.secrets}{named} cannot be used: {reason}") from None
    if args.version < 1 or not all(isinstance(value, str) for value in names.values()):
        raise ConfigFault("F-715", 'secrets are lines like name = "password", and --version is 1 or more')
    try:
        args.out.write_text(seal(key, args.version, content).text(), encoding="ascii")
    except OSError as error:
        raise LedgerFault("L-502", f"{args.out} cannot be written: {error}") from error
    _say(f"{len(names)} secrets are sealed to terminal {key.terminal}, version {args.version}: only it can open them")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
