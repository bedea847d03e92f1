"""The list of kinds: the page and the code are one, and a wrong draft is found at once."""

import re
from pathlib import Path

import pytest
from ledger_story import NOTE, SALE, closed, repeated, stacked, written

from kiosk.ledger.entry import Draft
from kiosk.ledger.kinds import EVERYWHERE, KINDS, check

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z.]+)` \| (no|yes|maybe) \| ([^|]*) \| ([^|]*) \|", re.M)


def as_page(kind):
    keys = [f"`{key}` {type_}" for key, type_ in kind.keys.items()]
    keys += [f"`{key}` {type_}, optional" for key, type_ in kind.optional.items()]
    return " · ".join(keys)


def test_the_page_names_every_kind_with_its_keys_and_no_other():
    page = {kind: (sale, keys.strip()) for kind, sale, keys, _ in ROW.findall(PAGE)}
    assert page == {name: (kind.sale, as_page(kind)) for name, kind in KINDS.items()}


def test_the_page_names_every_account_a_kind_posts_to():
    page = {kind: set(re.findall(r"`([a-z]+)[:`]", posts)) for kind, _, _, posts in ROW.findall(PAGE)}
    anywhere = {"carried"}  # against which balances are brought over; the page says so in words
    assert page == {
        name: anywhere if kind.accounts is EVERYWHERE else set(kind.accounts) for name, kind in KINDS.items()
    }


def test_the_page_names_every_word_of_a_closed_list():
    for name, kind in KINDS.items():
        for word in (word for words in kind.words.values() for word in words):
            assert f"`{word}`" in PAGE, f"{name}: {word}"


@pytest.mark.parametrize("draft", [stacked(), written(), closed(), closed(kept=-100), *repeated()])
def test_a_right_draft_passes(draft):
    assert check(draft) is None


@pytest.mark.parametrize(
    "draft",
    [
        Draft("note.unheard", None, (), {}),
        Draft("note.repeated", None, (), {}),
        Draft("note.repeated", None, (), {"fen": 1, "more": 1}),
        Draft("note.repeated", None, (), {"fen": -1}),
        Draft("note.repeated", None, (), {"fen": True}),
        Draft("note.repeated", None, (), {"fen": 2**64}),
        Draft("note.repeated", None, (("cash:box", 1), ("unassigned", -1)), {"fen": 1}),
        Draft("device.up", SALE, (), {"device": "printer"}),
        Draft("device.up", None, (), {"device": b"printer"}),
        Draft("note.accepted", None, (), {"note": NOTE}),
        Draft("note.accepted", SALE, (), {"note": NOTE[:7]}),
        Draft("write.failed", SALE, (), {"count": 1, "code": "C-203", "card": "perhaps"}),
        Draft("write.done", SALE, (("cash:box", 1), ("sold:1", -1)), dict(written().data)),
        Draft("sale.closed", SALE, (), {**closed().data, "doubt": 0}),
    ],
    ids=range(14),
)
def test_a_wrong_draft_is_an_assertion(draft):
    with pytest.raises(AssertionError):
        check(draft)
