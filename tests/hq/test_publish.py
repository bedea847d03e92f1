"""``kiosk hq publish`` and ``kiosk hq seal``: what may be published, whose keys are needed, what a server gives out."""

import argparse
import re

import pytest
from starlette.testclient import TestClient
from tuf.api.metadata import Metadata, Root, Targets

from kiosk.billing.blocked import BlockList
from kiosk.billing.book import PriceBook
from kiosk.hq.app import Settings, create_app
from kiosk.hq.command import add_parsers
from kiosk.hq.folder import REPOSITORY
from kiosk.hq.keyring import create_signer
from kiosk.hq.publish.keyfiles import load
from kiosk.hq.publish.repository import KEPT, Repository
from kiosk.ledger.sealing import load_sealing_key, make_sealing_key, parse_sealed
from kiosk.model.clock import SystemClock
from kiosk.model.errors import LedgerFault

PRICES = "prices/prices.txt"


class Staff:
    def __init__(self, folder, capsys):
        self.folder, self.data, self._capsys = folder, folder / "hq", capsys
        self.office = create_signer(self.data, "power.example", 1)
        parser = argparse.ArgumentParser()
        add_parsers(parser.add_subparsers())
        self._parser = parser
        self.repository = Repository(self.data / REPOSITORY, SystemClock())

    def does(self, *words):
        """Exit code, and what was said."""
        args = self._parser.parse_args(["hq", *map(str, words), "--data", str(self.data)])
        code = args.run(args)
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def well(self, *words):
        code, said = self.does(*words)
        assert code == 0, said
        return said

    def file(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def published(self):
        return sorted(self.repository.now(Targets).targets)


@pytest.fixture
def staff(tmp_path, capsys):
    staff = Staff(tmp_path, capsys)
    staff.safes = [tmp_path / "safe-1", tmp_path / "safe-2"]
    roots = [word for safe in staff.safes for word in ("--root-keys", safe)]
    staff.roots = roots
    assert "1.root.json" in staff.well("publish", "init", *roots)
    return staff


def test_keys_lie_encrypted_for_their_owners_eyes_and_the_roots_elsewhere(staff):
    keys = [*(staff.data / "publish" / "keys").glob("*.pem"), *staff.safes[0].glob("*.pem")]
    assert len(keys) == 5 and len(list(staff.safes[1].glob("*.pem"))) == 1
    for path in keys:
        assert b"ENCRYPTED" in path.read_bytes() and path.stat().st_mode & 0o077 == 0
        assert path.with_suffix(".passphrase").stat().st_mode & 0o077 == 0
    root = staff.repository.now(Root)
    assert (root.roles["root"].threshold, len(root.roles["root"].keyids)) == (2, 3)
    assert root.consistent_snapshot and root.version == 1
    keys[0].with_suffix(".passphrase").write_text("another\n")
    with pytest.raises(LedgerFault, match="L-505"):
        load(keys[0].parent, keys[0].stem)
    code, said = staff.does("publish", "init", *staff.roots)
    assert code == 1 and "L-505" in said


def test_prices_are_published_once_a_version(staff):
    book = PriceBook(7, {"0001": 5600})
    staff.well("publish", "put", "--prices", staff.file("p", book.text()))
    assert staff.repository.content(PRICES) == book.text().encode()
    assert "nothing new" in staff.well("publish", "put", "--prices", staff.file("p", book.text()))
    for version in (6, 7):
        other = PriceBook(version, {"0001": 1}).text()
        code, said = staff.does("publish", "put", "--prices", staff.file("p", other))
        assert code == 1 and "F-702" in said and "higher" in said
    assert "version 8" in staff.well("publish", "put", "--prices", staff.file("p", PriceBook(8, {}).text()))


@pytest.mark.parametrize(
    ("option", "text", "code"),
    [
        ("--prices", "prepaid-kiosk/blocked/v1\nversion 1\n", "F-702"),
        ("--blocked", "nonsense", "F-712"),
        ("--messages", "prepaid-kiosk/messages/v1\nversion 1\n20261201 20261130 x | y\n", "F-713"),
        ("--customers", "nonsense", "F-704"),
        ("--secrets", "nonsense", "F-715"),
    ],
)
def test_what_a_terminal_could_not_read_is_not_published(staff, option, text, code):
    path = staff.file("wrong", text)
    given = f"420100/0007={path}" if option in ("--customers", "--secrets") else path
    ended, said = staff.does("publish", "put", option, given)
    assert ended == 1 and code in said and staff.published() == []
    ended, said = staff.does("publish", "put", option, f"420100/0007={staff.folder / 'nowhere'}")
    assert ended == 1 and staff.published() == []


def test_several_files_in_one_publication_and_one_taken_out(staff):
    block = staff.file("b", BlockList(1).text())
    said = staff.well("publish", "put", "--prices", staff.file("p", PriceBook(1, {}).text()), "--blocked", block)
    assert "published as version 2" in said and staff.published() == ["blocked/blocked.txt", PRICES]
    staff.well("publish", "remove", "blocked/blocked.txt")
    assert staff.published() == [PRICES]
    assert staff.does("publish", "remove", "blocked/blocked.txt")[0] == 1


def test_lists_out_of_the_database(staff):
    staff.well("publish", "lists")
    assert staff.published() == ["ledger/vkeys.txt", "owed/owed.txt"]
    assert staff.repository.content("ledger/vkeys.txt") == f"{staff.office.vkey}\n".encode()
    assert "nothing new" in staff.well("publish", "lists")


def test_a_key_is_exchanged_only_with_enough_of_the_roots(staff):
    before = staff.repository.now(Root)
    code, said = staff.does("publish", "rotate", "targets", "--root-keys", staff.safes[1])
    assert code == 1 and "2 of its keys" in said
    assert staff.repository.now(Root).version == 1
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(1, {}).text()))
    staff.well("publish", "rotate", "targets", *staff.roots)
    root = staff.repository.now(Root)
    assert root.version == 2 and set(root.roles["targets"].keyids).isdisjoint(before.roles["targets"].keyids)
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(2, {}).text()))
    old = sorted(before.roles["root"].keyids)[0]
    staff.well("publish", "rotate", "root", "--old", old, "--new-in", staff.folder / "safe-3", *staff.roots)
    assert old not in staff.repository.now(Root).roles["root"].keyids
    assert staff.does("publish", "rotate", "root", "--old", old, *staff.roots)[0] == 1
    staff.well("publish", "extend", *staff.roots, "--root-keys", staff.folder / "safe-3")
    assert staff.repository.now(Root).version == 4
    assert re.search(r"root +version 4 ", staff.well("publish", "status"))


