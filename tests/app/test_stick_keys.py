"""Whose answer counts on a stick: head office's newest key is known from the list of all keys that it sent down."""

import pytest
from test_office_settings import TOML

from kiosk.app import stick
from kiosk.ledger.export import stick_folder
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import make_key
from kiosk.ledger.note import HEAD_OFFICE, cosign
from kiosk.model.clock import SystemClock

ORIGIN = "power.example/kiosk/420100/0007/1"


@pytest.fixture
def terminal(tmp_path):
    (tmp_path / "kiosk.toml").write_text(TOML + '[head_office]\nvkey_file = "hq.vkey"\n')
    (tmp_path / "kiosk").mkdir()
    (tmp_path / "passphrase").write_text("never use in a real system")
    key = make_key(tmp_path / "kiosk" / "signing-key.pem", tmp_path / "passphrase", ORIGIN)
    old, new = (
        make_key(tmp_path / f"hq-{n}.pem", tmp_path / "passphrase", f"power.example/ledger-hq/{n}", HEAD_OFFICE)
        for n in (1, 2)
    )
    (tmp_path / "hq.vkey").write_text(f"{old.vkey}\n")
    Journal.create(tmp_path / "kiosk" / "ledger.db", key, ORIGIN, "", "new", SystemClock()).close()
    with JournalReader(tmp_path / "kiosk" / "ledger.db") as log:
        note = log.newest()
    answer = tmp_path / "stick" / stick_folder(ORIGIN) / "checkpoint.hq"
    answer.parent.mkdir(parents=True)
    answer.write_text(cosign(note, new, SystemClock().utc_ms() // 1000))
    (tmp_path / "all.vkeys").write_text(f"{key.vkey}\n{old.vkey}\n{new.vkey}\n")
    return tmp_path


def test_an_answer_by_the_newest_key_counts_once_the_list_of_all_keys_is_in_force(terminal, capsys):
    words = ["import", str(terminal / "stick"), "--config", str(terminal / "kiosk.toml"), "--language", "en"]
    assert stick.main(words) == stick.WRONG and "S-605" in capsys.readouterr().out
    (terminal / "all.vkeys").rename(terminal / "kiosk" / "vkeys.txt")
    assert stick.main(words) == stick.GOOD, capsys.readouterr()


def test_who_names_a_key_file_means_it(terminal):
    (terminal / "all.vkeys").rename(terminal / "kiosk" / "vkeys.txt")
    words = ["import", str(terminal / "stick"), "--config", str(terminal / "kiosk.toml")]
    assert stick.main([*words, "--hq-vkey", str(terminal / "hq.vkey")]) == stick.WRONG
