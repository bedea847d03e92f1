"""What is PostgreSQL's alone: it forgets nothing that was answered, may go away and come back, tells no secret."""

import signal

import pytest
from databases import Postgres
from fakes import HeadOffice, Terminal
from postgres_server import LIGHT, Server

from kiosk.hq.database import open_database
from kiosk.hq.store import Store
from kiosk.model.errors import LedgerFault

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def durable():
    """A server as an operator runs it: fsync and full pages."""
    server = Server(**dict.fromkeys(LIGHT, "on"))
    yield server
    server.close()


@pytest.fixture
def office(durable, tmp_path):
    place = Postgres(durable, empty=True)
    durable.sql(f'ALTER DATABASE "{place.name}" SET synchronous_commit = off')
    one = HeadOffice(tmp_path, place)
    yield one
    one.store.close()
    place.drop()


def test_what_was_answered_is_there_when_the_server_dies(office, durable, caplog):
    terminal = office.enrol(Terminal()).open().grow(49)
    for cut in range(5):
        answer = office.post(terminal, terminal.batch(cut * 10, cut * 10 + 10))
        assert answer.status_code == 200
        durable.stop(signal.SIGQUIT)
        assert office.post(terminal, terminal.batch(cut * 10 + 10, cut * 10 + 10)).status_code == 503
        assert office.client.get("/").status_code == 503
        durable.start()
        assert office.get(terminal).text == answer.text, "the pool finds new connections by itself"
    assert office.log(terminal).size == 50
    assert "fsync" not in caplog.text


def test_a_servers_own_default_does_not_make_commits_lazy(office):
    with office.store.session() as database:
        assert database.execute_sql("SHOW synchronous_commit").fetchone() == ("on",)
        assert database.execute_sql("SHOW lock_timeout").fetchone() == ("30s",)


def test_a_server_that_forgets_is_told_of(postgres, tmp_path, caplog):
    place = Postgres(postgres, empty=True)
    Store(place.url, tmp_path).close()
    assert "fsync=off" in caplog.text
    place.drop()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hq:geheim@127.0.0.1:1/hq",
        "postgresql://hq:ge%3Aheim@/hq?host=/nowhere",
        "postgresql://hq:geheim@",
        "postgresql:geheim",
        "mysql://hq:geheim@localhost/hq",
        "postgresql://hq:geheim@localhost:port/hq",
    ],
)
def test_no_secret_in_an_error(url):
    with pytest.raises(LedgerFault) as caught:
        Store(url)
    told = f"{caught.value} {caught.value.__cause__}"
    assert caught.value.code == "L-502" and "heim" not in told


def test_a_password_may_hold_any_sign():
    database = open_database("postgresql://h%40q:p%40%2F%3A1@db.example:5433/books?sslmode=require")
    given = database.connect_params
    assert (given["user"], given["password"], given["host"], given["port"]) == ("h@q", "p@/:1", "db.example", 5433)
    assert (database.database, given["sslmode"]) == ("books", "require")
