"""The uplink against a fake head office, step by step: asking, sending, silence, signs of life (contract 2 §6)."""

import pytest
from fake_office import body_of, size_of
from sync_bench import DAY, HOUR, clone, grow, state

from kiosk.model.errors import LedgerFault
from kiosk.sync.state import SyncStateFile

OLDER_HQ = b"NEVER USE IN A REAL SYSTEM hq 00"


# at the start


def test_it_asks_first_and_then_sends_everything_up_to_a_signed_checkpoint(bench):
    grow(bench.journal, 9)
    bench.settle()
    asked = [(seen.method, seen.what) for seen in bench.office.requests]
    assert asked == [("GET", "checkpoint"), ("POST", "entries")]
    assert bench.office.batches == [(0, 10)]
    assert bench.office.entries == list(bench.reader.entries(0, 10))
    assert state(bench).cosigned_size == 10
    assert state(bench).cosigned_note == bench.office.cosigned
    assert (state(bench).problem_code, state(bench).last_contact_ms > 0) == ("", True)


def test_it_goes_on_from_what_head_office_has(bench):
    grow(bench.journal, 4)
    bench.settle()
    grow(bench.journal, 3)
    bench.restart()
    bench.settle()
    assert bench.office.batches == [(0, 5), (5, 8)]


def test_new_entries_are_sent_when_they_are_there_and_not_before(bench):
    bench.settle()
    for _ in range(30):
        assert bench.turn() == 1_000
    assert bench.office.batches == [(0, 1)]
    grow(bench.journal, 1)
    bench.settle()
    assert bench.office.batches == [(0, 1), (1, 2)]


def test_no_token_and_no_cookie_goes_out_only_what_the_contract_names(bench):
    grow(bench.journal, 200)
    bench.settle()
    for seen in bench.office.requests:
        assert not {"authorization", "cookie"} & set(seen.headers)
    assert bench.office.requests[-1].headers["content-encoding"] == "zstd"


# 200


def test_a_200_is_on_the_disk_word_for_word(bench):
    grow(bench.journal, 2)
    bench.settle()
    bench.restart()
    assert state(bench).cosigned_note == bench.office.cosigned
    assert size_of(state(bench).cosigned_note) == 3


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda office: (200, office.cosigned[:-3] + "A=\n"), id="cosignature"),
        pytest.param(lambda office: (200, office.cosign(office.notes[1], OLDER_HQ)), id="a stranger's cosignature"),
        pytest.param(lambda office: (200, office.notes[1]), id="no cosignature"),
        pytest.param(lambda office: (200, office.cosigned.replace("\n1\n", "\n7\n", 1)), id="another size"),
        pytest.param(lambda office: (200, office.cosigned + office.cosigned[-150:]), id="bytes behind it"),
        pytest.param(lambda office: (200, ""), id="empty"),
        pytest.param(lambda office: (200, "<html>Please log in</html>"), id="a portal"),
        pytest.param(lambda office: (200, "9" * 100_000), id="endless"),
    ],
)
@pytest.mark.parametrize("when", ["asking", "sending"])
def test_an_answer_that_does_not_verify_counts_as_silence_and_is_reported(bench, spoilt, when):
    bench.settle()
    grow(bench.journal, 2)
    if when == "asking":
        bench.restart()
    bench.office.script.append(spoilt)
    wait = bench.next_exchange()
    assert 5_000 <= wait <= 10_000
    assert state(bench).problem_code == "S-605"
    assert (state(bench).cosigned_size, state(bench).stop_selling, state(bench).quarantined) == (1, False, False)
    bench.settle()
    assert (bench.office.size, state(bench).cosigned_size, state(bench).problem_code) == (3, 3, "")


def test_a_forged_larger_size_does_not_stop_the_selling(bench):
    """The terminal's own signature good, head office's not; and the other way round."""
    bench.settle()
    larger = clone(bench, 3).checkpoint_note
    half, other_half = bench.office.cosign(larger, OLDER_HQ), bench.office.cosign(larger[:-12] + "AAAAAAAAAA=\n")
    bench.restart()
    bench.office.script.extend([(200, half), (200, other_half)])
    bench.turn()
    for _ in range(2):
        bench.turn()
        assert state(bench).problem_code == "S-605"
        assert not state(bench).stop_selling
    bench.settle()
    assert state(bench).problem_code == ""


def test_an_old_200_played_again_is_no_progress_and_the_same_batch_goes_out_again(bench):
    bench.settle()
    old = bench.office.cosigned
    grow(bench.journal, 2)
    bench.office.script.append((200, old))
    wait = bench.next_exchange()
    assert wait >= 5_000 and state(bench).problem_code == "S-605"
    bench.next_exchange()
    assert bench.office.requests[-1].body == bench.office.requests[-2].body
    assert state(bench).cosigned_size == 3


# silence, 5xx, 429


