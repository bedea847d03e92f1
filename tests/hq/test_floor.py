"""Head office restored from an old backup: a terminal brings back what was cosigned (contract 2 §6, last part)."""

import pytest
from fakes import NOON, ORIGIN, Terminal, b64, cosigned_time, leaf

from kiosk.hq.enrol import change
from kiosk.hq.keyring import create_signer


def cosigned(hq, terminal, size):
    """Posts up to a size; the cosigned note of it."""
    answer = hq.post(terminal, terminal.batch(0, size))
    assert answer.status_code == 200
    return answer.text


def restored(hq, terminal, old, new):
    """A head office that had cosigned ``new`` entries and has ``old`` again; the forgotten note."""
    terminal.grow(new - 1)
    cosigned(hq, terminal, old)
    hq.backup()
    note = cosigned(hq, terminal, new)
    hq.restore()
    assert hq.log(terminal).size == old
    return note


def sized(answer, status, size):
    assert (answer.status_code, answer.content) == (status, b"%d\n" % size)
    assert answer.headers["content-type"] == "text/x.tlog.size"


def test_a_forgotten_note_is_204_a_floor_and_an_alarm(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    answer = hq.floor(terminal, note)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (hq.log(terminal).floor_size, hq.alarms()) == (9, ["floor"])
    assert hq.floor(terminal, note).status_code == 204
    assert hq.alarms() == ["floor"], "told once"


def test_below_the_floor_it_stores_and_says_202_without_a_cosignature(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    last = hq.get(terminal).text
    hq.floor(terminal, note)
    sized(hq.post(terminal, terminal.batch(3, 5)), 202, 5)
    sized(hq.post(terminal, terminal.batch(3, 5)), 202, 5)
    sized(hq.post(terminal, terminal.batch(5, 5)), 202, 5)
    sized(hq.post(terminal, terminal.batch(7, 9)), 409, 5)
    assert hq.get(terminal).text == last, "GET still gives the last cosigned one"
    assert hq.log(terminal).size == 5
    hq.restart()
    sized(hq.post(terminal, terminal.batch(0, 8)), 202, 8)
    answer = hq.post(terminal, terminal.batch(8, 9))
    cosigned_time(answer.text, terminal.note(9), hq.vkey)
    assert hq.get(terminal).text == answer.text
    assert hq.log(terminal).floor_size == 0
    assert hq.post(terminal.grow(1), terminal.batch(9)).status_code == 200


def test_one_batch_may_pass_the_floor(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    terminal.grow(4)
    hq.floor(terminal, note)
    answer = hq.post(terminal, terminal.batch(3))
    cosigned_time(answer.text, terminal.note(13), hq.vkey)


@pytest.mark.parametrize("end", [9, 12])
def test_another_root_at_the_floor_is_422_and_quarantine_with_evidence(hq, terminal, end):
    note = restored(hq, terminal, 3, 9)
    twin = Terminal()
    twin.entries = terminal.entries[:5]
    twin.append(version="2", unclean=True).grow(6)
    hq.floor(terminal, note)
    sized(hq.post(twin, twin.batch(3, 6)), 202, 6)
    answer = hq.post(twin, twin.batch(6, end))
    assert answer.status_code == 422
    log = hq.log(terminal)
    assert (log.quarantined, log.size, log.floor_size) == (True, 6, 9)
    assert hq.alarms() == ["floor", "quarantine"]
    leaves = [leaf(entry) for entry in twin.entries[:end]]
    assert hq.evidence(terminal) == [(twin.note(end), note, leaves)]
    assert hq.post(twin, twin.batch(6, 6)).status_code == 422


def test_entries_that_do_not_make_their_root_meet_step_5_before_the_floor(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    hq.floor(terminal, note)
    assert hq.post(terminal, terminal.batch(3, 9, entries=[b"x"] * 6)).status_code == 422
    assert (hq.log(terminal).quarantined, hq.log(terminal).size) == (False, 3)
    assert hq.post(terminal, terminal.batch(3, 9)).status_code == 200


def test_the_higher_floor_stays(hq, terminal):
    terminal.grow(11)
    cosigned(hq, terminal, 3)
    hq.backup()
    low, high = cosigned(hq, terminal, 6), cosigned(hq, terminal, 9)
    hq.restore()
    for note, floor in ((low, 6), (high, 9), (low, 9)):
        assert hq.floor(terminal, note).status_code == 204
        assert hq.log(terminal).floor_size == floor
    sized(hq.post(terminal, terminal.batch(3, 7)), 202, 7)
    assert hq.post(terminal, terminal.batch(7, 9)).status_code == 200


def test_a_note_that_is_known_changes_nothing(hq, terminal):
    terminal.grow(5)
    notes = [cosigned(hq, terminal, size) for size in (2, 4, 6)]
    for note in notes:
        assert hq.floor(terminal, note).status_code == 204
    assert (hq.log(terminal).floor_size, hq.alarms()) == (0, [])
    assert hq.post(terminal, terminal.batch(6, 6)).status_code == 200


def test_a_known_size_with_another_root_is_an_alarm_only(hq, terminal):
    """Head office cosigned one history, was restored, and met the other one."""
    twin = Terminal()
    twin.entries = terminal.entries[:1]
    twin.append(version="2", unclean=True)
    hq.backup()
    note = cosigned(hq, twin, 2)
    hq.restore()
    terminal.grow(3)
    cosigned(hq, terminal, 4)
    for _ in range(2):
        assert hq.floor(terminal, note).status_code == 204
    log = hq.log(terminal)
    assert (log.floor_size, log.quarantined, hq.alarms()) == (0, False, ["contradiction"])
    assert hq.evidence(terminal) == [(note, terminal.note(4), [leaf(entry) for entry in terminal.entries])]
    assert hq.post(terminal, terminal.batch(4, 4)).status_code == 200


def test_two_floors_of_one_size_and_two_roots_are_an_alarm(hq, terminal):
    twin = Terminal()
    twin.entries = terminal.entries[:1]
    twin.append(version="2", unclean=True)
    terminal.grow(1)
    hq.backup()
    notes = []
    for each in (terminal, twin):
        notes.append(cosigned(hq, each, 2))
        hq.restore()
    for note in notes:
        assert hq.floor(terminal, note).status_code == 204
    assert sorted(hq.alarms()) == ["contradiction", "floor"]
    assert hq.log(terminal).floor_note == notes[1]


def test_whose_signature_does_not_hold_is_403_and_nothing_is_kept(hq, terminal, tmp_path):
    note = restored(hq, terminal, 3, 9)
    before = hq.log(terminal).contact_ms
    stranger = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2")
    stranger.entries = terminal.entries
    own, line = note[: len(terminal.note(9))], note[len(terminal.note(9)) :]
    other = create_signer(tmp_path / "other", "power.example", 1)
    from kiosk.ledger.note import cosign

    spoilt = line[:-8] + ("A" if line[-8] != "A" else "B") + line[-7:]
    for wrong in (stranger.note(9) + line, own + spoilt, cosign(own, other, NOON), terminal.note(8) + line):
        assert hq.floor(terminal, wrong).status_code == 403, wrong
    log = hq.log(terminal)
    assert (log.floor_size, log.contact_ms, hq.alarms()) == (0, before, [])


def test_malformed_or_of_another_log_is_400(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    other = hq.enrol(Terminal("power.example/kiosk/420100/0008/1").open())
    lines = note.split("\n")
    for wrong in (
        "",
        "rubbish",
        terminal.note(9),  # no cosignature
        note + lines[-2] + "\n",  # one too many
        note[:-1],
        note.replace("\n9\n", "\n09\n"),
        note.replace("\n\n", "\nmore\n\n"),
        cosigned(hq, other, 1),
        "\n".join([*lines[:4], lines[5], lines[4], ""]),  # in another order
    ):
        assert hq.floor(terminal, wrong).status_code == 400, wrong
    sent = hq.client.post(
        f"/v1/logs/{terminal.hash}/checkpoint", content=b"\xff\xfe", headers={"Content-Type": "text/plain"}
    )
    assert sent.status_code == 400
    assert hq.log(terminal).floor_size == 0


def test_404_403_413_and_415_come_first(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    stranger = Terminal("power.example/kiosk/420100/0009/1").open()
    assert hq.floor(stranger, note).status_code == 404
    assert hq.floor(terminal, "x" * 70_000).status_code == 413
    assert hq.floor(terminal, note, "application/cbor").status_code == 415
    assert hq.floor(terminal, note, "text/plain; charset=utf-8").status_code == 204
    change(hq.store, ORIGIN, blocked=True)
    assert hq.floor(terminal, note).status_code == 403


def test_a_note_of_an_older_key_of_head_office_holds(hq, terminal, tmp_path):
    """The key was changed after the note; the database knows every key it ever cosigned with."""
    note = restored(hq, terminal, 3, 9)
    for name in ("hq.key", "hq.vkey"):
        (hq.folder / name).unlink()
    create_signer(hq.folder, "power.example", 2)
    hq.restart()
    assert hq.floor(terminal, note).status_code == 204
    assert hq.log(terminal).floor_size == 9


def test_the_time_of_cosigning_does_not_fall_below_that_of_the_note(hq, terminal):
    hq.clock.ms = NOON
    terminal.grow(8)
    cosigned(hq, terminal, 3)
    hq.backup()
    hq.clock.ms = NOON + 5_000_000
    note = cosigned(hq, terminal, 9)
    hq.restore()
    hq.clock.ms = NOON + 1_000_000
    hq.floor(terminal, note)
    answer = hq.post(terminal, terminal.batch(3, 9))
    assert cosigned_time(answer.text, terminal.note(9), hq.vkey) == (NOON + 5_000_000) // 1000


def test_in_quarantine_the_note_is_taken_all_the_same(hq, terminal):
    note = restored(hq, terminal, 3, 9)
    change(hq.store, ORIGIN, quarantined=True)
    assert hq.floor(terminal, note).status_code == 204
    assert hq.post(terminal, terminal.batch(3)).status_code == 422
    change(hq.store, ORIGIN, quarantined=False)
    assert hq.post(terminal, terminal.batch(3)).status_code == 200


def test_a_note_of_size_0_by_both_is_harmless(hq, terminal):
    """Head office never cosigns one; a key that did is not tripped over."""
    import hashlib

    body = f"{ORIGIN}\n0\n{b64(hashlib.sha256(b'').digest())}\n"
    from kiosk.hq.keyring import open_signer
    from kiosk.ledger.note import cosign

    note = cosign(terminal.note(body=body), open_signer(hq.folder), NOON // 1000)
    assert hq.floor(terminal, note).status_code == 204
    assert hq.alarms() == []
