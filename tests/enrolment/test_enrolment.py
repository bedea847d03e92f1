"""A terminal is enrolled: on line, by stick, with every slip and forgery on the way, and cut off at every step."""

import pytest
from enrol_stage import PLACE, Machine, Office, files, shown

from kiosk.app import enrol_command
from kiosk.hq.store import log_hash
from kiosk.ledger.enrolment import make_request, new_digits, parse_code
from kiosk.ledger.keys import KeySigner


@pytest.fixture
def hq(tmp_path, monkeypatch):
    office = Office(tmp_path / "hq")
    monkeypatch.setattr(enrol_command, "ask_office", office.ask)
    yield office
    office.close()


@pytest.fixture
def kiosk(tmp_path):
    return Machine(tmp_path / "terminal")


def on_line(kiosk, code, *words, typed="yes\n"):
    return kiosk.run("--code", code, "--office", "https://hq.power.example", *words, typed=typed)


def enrolled(hq, origin):
    return hq.store.log(log_hash(origin)) is not None


def test_on_line_with_two_people_who_compare(hq, kiosk):
    code = hq.code()
    status, said, _ = on_line(kiosk, code)
    assert status == 0 and f"This terminal is {PLACE}/1" in said and "may be started" in said
    assert not enrolled(hq, f"{PLACE}/1"), "the network alone enrols nobody"
    hq.confirm(code[:4], shown(said))
    assert enrolled(hq, f"{PLACE}/1")
    (opened,) = kiosk.entries()
    assert (opened.kind, opened.data["origin"], opened.data["prev"]) == ("log.opened", f"{PLACE}/1", "")
    assert (kiosk.folder / "hq.vkey").read_text().strip() == (hq.folder / "hq.vkey").read_text().strip()
    assert hq.take(kiosk.config.journal).status_code == 200
    with kiosk.opened() as journal:
        assert journal.origin == f"{PLACE}/1"


def test_the_code_can_be_typed_so_that_no_list_of_processes_shows_it(hq, kiosk):
    status, said, asked = kiosk.run("--office", "https://hq.power.example", typed=f"{hq.code()}\nyes\n")
    assert status == 0 and "twenty digits" in asked and shown(said)


def test_by_stick_there_and_back(hq, kiosk, tmp_path):
    from kiosk.hq.command import add_parsers

    code, stick = hq.code(), tmp_path / "stick"
    stick.mkdir()
    status, said, _ = kiosk.run("--code", code, "--stick", stick)
    assert status == 3 and f"enrol-request-{code[:4]}" in said and not kiosk.config.journal.exists()
    status, said, _ = kiosk.run("--code", code, "--stick", stick)
    assert status == 3 and "Has the stick been at head office?" in said
    assert _hq(add_parsers, "enrol", "take", stick, "--data", hq.folder) == 0
    status, said, _ = kiosk.run("--code", code, "--stick", stick, typed="yes\n")
    assert status == 0 and kiosk.config.journal.exists()
    words = ("--fingerprint", shown(said), "--operator", "李四", "--data", hq.folder)
    assert _hq(add_parsers, "enrol", "confirm", code[:4], *words) == 0
    assert enrolled(hq, f"{PLACE}/1")


def _hq(add_parsers, *words):
    import argparse

    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True))
    given = parser.parse_args(["hq", *map(str, words)])
    return given.run(given)


def test_a_person_who_sees_another_fingerprint_stops_it_at_either_end(hq, kiosk):
    code = hq.code()
    status, said, _ = on_line(kiosk, code, typed="no\n")
    assert status == 1 and "Nothing is changed" in said and not kiosk.config.journal.exists()
    assert not (kiosk.folder / "kiosk" / "enrolling").exists()
    code = hq.code()
    on_line(kiosk, code)
    with pytest.raises(Exception, match="E-908"):
        hq.confirm(code[:4], "1234 5678 9012 3456 7890")
    assert not enrolled(hq, f"{PLACE}/1") and not enrolled(hq, f"{PLACE}/2")
    with pytest.raises(Exception, match="E-909"):
        hq.confirm(code[:4], "1234 5678 9012 3456 7890")


def test_a_wrong_code_a_mistyped_one_and_one_too_many(hq, kiosk):
    code = hq.code()
    assert "E-901" in on_line(kiosk, code[:-1] + str((int(code[-1]) + 1) % 10))[2]
    for _ in range(4):
        status, _, why = on_line(kiosk, new_digits(code[:4]))
        assert status == 1 and "E-906" in why
    assert not kiosk.config.journal.exists()
    assert on_line(kiosk, code)[0] == 0, "four wrong tries are forgiven"


def test_after_five_wrong_tries_the_right_code_is_dead_too(hq, kiosk):
    code = hq.code()
    for _ in range(5):
        assert "E-906" in on_line(kiosk, new_digits(code[:4]))[2]
    assert "E-905" in on_line(kiosk, code)[2]
    assert not kiosk.config.journal.exists()


def test_a_used_an_expired_and_an_unknown_code(hq, kiosk, tmp_path):
    code = hq.code()
    on_line(kiosk, code)
    thief = Machine(tmp_path / "thief")
    assert "E-903" in on_line(thief, code)[2]
    late = hq.code(hours=1)
    hq.clock.ms += 3_600_000
    assert "E-904" in on_line(Machine(tmp_path / "late"), late)[2]
    old, new = hq.code(), hq.code()
    assert "E-904" in on_line(Machine(tmp_path / "old"), old)[2], "a newer code takes back the older one"
    assert on_line(Machine(tmp_path / "new"), new)[0] == 0
    unknown = next(each for each in (new_digits(f"{n:04}") for n in range(10_000)) if each[:4] not in (code, late, new))
    assert "E-902" in on_line(Machine(tmp_path / "unknown"), unknown)[2]


