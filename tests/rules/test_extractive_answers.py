"""Answers without a language model, and what could be asked next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell.knowledge.answers.extractive import (
    MAX_SENTENCE,
    NOT_FOUND,
    Quote,
    SourcePassage,
    answer,
    format_answer,
    split,
)
from deskbell.knowledge.answers.follow_ups import Excerpt, follow_ups

WARRANTY = SourcePassage(
    "We have worked in Austin since 1998. Our work is guaranteed for ten years. It covers leaks. Call us at any time.",
    "Warranty",
    0.9,
)
PRICES = SourcePassage("An inspection costs $150. A new gutter costs $12 per foot.", "Prices", 0.7)


def told(question: str, sources: Sequence[SourcePassage], most: int = 1) -> list[Quote]:
    return asyncio.run(answer(question, sources, most=most))


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How long is your work guaranteed?", "Our work is guaranteed for ten years. [1]"),
        ("What does an inspection cost?", "An inspection costs $150. [2]"),
        ("Since when have you worked in Austin?", "We have worked in Austin since 1998. [1]"),
    ],
)
def test_the_sentence_that_answers_is_cited(question: str, sentence: str) -> None:
    assert format_answer(told(question, [WARRANTY, PRICES])) == sentence


def test_neighbours_are_one_citation_and_come_in_the_order_of_the_text() -> None:
    found = told("Is your work guaranteed, and does it cover leaks?", [WARRANTY, PRICES], most=2)
    assert [(each.text, each.source) for each in found] == [
        ("Our work is guaranteed for ten years. It covers leaks.", 0)
    ]


def test_a_heading_that_repeats_the_question_is_no_answer() -> None:
    card = SourcePassage("Work guaranteed\nAsk for our card.", "Work", 0.99)
    answer = format_answer(told("Is your work guaranteed?", [WARRANTY, card], most=3))
    assert "Our work is guaranteed for ten years." in answer
    assert "Work guaranteed" not in answer
    alone = SourcePassage("Work guaranteed", "Work", 0.99)
    assert format_answer(told("Is your work guaranteed?", [alone])) == "Work guaranteed [1]"


def test_nothing_found_is_said() -> None:
    assert told("Who?", []) == told("Who?", [SourcePassage("  \n ")]) == []
    assert format_answer([]) == NOT_FOUND


def sentences(text: str) -> list[str]:
    return [each.text for each in split(text)]


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    assert sentences("Mr. Ng paid $1.50 to J. Doe, e.g. in cash. Then he left.") == [
        "Mr. Ng paid $1.50 to J. Doe, e.g. in cash.",
        "Then he left.",
    ]
    assert sentences("保修期为两年。请致电！") == ["保修期为两年。", "请致电！"]
    assert sentences("One\nTwo") == ["One", "Two"]


texts = st.text(st.sampled_from("aB1 .!?\n。…'\"م字,;"), max_size=400) | st.text(max_size=200)


@given(texts, st.lists(texts, max_size=4))
def test_every_citation_is_in_its_source(question: str, sources: list[str]) -> None:
    for each in told(question, [SourcePassage(text, question) for text in sources], most=3):
        assert sources[each.source][each.start : each.end] == each.text != ""


@given(texts)
def test_sentences_are_the_whole_text_and_none_is_endless(text: str) -> None:
    found = list(split(text))
    assert "".join("".join(each.text.split()) for each in found) == "".join(text.split())
    assert all(len(each.text) <= MAX_SENTENCE for each in found)


def test_a_long_text_without_an_end_takes_no_long_time() -> None:
    assert len(sentences("a" * 200_000)) == 200_000 // MAX_SENTENCE + 1
    assert len(sentences("A. " * 50_000)) < 1_000


def test_headings_beside_what_was_found_come_as_follow_ups() -> None:
    found = [Excerpt(["Warranty"], "Is a transfer possible? Yes.")]
    beside = [Excerpt(["Prices", "Inspections"]), Excerpt(["Warranty"]), Excerpt(["How do I pay?"])]
    suggested = follow_ups("How long is the warranty?", found, beside)
    assert suggested == ["What about “Inspections”?", "What about “Prices”?", "How do I pay?"]
    assert follow_ups("?", [], []) == []
    assert follow_ups("garantie", [Excerpt(["Die Preise für das Dach"], "Was kostet es?")])[0].startswith("Was ist mit")
