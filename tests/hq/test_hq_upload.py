"""The page where a stick's records are handed in: zips of every make, and what the person is told."""

import base64
import io
import re
import zipfile

import pytest
from fakes import Terminal, cosigned_time
from stick_fakes import export, place, zip_of, zipped

from kiosk.hq import upload
from kiosk.hq import zipped as zips
from kiosk.hq.multipart import FilePart, FormRefused

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


@pytest.fixture
def terminal(hq):
    return hq.enrol(Terminal()).open().grow(299)


def form(content, field="stick", boundary=BOUNDARY):
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="stick.zip"\r\n'
    head += "Content-Type: application/zip\r\n\r\n"
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def send(hq, content, lang="en", body=None, content_type=f"multipart/form-data; boundary={BOUNDARY}"):
    body = form(content) if body is None else body
    return hq.client.post(f"/stick?lang={lang}", content=body, headers={"Content-Type": content_type})


def answers(page):
    """What is in the zip that the page offers: {path: text}."""
    found = re.search(r'href="data:application/zip;base64,([^"]+)"', page.text)
    if found is None:
        return {}
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(found[1]))) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


def test_a_zip_of_the_stick_is_taken_and_answered(hq, terminal):
    other = hq.enrol(Terminal("power.example/kiosk/420100/0008/1")).open()
    page = send(hq, zip_of(terminal, other))
    assert page.status_code == 200 and "300 new records were checked" in page.text
    assert [hq.log(each).size for each in (terminal, other)] == [300, 1]
    back = answers(page)
    assert sorted(back) == sorted(f"{place(each)}/checkpoint.hq" for each in (terminal, other))
    for each in (terminal, other):
        cosigned_time(back[f"{place(each)}/checkpoint.hq"], each.note(), hq.vkey)


def test_the_page_itself_in_both_languages(hq):
    for lang, word in (("en", "Records from a stick"), ("zh-CN", "U盘导入记录")):
        page = hq.client.get(f"/stick?lang={lang}")
        assert page.status_code == 200 and word in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert f'href="/stick?lang={lang}"' in hq.client.get(f"/?lang={lang}").text


ABOVE = {
    "as it is": "",
    "below a folder": "新建文件夹/stick/",
    "with a drive": "E:\\",
    "climbing": "../../../../tmp/",
    "absolute": "/tmp/",
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE)
def test_a_zip_may_be_made_at_any_height_and_never_climbs_out(hq, terminal, tmp_path, above):
    before = sorted(tmp_path.rglob("*"))
    assert "Taken" in send(hq, zip_of(terminal, above=above)).text
    assert hq.log(terminal).size == 300
    assert [
        path for path in tmp_path.rglob("*") if path not in before and path.suffix not in (".db-wal", ".db-shm")
    ] == []


def test_a_zip_of_one_terminals_folder_only(hq, terminal):
    files = export(terminal)
    assert "Taken" in send(hq, zipped(files)).text
    assert (
        "Nothing new" in send(hq, zipped({f"{terminal.hash}/{name}": content for name, content in files.items()})).text
    )


def test_zips_of_windows_and_of_a_mac(hq, terminal):
    files = {
        f"PREPAID-KIOSK\\V1\\{terminal.hash.upper()}\\{name.replace('/', chr(92))}": content
        for name, content in export(terminal).items()
    }
    files["__MACOSX/prepaid-kiosk/._v1"] = b"\0\5\x16\7"
    files[f"{place(terminal)}/.DS_Store"] = b"Bud1"
    assert "Taken" in send(hq, zipped(files, zipfile.ZIP_STORED)).text
    assert hq.log(terminal).size == 300


def test_refusals_are_told_and_nothing_is_kept(hq, terminal):
    stranger = Terminal("gas.example/kiosk/1/2/1").open()
    bent = zip_of(terminal, **{"tile/0/000": b"x" * 8192})
    for content, words, code in ((zip_of(stranger), "another operator", "S-602"), (bent, "not whole", "S-615")):
        page = send(hq, content)
        assert page.status_code == 200 and words in page.text and code in page.text
        assert answers(page) == {}
    assert hq.log(terminal).size == 0


