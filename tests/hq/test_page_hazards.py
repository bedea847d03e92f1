"""Forms that somebody else fills in, and a first start that broke off."""

import asyncio
import io

import pytest

from kiosk.hq import keyring, upload
from kiosk.hq.keyring import create_signer, open_signer
from kiosk.model.errors import LedgerFault

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "body", [b"text=PK1:x&a=1&b=2&c=3&d=4", b"&".join([b"a=1"] * 4_000), b"text=%ff%00&text=", b"\xff"]
)
def test_a_form_with_any_fields_is_answered_with_the_page(hq, body):
    answer = hq.client.post("/slips?lang=en", content=body, headers=FORM)
    assert answer.status_code == 200 and "</html>" in answer.text


class PowerCut(BaseException):
    pass


def test_a_first_start_that_broke_off_before_the_public_key_was_written_goes_on(tmp_path, monkeypatch):
    """Its key is made once: a second one would be a stranger to terminals that got the first."""

    def cut(*_, **__):
        raise PowerCut

    folder = tmp_path / "hq"
    made = keyring.make_key
    with monkeypatch.context() as patch:
        patch.setattr(keyring, "make_key", lambda *given: (made(*given), cut()))
        with pytest.raises(PowerCut):
            create_signer(folder, "power.example", 1)
    key = (folder / "hq.key").read_bytes()
    signer = create_signer(folder, "power.example", 1)
    assert (folder / "hq.key").read_bytes() == key and open_signer(folder).vkey == signer.vkey
    with pytest.raises(LedgerFault, match="holds head office's key already"):
        create_signer(folder, "power.example", 1)


def test_a_first_start_that_broke_off_before_the_passphrase_was_written_goes_on(tmp_path):
    folder = tmp_path / "hq"
    folder.mkdir(mode=0o700)
    (folder / "passphrase").touch(mode=0o600)
    signer = create_signer(folder, "power.example", 1)
    assert open_signer(folder).vkey == signer.vkey
    assert (folder / "passphrase").stat().st_mode & 0o777 == 0o600 and len((folder / "passphrase").read_text()) > 40


class Stalled:
    """A browser that sends the beginning of a form, and then nothing more; the line stays open."""

    headers = {"content-type": "multipart/form-data; boundary=x"}  # noqa: RUF012 - nothing changes it

    async def stream(self):
        yield b'--x\r\nContent-Disposition: form-data; name="stick"; filename="a.zip"\r\n\r\nPK'
        await asyncio.Event().wait()


@pytest.mark.parametrize("limit", ["STALL_MAX_S", "UPLOAD_MAX_S"])
def test_an_upload_that_stops_coming_does_not_keep_the_others_out_for_ever(monkeypatch, limit):
    monkeypatch.setattr(upload, limit, 0.05, raising=False)
    handed = asyncio.run(asyncio.wait_for(upload._received(Stalled(), io.BytesIO()), 5))
    assert handed is not None and handed.refusal == "torn"
