"""`kiosk sync status` and what it reads: how far, how fast, what is wrong, when next; in both languages."""

import pytest
from sync_bench import ORIGIN, grow, state

from kiosk.app.contact import main, status_texts
from kiosk.model.codes import CODES as ALL_CODES
from kiosk.sync.progress import left_ms
from kiosk.sync.state import SyncState, SyncStateFile, SyncStateReader, SyncWork
from kiosk.sync.status import CODES, KEYS, Standing, lines, span

NOW = 1_795_491_600_000
ENGLISH = status_texts("en")


def told(state=None, work=None, total=100, texts=ENGLISH):
    standing = Standing(ORIGIN, state or SyncState(), work or SyncWork(), total, NOW)
    return lines(standing, texts, lambda at_ms: f"<{at_ms}>")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_sentence_is_there_in_both_languages_and_no_more(language):
    texts = status_texts(language)
    assert set(texts) == set(KEYS)
    assert set(CODES) <= set(ALL_CODES)
    assert set(CODES) >= {code for code in ALL_CODES if code.startswith("S-60")}


def test_a_terminal_that_never_had_contact():
    assert told() == [
        f"Ledger {ORIGIN}",
        "Head office has 0 of 100 records (0 %); 100 wait here and are safe.",
        "Last contact: never",
        "Nothing is wrong.",
    ]


def test_all_is_well():
    well = SyncState(cosigned_size=100, last_contact_ms=NOW - 90_000)
    assert told(well, SyncWork(office_size=100)) == [
        f"Ledger {ORIGIN}",
        "Head office has all 100 records.",
        f"Last contact: <{NOW - 90_000}> (90 seconds ago)",
        "Nothing is wrong.",
    ]


def test_catching_up_has_a_speed_and_an_end():
    work = SyncWork(office_size=25_000, gained=5_000, spent_ms=600_000)
    said = told(SyncState(last_contact_ms=NOW, cosigned_size=25_000), work, total=100_000)
    assert said[1] == "Head office has 25000 of 100000 records (25 %); 75000 wait here and are safe."
    assert said[2] == "About 500 records a minute go over; all will be there in about 2 hours."


def test_a_problem_says_since_when_what_it_means_and_when_it_is_tried_again():
    bad = SyncState(problem_code="S-601", cosigned_size=40, last_contact_ms=NOW - 200_000_000)
    said = told(bad, SyncWork(40, problem_ms=NOW - 60_000, next_try_ms=NOW + 300_000))
    assert said[2] == f"Last contact: <{NOW - 200_000_000}> (2 days ago)"
    assert said[3].startswith(f"Since <{NOW - 60_000}>: [S-601] Head office does not answer. Records wait")
    assert said[4] == f"Next try: <{NOW + 300_000}> (in 5 minutes)"


def test_a_refused_entry_is_named_and_a_stop_is_said_whatever_else_is_reported():
    said = told(SyncState(problem_code="S-607", cosigned_size=57), SyncWork(57, refused_seq=57))
    assert "Record no. 57 is refused by head office even alone; it and 42 behind it wait here." in said[-1]
    said = told(SyncState(problem_code="S-601", stop_selling=True))
    assert any("[L-503]" in line for line in said)


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 seconds"),
        (119_999, "119 seconds"),
        (120_000, "2 minutes"),
        (7_200_000, "2 hours"),
        (200_000_000, "2 days"),
    ],
)
def test_spans(ms, words):
    assert span(ms, ENGLISH) == words


@pytest.mark.parametrize(
    ("work", "ms"), [((50, 100, 2_000), 1_000), ((100, 9, 9), 0), ((50, 0, 9), 0), ((200, 9, 9), 0)]
)
def test_the_time_left(work, ms):
    assert left_ms(SyncWork(*work), 100) == ms


# what the uplink writes down


def test_the_uplink_writes_down_how_it_goes(bench):
    bench.travel_ms = lambda sent: 1_000 + sent
    grow(bench.journal, 30, together=40)
    bench.next_exchange()
    bench.next_exchange()
    work = bench.state.work
    assert 0 < work.office_size < 1_201 and work.gained == work.office_size and work.spent_ms > 1_000
    assert left_ms(work, 1_201) > 0
    bench.settle()
    assert (bench.state.work.office_size, left_ms(bench.state.work, 1_201)) == (1_201, 0)


def test_progress_is_a_line_in_the_log(bench, caplog):
    caplog.set_level("INFO")
    bench.travel_ms = lambda sent: 1_000
    grow(bench.journal, 20, together=40)
    bench.settle()
    said = [record.getMessage() for record in caplog.records if "head office has" in record.getMessage()]
    assert len(said) >= 2
    assert (
        "of 801 entries" in said[0] and "left" in said[0] and said[-1] == "head office has 801 of 801 entries (100 %)"
    )


def test_the_next_try_and_the_begin_of_a_problem_are_kept_over_a_restart(bench):
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.extend([None] * 3)
    wait = bench.next_exchange()
    began = bench.state.work.problem_ms
    assert began > 0 and bench.state.work.next_try_ms == bench.clock.utc_ms() - wait + wait
    bench.next_exchange()
    bench.restart()
    assert bench.state.work.problem_ms == began
    for _ in range(3):
        bench.settle()
    assert (bench.state.work.problem_ms, bench.state.work.next_try_ms, state(bench).problem_code) == (0, 0, "")


def test_a_state_file_that_is_full_does_not_stop_the_sending(bench):
    real = bench.state.tell
    bench.state.tell = lambda **_: real(office_size="no number")
    grow(bench.journal, 3)
    bench.settle()
    assert bench.office.size == 4 and state(bench).cosigned_size == 4


def test_a_state_file_of_an_older_program_is_read_and_written(tmp_path):
    path = tmp_path / "sync.db"
    old = SyncStateFile(path, ORIGIN)
    old.change(cosigned_size=7)
    old._connection.execute("DROP TABLE work")
    old.close()
    with SyncStateReader(path, ORIGIN) as reader:
        assert (reader.state().cosigned_size, reader.work()) == (7, SyncWork())
    new = SyncStateFile(path, ORIGIN)
    new.tell(office_size=9)
    new.close()
    with SyncStateReader(path, ORIGIN) as reader:
        assert (reader.state().cosigned_size, reader.work().office_size) == (7, 9)


# the command


def command(bench, capsys, *words):
    code = main(["--journal", str(bench.path), "--state", str(bench.folder / "sync.db"), *words])
    return code, *capsys.readouterr()


def test_the_command_while_the_uplink_runs(bench, capsys):
    grow(bench.journal, 2)
    bench.settle()
    code, out, _ = command(bench, capsys, "--language", "en")
    assert (code, "Head office has all 3 records." in out, "Nothing is wrong." in out) == (0, True, True)
    grow(bench.journal, 1)
    bench.office.script.append(None)
    bench.next_exchange()
    code, out, _ = command(bench, capsys)
    assert code == 1 and "[S-601] 总部没有应答" in out and "总部已收到 3 条，共 4 条" in out


def test_the_command_before_the_first_contact_and_without_a_ledger(bench, capsys):
    (bench.folder / "other.db").touch()
    code = main(["--journal", str(bench.path), "--state", str(bench.folder / "none.db"), "--language", "en"])
    assert code == 0 and "Last contact: never" in capsys.readouterr().out
    assert main(["--journal", str(bench.folder / "none.db"), "--state", str(bench.folder / "sync.db")]) == 2
    assert "L-501" in capsys.readouterr().err
    assert main(["--journal", str(bench.path)]) == 2
    assert "--config" in capsys.readouterr().err
