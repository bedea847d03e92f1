import pytest
from fakes import HeadOffice, Terminal


@pytest.fixture
def hq(tmp_path):
    office = HeadOffice(tmp_path)
    yield office
    office.store.close()


@pytest.fixture
def terminal(hq):
    return hq.enrol(Terminal()).open()
