import pytest
from fakes import HeadOffice, Terminal


@pytest.fixture(scope="session")
def postgres():
    """One server for the whole session, started when the first test asks for it."""
    from postgres_server import Server

    server = Server()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request, tmp_path):
    """Where this test's head office keeps its things; every test of it is made on both."""
    from databases import Postgres, Sqlite

    if request.param == "sqlite":
        yield Sqlite(tmp_path)
    else:
        place = Postgres(request.getfixturevalue("postgres"))
        yield place
        place.drop()


@pytest.fixture
def empty(database):
    """A database without any table."""
    if database.kind == "postgresql":
        database.server.drop(database.name)
        database.server.create(name=database.name)
    return database


@pytest.fixture
def hq(tmp_path, database):
    office = HeadOffice(tmp_path, database)
    yield office
    office.store.close()


@pytest.fixture
def terminal(hq):
    return hq.enrol(Terminal()).open()