@pytest.mark.parametrize("answer", [None, (500, "x"), (502, ""), (503, "x"), (429, ""), (301, ""), (201, "")])
def test_silence_sends_the_very_same_again_after_a_growing_wait(bench, answer):
    bench.settle()
    grow(bench.journal, 3)
    bench.office.script.extend([answer] * 4)
    bench.chance = 0.0
    waits = [bench.next_exchange()]
    grow(bench.journal, 5)  # does not come along: from, entries and checkpoint stay the same
    waits += [bench.next_exchange() for _ in range(3)]
    assert waits == [5_000, 10_000, 20_000, 40_000]
    assert state(bench).problem_code == ("S-601")
    bench.next_exchange()
    sent = bench.office.requests[-5:]
    assert len({seen.body for seen in sent}) == 1 and sent[0].span == (1, 4)
    bench.settle()
    assert bench.office.batches[-1] == (4, 9)
    assert state(bench).problem_code == ""


def test_the_wait_is_5_s_to_1_h_with_jitter(bench):
    bench.office.script.extend([None] * 60)
    bench.turn()
    waits = []
    for chance in (0.0, 0.999, 0.5) * 6:
        bench.chance = chance
        waits.append(bench.turn())
    assert min(waits) >= 5_000 and max(waits) <= HOUR
    assert waits[:3] == [5_000, 19_990, 30_000]
    assert waits[-3:] == [HOUR // 2, HOUR // 2 + int(0.999 * (HOUR // 2)), HOUR * 3 // 4]


def test_an_answer_begins_the_waits_anew(bench):
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.extend([None] * 5)
    for _ in range(6):
        bench.settle()
    grow(bench.journal, 1)
    bench.office.script.append(None)
    bench.chance = 0.0
    assert bench.next_exchange() == 5_000


# the heartbeat


def test_an_idle_terminal_gives_a_sign_of_life_daily_and_at_its_start(bench):
    bench.settle()
    bench.restart()
    bench.settle()
    assert bench.office.batches == [(0, 1), (1, 1)]
    begun = bench.clock.ms
    while bench.clock.ms - begun < 5 * DAY + HOUR:
        bench.turn()
        bench.clock.ms += 300_000
    assert bench.office.batches[2:] == [(1, 1)] * 5


def test_a_sign_of_life_that_meets_silence_is_tried_until_it_is_heard(bench):
    bench.settle()
    bench.clock.ms += DAY
    bench.office.script.extend([None] * 3)
    for _ in range(4):
        bench.settle()
    assert bench.office.batches[-4:] == [(1, 1)] * 4
    assert state(bench).problem_code == ""


def test_entries_are_a_sign_of_life_as_well(bench):
    bench.settle()
    for _ in range(6):
        bench.clock.ms += DAY // 2
        grow(bench.journal, 1)
        bench.settle()
    assert all(end > first for first, end in bench.office.batches)


# its own file


def test_it_writes_nothing_into_the_journal(bench):
    grow(bench.journal, 5)
    bench.journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = bench.path.read_bytes()
    bench.settle()
    bench.office.restore(0)
    bench.restart()
    bench.settle()
    assert bench.path.read_bytes() == before
    names = {path.name.removesuffix("-wal").removesuffix("-shm") for path in bench.folder.iterdir()}
    assert names == {"ledger.db", "ledger.db.lock", "sync.db", "sync.db.lock"}


def test_two_uplinks_do_not_run_on_one_state(bench):
    with pytest.raises(LedgerFault) as fault:
        SyncStateFile(bench.folder / "sync.db", bench.origin)
    assert fault.value.code == "L-506"


def test_a_state_that_cannot_be_written_concludes_nothing(bench):
    grow(bench.journal, 2)
    bench.turn(), bench.turn()
    bench.state._connection.execute("PRAGMA query_only = ON")
    wait = bench.turn()
    assert wait >= 5_000 and bench.office.size == 3
    assert state(bench).cosigned_size == 0
    bench.state._connection.execute("PRAGMA query_only = OFF")
    bench.settle()
    assert (state(bench).cosigned_size, state(bench).problem_code) == (3, "")
    assert body_of(state(bench).cosigned_note) == body_of(bench.journal.checkpoint_note)


# killed


@pytest.mark.parametrize("turns", range(1, 9))
@pytest.mark.parametrize("heard", [True, False])
def test_killed_after_any_turn_it_goes_on_where_it_was(bench, turns, heard):
    """``heard``: head office's last answer arrived. Without that it has taken the batch, and nobody knows."""
    grow(bench.journal, 10)
    bench.office.entries_max = 3
    for _ in range(turns):
        bench.turn()
    if not heard:
        bench.office.script.append(lambda office: office.think(office.requests[-1]) and None)
        bench.turn()
    bench.restart()
    grow(bench.journal, 2)
    for _ in range(3):
        bench.settle()
    assert bench.office.entries == list(bench.reader.entries(0, 13))
    assert (state(bench).cosigned_size, state(bench).problem_code) == (13, "")


@pytest.mark.parametrize("change", range(1, 7))
def test_killed_behind_any_write_to_its_file_it_goes_on(bench, change):
    grow(bench.journal, 6)
    bench.office.entries_max = 3
    good, left = bench.state.change, [change]

    def dying(**values):
        good(**values)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    bench.state.change = dying
    with pytest.raises(KeyboardInterrupt):
        for _ in range(40):
            bench.turn()
    bench.restart()
    bench.settle()
    assert bench.office.entries == list(bench.reader.entries(0, 7))
    assert (state(bench).cosigned_size, state(bench).problem_code) == (7, "")
