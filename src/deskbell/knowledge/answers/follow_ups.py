"""What somebody might ask next: by the headings around what was found, in the documents' own words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deskbell.knowledge.answers.extractive import split
from deskbell.knowledge.text import analysis

LONGEST = 90  # characters of a suggestion
SHORTEST = 3
FULL = 0.8  # the share of a suggestion's words that the question has already, from which it says nothing new


class Excerpt(msgspec.Struct):
    """A passage that was found or stands beside one: its headings, outermost first, and its text."""

    headings: Sequence[str] = ()
    text: str = ""


def follow_ups(question: str, found: Sequence[Excerpt], beside: Sequence[Excerpt] = (), most: int = 3) -> list[str]:
    """At most `most` suggestions, none twice and none that the question asks already.

    `found` are the passages of the answer, the best first; `beside` the ones before and after them in their documents. What stands beside
    comes first, as it is new; then other headings that were found; then questions that the passages themselves ask.
    """
    named = [heading for place in (*beside, *found[1:], *found[:1]) for heading in reversed(place.headings)]
    asks = [place.text for place in (*beside, *found) if any(sign in place.text for sign in "?？؟")]
    asking = [each.text for text in asks for each in split(text) if each.text[-1] in "?？؟"]
    code = analysis.language(" ".join([*named, *(place.text for place in found[:1])]))
    told = [set(analysis.terms(question, code))]
    chosen: list[str] = []
    for text in (*named, *asking):
        text = " ".join(text.split()).strip("#*-–—:. ")
        words = set(analysis.terms(text, code))
        if not words or not SHORTEST <= len(text) <= LONGEST or any(same(words, other) for other in told):
            continue
        told.append(words)
        chosen.append(text if text[-1] in "?？؟" else asked(text, code))
        if len(chosen) == most:
            break
    return chosen


def same(words: set[str], other: set[str]) -> bool:
    return len(words & other) >= FULL * len(words)


def asked(heading: str, language: str) -> str:
    """A heading as something to ask; in languages whose grammar we do not have, the heading itself."""
    begin = {
        "en": "What about", "de": "Was ist mit", "es": "¿Y qué hay de", "fr": "Qu'en est-il de", "it": "E per quanto riguarda",
        "pt": "E quanto a", "nl": "Hoe zit het met",
    }.get(language)  # fmt: skip
    return f"{begin} “{heading}”?" if begin else heading
