import sys
from pathlib import Path

import pytest

from kiosk.app.terminal import _rules
from kiosk.config import load_config
from kiosk.model.errors import ConfigFault

ROOT = Path(__file__).resolve().parents[1]
GOOD = """
[terminal]
domain = "power.example"
region = "420100"
id = "0007"
operator_zh = "示范电力"
operator_en = "Example Power"
place_zh = "一号楼"
place_en = "Building 1"
phone = "95598"
folder = "kiosk"
[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "secrets.toml"
[acceptor]
path = "/dev/ttyS0"
[printer]
path = "/dev/ttyS1"
[prices]
file = "prices.note"
vkey_file = "prices.vkey"
[vendors]
folders = ["rdk", "/opt/hnd"]
"""


def load(tmp_path, text):
    file = tmp_path / "kiosk.toml"
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def test_a_whole_file_gives_one_frozen_config_with_paths_from_its_own_folder(tmp_path):
    config = load(tmp_path, GOOD)
    assert config.vendors.folders == (tmp_path / "rdk", Path("/opt/hnd"))
    assert config.journal == tmp_path / "kiosk" / "ledger.db"
    assert config.origin(1) == "power.example/kiosk/420100/0007/1"
    assert config.acceptor.baud == 9600


def test_a_downlink_that_never_rests_is_a_slip(tmp_path):
    with pytest.raises(ConfigFault, match="'poll_ms' must be 1000 or more"):
        load(tmp_path, GOOD + "\n[downlink]\npoll_ms = 10\n")
    assert load(tmp_path, GOOD).tuf_root == tmp_path / "kiosk" / "tuf-root.json"


def test_all_mistakes_are_reported_together(tmp_path):
    text = GOOD.replace('phone = "95598"', "phon = 1").replace('path = "/dev/ttyS1"', 'path = 7\nbauds = "x"')
    with pytest.raises(ConfigFault) as fault:
        load(tmp_path, text)
    for word in ("'phon'", "'phone' is missing", "'path' must be a str", "'bauds'"):
        assert word in str(fault.value)


def test_what_the_reader_believes_is_a_table_of_its_own(tmp_path):
    config = load(tmp_path, GOOD + "[reader.choices]\nat24_page = 4\nat88sc102_tries = 8\n")
    assert (config.reader.choices.at24_page, config.reader.choices.at88sc102_tries) == (4, 8)
    with pytest.raises(ConfigFault, match="at24_page is 0, 4, 8 or 16, not 5"):
        load(tmp_path, GOOD + "[reader.choices]\nat24_page = 5\n")


def test_a_name_that_cannot_stand_in_an_origin_is_refused(tmp_path):
    with pytest.raises(ConfigFault, match="'id'"):
        load(tmp_path, GOOD.replace('id = "0007"', 'id = "No 7"'))


def test_head_office_needs_its_key(tmp_path):
    with pytest.raises(ConfigFault, match="vkey_file"):
        load(tmp_path, GOOD + '[head_office]\nurl = "http://127.0.0.1:8600"\n')


def test_a_reader_on_a_serial_line(tmp_path):
    reader = load(tmp_path, GOOD + '[reader]\nkind = "serial"\npath = "/dev/ttyUSB0"\n').reader
    assert (reader.kind, reader.path, reader.baud) == ("serial", "/dev/ttyUSB0", 19200)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('kind = "usb"', "'kind' must be pcsc or serial, not 'usb'"),
        ('kind = "serial"', "'path' is missing"),
        ('kind = "serial"\npath = "/dev/ttyUSB0"\nname = "ACS"', "'name' has no meaning with kind = 'serial'"),
        ('kind = "serial"\npath = "/dev/ttyUSB0"\nbaud = 9601', "'baud' must be one of 1200, 2400"),
        ('path = "/dev/ttyUSB0"', "'path' has no meaning with kind = 'pcsc'"),
        ("baud = 9600", "'baud' has no meaning with kind = 'pcsc'"),
    ],
)
def test_what_does_not_fit_the_kind_of_reader_is_refused(tmp_path, written, said):
    with pytest.raises(ConfigFault) as fault:
        load(tmp_path, GOOD + f"[reader]\n{written}\n")
    assert said in str(fault.value)


def test_the_page_of_settings_is_what_the_code_says():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import write_settings
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    assert write_settings.PAGE.read_text(encoding="utf-8") == write_settings.page(), "run scripts/write_settings.py"


def test_without_a_word_the_acceptor_speaks_ccnet_and_there_are_no_coins(tmp_path):
    config = load(tmp_path, GOOD)
    assert (config.acceptor.protocol, config.coins.path) == ("ccnet", "")


def test_cash_devices_and_their_protocols(tmp_path):
    more = '[coins]\npath = "/dev/ttyS2"\ncheck = "crc"\nkeeps_count = true\n'
    config = load(tmp_path, GOOD.replace("[printer]", 'protocol = "ssp"\n[printer]') + more)
    assert (config.acceptor.protocol, config.coins.protocol, config.coins.check) == ("ssp", "cctalk", "crc")


def test_coins_are_taken_where_there_is_a_coin_acceptor_only(tmp_path):
    assert load(tmp_path, GOOD).coins_fen == ()
    assert load(tmp_path, GOOD + '[coins]\npath = "/dev/ttyS2"\n').coins_fen == (50, 100)
    chosen = load(tmp_path, GOOD + '[coins]\npath = "/dev/ttyS2"\ndenominations_fen = [100]\n')
    assert chosen.coins_fen == _rules(chosen).coins_fen == (100,)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[acceptor]\npath = "/a"\nprotocol = "mdb"', "[acceptor] 'protocol' must be one of ccnet, ssp, cctalk, id003"),
        ('[acceptor]\npath = "/a"\nbaud = 9601', "[acceptor] 'baud'"),
        ('[acceptor]\npath = "/a"\npoll_ms = -1', "[acceptor] 'poll_ms'"),
        ('[acceptor]\npath = "/a"\ncheck = "xor"', "[acceptor] 'check'"),
        ('[acceptor]\npath = "/a"\n[coins]\nprotocol = "ccnet"', "[coins] 'protocol' must be one of cctalk"),
        ('[acceptor]\npath = "/a"\n[coins]\npath = "/a"', "each needs a line of its own"),
        ('[acceptor]\npath = "/a"\n[coins]\npath = "/b"\ndenominations_fen = []', "[coins] 'denominations_fen'"),
        ('[acceptor]\npath = "/a"\n[coins]\npath = "/b"\ndenominations_fen = [0]', "[coins] 'denominations_fen'"),
    ],
)
def test_cash_devices_that_make_no_sense(tmp_path, table, words):
    with pytest.raises(ConfigFault) as fault:
        load(tmp_path, GOOD.replace('[acceptor]\npath = "/dev/ttyS0"', table))
    assert words in str(fault.value)
