"""The report says which rule, why, and the frames in hex; the page needs nothing else."""

from __future__ import annotations

import pytest
from kit_bench import bench_for, verdicts_of, write_folder
from tst_broken import CrashesOnLengths, IgnoresRegion
from tst_driver import Driver

from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk.kit import page, report
from kiosk.drivers.sdk.kit.rules import RULES
from kiosk.drivers.sdk.kit.verdict import Exchange, Outcome, Rule, Verdict
from kiosk.drivers.sdk.kit.words import value_in_words

RULE = Rule("§4.3", "Counts <jump>", "跳变", lambda bench: None)
FAILED = Verdict(RULE, Outcome.FAILED, "expected 0D, got success", "see §4.3", (Exchange(b"\x68\x13", b"\x68\x93"),))


def test_a_failed_rule_shows_its_frames():
    text = report.line(FAILED)
    assert text.splitlines() == [
        "FAIL  §4.3         Counts <jump> · 跳变",
        "      failed: expected 0D, got success",
        "      hint: see §4.3",
        "      > 68 13",
        "      < 68 93",
    ]


def test_the_failing_call_is_the_last_one_shown(tmp_path):
    verdicts = verdicts_of(bench_for(write_folder(tmp_path / "tst"), IgnoresRegion()))
    (verdict,) = [each for each in verdicts if each.outcome is Outcome.FAILED]
    call = verdict.calls[-1]
    assert call.request[1] == 0x13
    assert bytes.fromhex("0202") in call.request
    assert call.answer[1] == 0xD3


def test_frames_are_told_in_words_too():
    request = Frame(0x13, pack_items({0x0203: b"100", 0x0206: bytes(3) + b"\7", 0x0502: b""})).encode()
    answer = Frame(0xD3, pack_items({0xFF01: b"\x0d", 0xFF02: b"count", 0xFF03: b"\0"})).encode()
    shown = report.line(Verdict(RULE, Outcome.FAILED, "no", "", (Exchange(request, answer, "0 writes"),))).splitlines()
    assert shown[2:] == [
        "        PURCHASE: 0203 100 · 0206 7 · 0502 empty",
        f"      > {request.hex(' ')}",
        "        PURCHASE refused, COUNT: FF01 0D · FF02 count · FF03 0",
        f"      < {answer.hex(' ')}   [0 writes]",
    ]


@pytest.mark.parametrize(
    ("di", "value", "words"),
    [
        (0x0301, b"\xff\xff\xff\xfe", "-2"),
        (0x0303, bytes(7) + b"\x10", "16"),
        (0x0504, bytes(16), "00" * 16),
        (0x0202, b"4201", "4201"),
        (0x0202, b"\x01\x02", "01 02"),
        (0x0206, b"\1", "01"),
        (0x7F01, b"\1", "01"),
        (0x0207, None, "left out"),
    ],
)
def test_values_in_words(di, value, words):
    assert value_in_words(di, value) == words


def test_a_failure_on_a_card_shows_that_card(tmp_path):
    verdicts = verdicts_of(bench_for(write_folder(tmp_path / "tst"), CrashesOnLengths()))
    (verdict,) = [each for each in verdicts if each.rule.check.__name__ == "rule_any_bytes"]
    assert verdict.why.startswith("READ: expected an answer, got [D-301]")
    (row,) = [row for row in verdict.card if row.startswith("  32  ")]
    assert row.startswith("  32  54 53 54 31 01")  # the mark, an opened card
    assert int(row.split()[9], 16) > 8  # a region longer than any: what the driver cannot bear
    assert "the card before the last call" in report.line(verdict)


def test_a_reason_is_told_once():
    blocked = Verdict(RULE, Outcome.BLOCKED, "no card could be made")
    assert "no card could be made" in report.line(blocked, [FAILED])
    assert "as said above" in report.line(blocked, [FAILED, blocked])


def test_a_driver_never_seen_to_sell_is_remarked(tmp_path):
    class ReadsAndSells(Driver):
        commands = bytes((0x10, 0x11, 0x13))

    (remark,) = report.untried(verdicts_of(bench_for(write_folder(tmp_path / "a" / "tst"), ReadsAndSells())))
    assert remark.startswith("PURCHASE was not tried at all: neither OPEN nor REISSUE")
    assert report.untried(verdicts_of(bench_for(write_folder(tmp_path / "b" / "tst"), Driver()))) == []


def test_the_page_stands_by_itself_and_escapes():
    text = page.page("TST <x>", "00F1 · SLE4442", [FAILED], ["seed 7"])
    assert "Counts &lt;jump&gt;" in text
    assert "TST &lt;x&gt;" in text
    assert "68 93" in text
    assert "seed 7" in text
    assert "does not conform" in text
    assert 'href="#r0"' in text
    assert 'id="r0"' in text
    assert "http" not in text
    assert "<script" not in text


def test_the_summary_counts_every_outcome():
    good = Verdict(RULE, Outcome.PASSED)
    assert report.summary([good, FAILED, good]) == "2 passed, 1 failed, 0 not offered, 0 could not be tried"


def test_every_rule_has_its_paragraph_and_both_languages():
    for rule in RULES:
        assert rule.paragraph.startswith("§")
        assert rule.title.isascii() or "≠" in rule.title
        assert any("\u4e00" <= sign <= "\u9fff" for sign in rule.title_zh)
    assert len({rule.check for rule in RULES}) == len(RULES)


def test_the_seed_is_reported_and_repeats_the_run(tmp_path):
    first, second = (bench_for(write_folder(tmp_path / name / "tst"), Driver()) for name in ("a", "b"))
    sent: list[list[bytes]] = [[], []]
    for bench, calls in ((first, sent[0]), (second, sent[1])):
        plain = bench.driver.call
        bench.driver.call = lambda raw, port, password, plain=plain, calls=calls: (
            calls.append(raw) or plain(raw, port, password)
        )
        verdicts_of(bench)
    assert sent[0] == sent[1]
    assert any(each.startswith("200 mutated cards, seed 20260215: ") for each in first.remarks)
    assert first.remarks == second.remarks or first.notes.slowest_ms != second.notes.slowest_ms
