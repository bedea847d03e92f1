"""A vendor's folder for the demo whose cards the chosen reader does not serve: told before anything starts."""

from __future__ import annotations

import pytest

from kiosk.desk import command
from kiosk.drivers.sdk import start


@pytest.mark.parametrize(
    ("card", "reader", "told"),
    [
        ('type = "AT88SC1604"\nmark = [{ zone = 1, addr = 2, hex = "41424301" }]', "pcsc", "make run READER=serial"),
        ('type = "CPU"\nmark = [{ apdu = "00A40000023F00" }]', "serial", "leave --reader serial out"),
    ],
)
def test_a_vendor_whose_cards_the_reader_does_not_serve_is_told(tmp_path, capsys, monkeypatch, card, reader, told):
    monkeypatch.setattr(command, "lay_out", lambda *_, **__: pytest.fail("nothing is begun"))
    start.new(tmp_path / "abc", native=False)
    manifest = tmp_path / "abc" / "vendor.toml"
    text = manifest.read_text("utf-8")
    first = text.index('type = "SLE4442"')
    manifest.write_text(text[:first] + card + text[text.index("\n\n", first) :], "utf-8")
    asked = ["--script", "--folder", str(tmp_path), "--vendor", str(manifest.parent), "--reader", reader]
    assert command.main(asked) == 1
    words = capsys.readouterr().err
    assert words.startswith("ABC: ")
    assert told in words
