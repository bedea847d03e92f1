"""Each way of breaking contract 1 is found by the rule it breaks, and by no rule it keeps."""

from __future__ import annotations

import pytest
import tst_broken
from kit_bench import bench_for, failed, write_folder

from kiosk.drivers.sdk.kit.rules import RULES, run
from kiosk.drivers.sdk.kit.verdict import Rule

FOUND_BY = {
    "AnswersBrokenFrames": "frame_faults any_request",
    "CountsTheStartByte": "frame_faults",
    "TakesItemsTwice": "item_faults",
    "MissingIsOne": "missing_items",
    "UnknownCommandIsOne": "unknown_commands",
    "ForgetsDescribesVersion": "describe",
    "LooksAtNoFamily": "wrong_family",
    "TakesAnyMark": "other_mark unmarked",
    "NeverMarks": "unmarked tear_marking",
    "MarksAnything": "unmarked",
    "LosesLeadingZeros": "digits_kept",
    "OpensTwice": "not_blank repeat repeat_after_meter",
    "RefusesARepeatedOpen": "repeat tear_open tear_marking",
    "OpensWithAnyCount": "open_count",
    "WritesARepeatAgain": "same_count same_count_taken",
    "TakesAnotherValue": "same_count_other_value same_count_taken",
    "LetsCountsJump": "count_jumps one_try_left malformed_password",
    "BuysOverPending": "pending_under hoard_limit write_back_damaged",
    "IgnoresRegion": "other_region",
    "IgnoresMeterNumber": "other_customer clear_refused",
    "CustomerBeforeRegion": "other_region",
    "ForgetsTheLimit": "hoard_limit malformed_password",
    "ForgetsWhatRemains": "hoard_limit",
    "ValidByteFirst": "tear_purchase torn_credited_once",
    "KindBeforeContent": "tear_open tear_reissue tear_set_check tear_marking torn_credited_once",
    "ClearsFromTheBack": "tear_clear",
    "NeverReadsBack": "write_fails write_dropped",
    "RisksTheLastTry": "one_try_left",
    "SecretFirst": "same_count one_try_left malformed_password",
    "TriesMalformed": "malformed_password",
    "CrashesOnLengths": "any_bytes damaged tear_freeing",
    "WritesOverDamage": "damaged no_unmeant_writes",
    "DamagedWriteBackIsThirteen": "write_back_damaged damaged tear_freeing",
    "TouchesTheIssuerBytes": "own_bytes_only",
    "ReversesTaken": "reverse_repeat reverse_refused tear_reverse torn_reverse",
    "RefusesARepeatedReverse": "reverse_repeat tear_reverse torn_reverse",
    "ClearsPending": "clear_refused write_back_damaged",
    "AnswersClearAsAfter": "clear clear_refused answer_is_read_back",
    "TakesLongFrames": "frame_faults",
    "RefusesTheLongestFrame": "free_items",
    "TakesTwoPricesForOneStep": "item_faults",
    "LooksAtThreeMarkBytes": "other_mark",
    "WantsAllBytesAlike": "unmarked tear_marking",
    "LimitBeforePending": "hoard_limit",
    "PasswordBeforeTries": "one_try_left",
    "LosesADamagedWriteBack": "write_back_damaged",
    "ForgetsTheMetersCount": "last_is_largest",
    "OpensAgainWithAnotherLimit": "not_blank",
    "RefusesARepeatedOpenWithALimit": "repeat tear_open",
    "ReissuesOverAnOldWriteBack": "clear_leaves_nothing",
    "TriesBeforeARepeat": "same_count",
    "FreesADamagedCardStepByStep": "tear_freeing",
    "RisksTheLastTryWhenOpening": "one_try_left",
    "CrashesOnLongItems": "any_request",
    "RemembersWhatItSold": "same_count same_count_taken",
    "NeverFreesATornRecord": "tear_purchase tear_reverse damaged",
}
AMONG_OTHERS = {
    "WritesOnRead": "no_unmeant_writes any_bytes read_presents_nothing",
    "SaysUnchanged": "write_fails no_unmeant_writes",
    "NarrowCount": "forms",
    "ForgetsState": "six_items",
}
"""Breaks that reach so far that many rules feel them."""


def found(tmp_path, name: str, tried: tuple[Rule, ...] = RULES) -> set[str]:
    bench = bench_for(write_folder(tmp_path / "tst"), getattr(tst_broken, name)())
    return set(failed(list(run(bench, tried))))


def rules(names: str) -> set[str]:
    return {f"rule_{name}" for name in names.split()}


@pytest.mark.parametrize("name", [*FOUND_BY, *AMONG_OTHERS])
def test_found_by_the_rule_it_breaks(tmp_path, name):
    wanted = rules(FOUND_BY.get(name) or AMONG_OTHERS[name])
    # a purchase first: the rules that look back need calls to look at
    tried = tuple(rule for rule in RULES if rule.check.__name__ in wanted | {"rule_purchase"})
    assert wanted <= found(tmp_path, name, tried)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND_BY)
def test_found_by_no_rule_it_keeps(tmp_path, name):
    assert found(tmp_path, name) == rules(FOUND_BY[name])


def test_every_broken_driver_is_tried():
    broken = {
        name
        for name, thing in vars(tst_broken).items()
        if isinstance(thing, type) and issubclass(thing, tst_broken.Driver) and thing is not tst_broken.Driver
    }
    assert broken == set(FOUND_BY) | set(AMONG_OTHERS)
