"""The `[n]` of replies: every one that is shown has its source, in however small pieces the reply comes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskbell.agents.citations import Citations, without_citations
from deskbell.agents.models.base import ModelUnavailable


def shown(text: str, sources: int, size: int = 1) -> str:
    citations = Citations(sources)
    return "".join(citations.feed(text[at : at + size]) for at in range(0, len(text), size)) + citations.end()


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("Ten years [1].", "Ten years [1]."),
        ("Ten years [7].", "Ten years."),
        ("Both [1, 2] and [2][9] or [8; 1].", "Both [1][2] and [2] or [1]."),
        ("As others write it 【2†source】.", "As others write it [2]."),
        ("[0] and [ 3 ] and [^1] and [99999999999999999999]", " and [3] and [1] and"),
        ("[9[9]] stays away", "stays away"),
        ("A list [x], a [link](u) and [1", "A list [x], a [link](u) and [1"),
    ],
)
def test_only_citations_with_a_source_are_shown(text: str, resolved: str) -> None:
    assert {shown(text, 3, size).strip() for size in (1, 2, 3, 100)} == {resolved.strip()}


@settings(max_examples=400, deadline=None)
@given(st.text("[]【】†^, 1293a\n", max_size=24), st.integers(1, 5))
def test_however_a_reply_is_cut_each_number_has_its_source(text: str, size: int) -> None:
    pieces = shown(text, 2, size)
    assert pieces == shown(text, 2, 1000)
    assert {int(number) for number in re.findall(r"\[(\d+)\]", pieces)} <= {1, 2}


def test_what_is_cited_is_told_in_its_order() -> None:
    citations = Citations(5)
    citations.feed("[4] then [2], and [4] again, [9] never")
    assert list(citations.cited) == [4, 2]


def test_a_reply_of_nothing_but_brackets_is_no_reply() -> None:
    with pytest.raises(ModelUnavailable):
        shown("[" * 10_000, 1, 100)


def test_later_turns_do_not_see_the_numbers() -> None:
    assert without_citations("Ten years [1], or more [2, 3].") == "Ten years, or more."