def test_a_new_date(staff):
    stamp = (staff.repository.metadata / "timestamp.json").read_bytes()
    said = staff.well("publish", "renew")
    assert "timestamp version 2" in said and "snapshot  version 1 " in said
    assert (staff.repository.metadata / "timestamp.json").read_bytes() != stamp


def test_old_publications_go_and_roots_stay(staff):
    for version in range(1, 8):
        staff.well("publish", "put", "--prices", staff.file("p", PriceBook(version, {}).text()))
    names = [path.name for path in staff.repository.metadata.iterdir()]
    assert sum(name.endswith(".targets.json") for name in names) == KEPT and "1.root.json" in names
    assert len(list((staff.repository.targets / "prices").iterdir())) == KEPT


def test_a_publication_that_broke_off_was_none(staff):
    """The power goes before the timestamp is in place: the next publication takes the same numbers, and is whole."""
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(1, {}).text()))
    stamp = staff.repository.metadata / "timestamp.json"
    before = stamp.read_bytes()
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(2, {}).text()))
    stamp.write_bytes(before)
    assert staff.repository.content(PRICES) == PriceBook(1, {}).text().encode()
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(3, {}).text()))
    assert staff.repository.content(PRICES) == PriceBook(3, {}).text().encode()


def test_the_server_gives_it_out_and_goes_on_where_a_terminal_was(staff):
    with TestClient(create_app(Settings(staff.data, f"sqlite:///{staff.data / 'hq.db'}"))) as web:
        staff.well("publish", "put", "--prices", staff.file("p", PriceBook(1, {"0001": 5600}).text()))
        told = web.get("/v1/tuf/metadata/timestamp.json")
        assert told.status_code == 200 and Metadata.from_bytes(told.content).signed.version == 2
        digest = staff.repository.now(Targets).targets[PRICES].hashes["sha256"]
        piece = web.get(f"/v1/tuf/targets/prices/{digest}.prices.txt", headers={"Range": "bytes=20-"})
        assert piece.status_code == 206 and piece.content == PriceBook(1, {"0001": 5600}).text().encode()[20:]
        for way in ("../keys/", "..%2fkeys%2f", "metadata/9.root.json"):
            assert web.get(f"/v1/tuf/{way}").status_code == 404, way


def test_a_stick_gets_the_whole_repository(staff):
    stick = staff.folder / "stick"
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(1, {}).text()))
    staff.well("publish", "export", stick)
    staff.well("publish", "put", "--prices", staff.file("p", PriceBook(2, {}).text()))
    staff.well("publish", "export", stick)
    here, there = staff.repository.folder, stick / "prepaid-kiosk" / "v1" / "tuf"
    files = {path.relative_to(here) for part in ("metadata", "targets") for path in (here / part).rglob("*.*")}
    assert {path.relative_to(there) for path in there.rglob("*.*")} == files and len(files) > 6
    assert not list(there.rglob("*.pem")) and not list(there.rglob("lock"))


def test_secrets_are_sealed_to_a_terminal_and_published_for_it_alone(staff):
    passphrase = staff.file("passphrase", "never use in a real system")
    public = make_sealing_key(staff.folder / "sealing.pem", passphrase, "420100/0007")
    key, vault = staff.file("key", f"{public}\n"), staff.file("vault", 'rdk = "112233"\n')
    sealed = staff.folder / "sealed"
    said = staff.well("seal", "--key", key, "--secrets", vault, "--version", 1, "--out", sealed)
    assert "420100/0007" in said and "112233" not in said + sealed.read_text()
    opener = load_sealing_key(staff.folder / "sealing.pem", passphrase, "420100/0007")
    assert opener.open(parse_sealed(sealed.read_text())) == vault.read_bytes()
    staff.well("publish", "put", "--secrets", f"420100/0007={sealed}")
    assert staff.published() == ["terminals/420100/0007/secrets.sealed"]
    code, said = staff.does("publish", "put", "--secrets", f"420100/0008={sealed}")
    assert code == 1 and "another terminal" in said
    wrong = staff.file("vault", "rdk = secret112233\n")
    code, said = staff.does("seal", "--key", key, "--secrets", wrong, "--version", 2, "--out", sealed)
    assert code == 1 and "F-715" in said and "112233" not in said


def test_without_a_repository_it_says_what_to_do(tmp_path, capsys):
    staff = Staff(tmp_path, capsys)
    code, said = staff.does("publish", "status")
    assert code == 1 and "publish init" in said