def test_a_code_for_another_terminal(hq, kiosk):
    code = hq.code(place="power.example/kiosk/420100/0008")
    assert "E-902" in on_line(kiosk, code)[2]


def test_who_forges_the_answer_or_changes_a_byte_of_it_is_not_believed(hq, kiosk, monkeypatch):
    code = hq.code()
    real = hq.ask

    def changed(url, request, transport=None):
        answer = bytearray(real(url, request))
        answer[len(answer) // 2] ^= 1
        return bytes(answer)

    monkeypatch.setattr(enrol_command, "ask_office", changed)
    status, _, why = on_line(kiosk, code)
    assert status == 1 and "E-907" in why and not kiosk.config.journal.exists()
    monkeypatch.setattr(enrol_command, "ask_office", real)
    assert on_line(kiosk, code)[0] == 0, "the code was not used up by it"


def test_who_knows_the_code_and_stands_in_between_shows_by_the_fingerprint(hq, kiosk, monkeypatch, tmp_path):
    """He enrols a key of his own, and answers the terminal himself, as head office with a key of his own."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kiosk.ledger.enrolment import Answer, make_answer, named, read_request

    digits = hq.code()
    code, his = parse_code(digits), KeySigner(Ed25519PrivateKey.generate(), f"{PLACE}/1")
    false_office = Office(tmp_path / "false-hq")

    def between(url, request, transport=None):
        hq.ask(url, make_request(code, PLACE, his, bytes(1216)))
        key = read_request(request).key
        office = (_vkey(false_office),)
        return make_answer(Answer(named(PLACE, 1, key), office, (), "", (), b"", b"{}"), request, code.key)

    monkeypatch.setattr(enrol_command, "ask_office", between)
    _, said, _ = on_line(kiosk, digits)
    with pytest.raises(Exception, match="E-908"):
        hq.confirm(digits[:4], shown(said))
    assert not enrolled(hq, f"{PLACE}/1")
    false_office.close()


def _vkey(office):
    from kiosk.ledger.note import Vkey

    return Vkey.parse((office.folder / "hq.vkey").read_text().strip())


def test_a_key_of_head_office_that_lies_here_must_be_the_one_that_answers(hq, kiosk, tmp_path):
    other = Office(tmp_path / "other-hq")
    (kiosk.folder / "hq.vkey").write_text((other.folder / "hq.vkey").read_text())
    other.close()
    status, _, why = on_line(kiosk, hq.code())
    assert status == 1 and "E-907" in why and not kiosk.config.journal.exists()


def test_an_answer_that_was_lost_is_given_again(hq, kiosk, monkeypatch):
    code = hq.code()

    def lost(url, request, transport=None):
        hq.ask(url, request)
        from kiosk.model.errors import BatchRefused

        raise BatchRefused("S-601", "the line broke")

    monkeypatch.setattr(enrol_command, "ask_office", lost)
    assert "S-601" in on_line(kiosk, code)[2]
    monkeypatch.setattr(enrol_command, "ask_office", hq.ask)
    assert on_line(kiosk, code)[0] == 0


def test_cut_off_before_every_rename_it_goes_on_with_the_same_command(hq, kiosk, monkeypatch):
    """The power goes at each file that is put in place; the code, the key and the epoch stay one."""
    from pathlib import Path

    class PowerCut(BaseException):
        pass

    code, left = hq.code(), 0
    rename, replaced = Path.rename, Path.replace
    for cuts in range(1, 20):
        left = cuts

        def spent(call):
            def until(self, target):
                nonlocal left
                left -= 1
                if left == 0:
                    raise PowerCut
                return call(self, target)

            return until

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", spent(rename))
            patch.setattr(Path, "replace", spent(replaced))
            try:
                status, said, _ = on_line(kiosk, code)
            except PowerCut:
                continue
            assert status == 0
            break
    assert cuts > 4, "the power went at several places"
    (opened,) = kiosk.entries()
    assert opened.data["origin"] == f"{PLACE}/1"
    again, said, _ = on_line(kiosk, code)
    assert again == 0 and "may be started" in said and len(kiosk.entries()) == 1


def test_settings_and_the_root_of_the_downlink_come_along(hq, kiosk):
    (hq.folder / "enrol").mkdir()
    (hq.folder / "enrol" / "settings.toml").write_text("[visit]\n")
    root = hq.folder / "publish" / "repository" / "metadata" / "1.root.json"
    root.parent.mkdir(parents=True)
    root.write_bytes(b'{"signed": 1}')
    on_line(kiosk, hq.code())
    assert kiosk.config.tuf_root.read_bytes() == b'{"signed": 1}'
    assert (kiosk.config.home / "office-settings.toml").read_text() == "[visit]\n"


def test_without_a_code_it_prints_the_public_key_as_before(kiosk, hq):
    status, said, _ = kiosk.run()
    assert status == 0 and said.startswith(f"{PLACE}/1+")
    assert kiosk.run()[0] == 1, "never over a key that is there"
    assert kiosk.config.journal == kiosk.folder / "kiosk" / "ledger.db"


def test_nothing_secret_is_said_or_left_behind(hq, kiosk):
    code = hq.code()
    _, said, why = on_line(kiosk, code)
    digits = code.replace(" ", "")
    key = parse_code(code).key
    for content in (said.encode(), why.encode(), *files(kiosk.folder / "kiosk").values()):
        assert digits[4:-1].encode() not in content and key not in content