def raw_zip(method=zipfile.ZIP_STORED, flags=0, name=None):
    """A zip whose list says something that its file does not hold to."""
    packed = bytearray(zipped({name or f"prepaid-kiosk/v1/{'a' * 64}/checkpoint": b"x"}, zipfile.ZIP_STORED))
    at = packed.rfind(b"PK\1\2")
    packed[at + 8 : at + 12] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
    return bytes(packed)


REFUSED = {
    "no zip": (lambda: b"hello", "not a zip"),
    "nothing chosen": (lambda: b"", "not a zip"),
    "cut off": (lambda: zipped({"checkpoint": b"x" * 99})[:60], "not a zip"),
    "without a terminal": (lambda: zipped({"photos/1.jpg": b"x"}), "no terminal"),
    "with a password": (lambda: raw_zip(flags=1), "password"),
    "packed otherwise": (lambda: raw_zip(method=14), "unusual"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_zip_of_a_stick(hq, what):
    make, words = REFUSED[what]
    page = send(hq, make())
    assert page.status_code == 400 and words in page.text


def test_every_cut_of_a_zip_is_told_and_never_believed(hq, terminal):
    whole = zip_of(terminal)
    for cut in range(0, len(whole), 301):
        assert send(hq, whole[:cut]).status_code == 400, cut
    assert hq.log(terminal).size == 0


def test_a_zip_that_promises_too_much_is_not_unpacked(hq, terminal):
    """A gigabyte of zeros in a megabyte: stopped at the limit of what a bundle may be."""
    files = {f"{place(terminal)}/{name}": content for name, content in export(terminal).items()}
    files[f"{place(terminal)}/tile/entries/000"] = bytes(64 * 1024**2)
    assert "S-615" in send(hq, zipped(files)).text
    assert hq.log(terminal).size == 0


def test_a_list_of_too_many_files(hq, monkeypatch):
    monkeypatch.setattr(zips, "LIST_BYTES_MAX", 1_000)
    page = send(hq, zipped({f"prepaid-kiosk/v1/{at:064x}/checkpoint": b"" for at in range(10)}))
    assert page.status_code == 413 and "too many files" in page.text


def test_too_large_an_upload(hq, terminal, monkeypatch):
    monkeypatch.setattr(upload, "UPLOAD_BYTES_MAX", 1_000)
    page = send(hq, zip_of(terminal))
    assert page.status_code == 413 and hq.log(terminal).size == 0


def test_no_room_for_the_upload(hq, terminal, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upload.tempfile, "TemporaryFile", full)
    page = send(hq, zip_of(terminal))
    assert page.status_code == 507 and "no room" in page.text
    monkeypatch.undo()
    assert "Taken" in send(hq, zip_of(terminal)).text


def test_bodies_that_are_not_the_pages_form(hq, terminal):
    content = zip_of(terminal)
    assert send(hq, content, content_type="application/zip").status_code == 400
    assert send(hq, content, body=form(content, field="other")).status_code == 400
    assert send(hq, content, body=form(content)[:-40]).status_code == 400  # broken off
    assert send(hq, content, body=b"x" * 20_000).status_code == 400
    assert send(hq, content, body=form(content, boundary="other")).status_code == 400
    assert hq.log(terminal).size == 0


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_the_form_is_cut_right_wherever_the_stream_breaks(step):
    content = b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n\0\r\r\n--" + bytes(range(256)) + b"\r\n-"
    body, got = form(content), bytearray()
    part = FilePart(f'multipart/form-data; boundary="{BOUNDARY}"', "stick", got.extend, 10_000)
    for at in range(0, len(body), step):
        part.feed(body[at : at + step])
    part.finish()
    assert bytes(got) == content


def test_a_head_without_end(hq):
    part = FilePart("multipart/form-data; boundary=x", "stick", lambda _: None, 100)
    with pytest.raises(FormRefused):
        part.feed(b"--x\r\n" + b"a: b\r\n" * 2_000)
