"""What could be asked next: by the headings around what was found, in the documents' own words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deskbell.knowledge.answers.extractive import split
from deskbell.knowledge.text import analysis

MIN_LENGTH, MAX_LENGTH = 3, 90  # characters of a suggestion
SAME = 0.8  # the share of a suggestion's words in a question, from which it asks nothing new


class Excerpt(msgspec.Struct):
    """A passage that was found, or a neighbour of one: its headings, outermost first, and its text."""

    headings: Sequence[str] = ()
    text: str = ""


def follow_ups(question: str, found: Sequence[Excerpt], neighbours: Sequence[Excerpt] = (), most: int = 3) -> list[str]:
    """At most `most` suggestions, none twice and none that the question asks already.

    `found` are the passages of the answer, best first; `neighbours` the ones before and after them in their documents. Headings of
    neighbours come first, as they are new; then other headings of passages; then questions that the passages themselves ask.
    """
    headings = [heading for each in (*neighbours, *found[1:], *found[:1]) for heading in reversed(each.headings)]
    with_questions = [each.text for each in (*neighbours, *found) if any(mark in each.text for mark in "?？؟")]
    questions = [each.text for text in with_questions for each in split(text) if each.text[-1] in "?？؟"]
    code = analysis.language(" ".join([*headings, *(each.text for each in found[:1])]))
    asked = [set(analysis.terms(question, code))]
    chosen: list[str] = []
    for text in (*headings, *questions):
        text = " ".join(text.split()).strip("#*-–—:. ")
        words = set(analysis.terms(text, code))
        if not words or not MIN_LENGTH <= len(text) <= MAX_LENGTH or any(same(words, other) for other in asked):
            continue
        asked.append(words)
        chosen.append(text if text[-1] in "?？؟" else as_question(text, code))
        if len(chosen) == most:
            break
    return chosen


def same(words: set[str], other: set[str]) -> bool:
    return len(words & other) >= SAME * len(words)


def as_question(heading: str, language: str) -> str:
    """A heading as a question; in a language without a phrase for that, the heading itself."""
    phrase = {
        "en": "What about", "de": "Was ist mit", "es": "¿Y qué hay de", "fr": "Qu'en est-il de", "it": "E per quanto riguarda",
        "pt": "E quanto a", "nl": "Hoe zit het met",
    }.get(language)  # fmt: skip
    return f"{phrase} “{heading}”?" if phrase else heading
