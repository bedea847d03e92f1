"""The cash devices that the settings name."""

from types import SimpleNamespace

import pytest

from kiosk.app.acceptors import coin_acceptor, note_acceptor
from kiosk.config import Acceptor, Coins
from kiosk.devices.acceptor.ccnet.talk import CcnetTalk
from kiosk.devices.acceptor.cctalk.talk import CctalkTalk
from kiosk.devices.acceptor.id003.talk import Id003Talk
from kiosk.devices.acceptor.ssp.talk import SspTalk
from kiosk.model.cash import Mark
from kiosk.model.errors import ConfigFault


def config(folder, acceptor=Acceptor("/dev/none"), coins=Coins()):
    return SimpleNamespace(acceptor=acceptor, coins=coins, terminal=SimpleNamespace(folder=folder))


@pytest.mark.parametrize(
    ("protocol", "kind", "parity", "stop_bits"),
    [
        ("ccnet", CcnetTalk, "none", 1),
        ("ssp", SspTalk, "none", 2),
        ("cctalk", CctalkTalk, "none", 1),
        ("id003", Id003Talk, "even", 1),
    ],
)
def test_a_note_acceptor_speaks_what_the_settings_say(tmp_path, protocol, kind, parity, stop_bits):
    acceptor = note_acceptor(config(tmp_path, Acceptor("/dev/none", protocol, 19200)), Mark("1", 7))
    assert isinstance(acceptor._talk, kind)
    line = acceptor._line
    assert (line.path, line.baud, line.parity, line.stop_bits) == ("/dev/none", 19200, parity, stop_bits)
    assert acceptor._settings.memory_file == tmp_path / f"acceptor.{protocol}"


def test_without_a_path_there_are_no_coins(tmp_path):
    assert coin_acceptor(config(tmp_path), None) is None
    coins = coin_acceptor(config(tmp_path, coins=Coins("/dev/none")), Mark("1", 7))
    assert isinstance(coins._talk, CctalkTalk) and coins._settings.memory_file == tmp_path / "coins.cctalk"


def test_ssps_own_key_comes_out_of_a_file_and_is_shown_nowhere(tmp_path):
    key = tmp_path / "ssp.key"
    key.write_text("00000000ABCDEF01\n")
    acceptor = note_acceptor(config(tmp_path, Acceptor("/dev/none", "ssp", key_file=key)), None)
    assert acceptor._talk._dialogue._settings.keys.fixed_key == 0xABCDEF01
    assert "abcdef01" not in repr(acceptor._talk._settings).lower() and str(0xABCDEF01) not in repr(
        acceptor._talk._settings
    )


@pytest.mark.parametrize("content", [b"", b"123", b"00000000ABCDEFGH", b"\xff" * 16])
def test_a_key_file_that_holds_no_key_stops_the_start_and_is_not_told(tmp_path, content):
    key = tmp_path / "ssp.key"
    key.write_bytes(content)
    with pytest.raises(ConfigFault, match="F-701") as caught:
        note_acceptor(config(tmp_path, Acceptor("/dev/none", "ssp", key_file=key)), None)
    assert "ABCDEFGH" not in str(caught.value)
