import pytest
from stage import Power, set_up


@pytest.fixture
def stage(tmp_path):
    """Makes a world with these vendors' cards, head office open, and the kiosk's power in hand."""
    opened = []

    def make(*folders, changes="", office=True, others=(), reader="pcsc", acceptor="ccnet"):
        world = set_up(tmp_path, folders, changes, others, reader, acceptor)
        opened.append(world)
        world.__enter__()
        if office:
            world.open_office()
        return world, Power(world, tmp_path)

    yield make
    for world in opened:
        world.__exit__(None, None, None)
