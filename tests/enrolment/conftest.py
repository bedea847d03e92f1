import pytest


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    from soft_token import SoftTokens

    return SoftTokens(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def tpm(tmp_path):
    from soft_token import SoftTpm

    chip = SoftTpm(tmp_path)
    yield chip
    chip.stop()
