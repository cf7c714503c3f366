"""Answers without a language model: the sentences of the best passages that answer the question best, each with its source."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from deskbell.knowledge.answers.question_types import kind
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.text import analysis

NOT_FOUND = "I could not find that in the documents."

PASSAGES = 5  # from which sentences are taken
ENDS = ".!?:;。！？؟।"  # a sentence ends so; a heading seldom does
LONGEST = 600  # characters of a sentence; a longer one is cut at a comma or a blank
# What each kind of evidence adds: the question's words in the sentence (in the one before or in the title, so much of it), likeness of
# meaning, a better passage (per unit of log odds), and being of the kind asked for.
WORDS, NEAR, MEANING, PASSAGE, KIND = 0.5, 0.4, 0.5, 0.015, 0.15

_end = re.compile(r"(?:[.!?…]+[\"'»”’)\]]*(?=\s)|[。！？।؟]+[」』”）]*|\n)\s*")
# What a full stop does not end: a title, an initial, a common abbreviation. (A number before it ends a sentence as often as not.)
_abbreviated = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|[Mm]rs?|Ms|[DS]r|St|Jr|Prof|Inc|Ltd|Co|No|Nr|vs|etc|e\.g|i\.e|approx|ca|bzw|z\.\s?B|d\.\s?h|Abs|usw|[Ff]ig|Vol|Mt|Gen|Sen|Rep|Gov|Lt|Col|U\.S)\.$"
)


class SourcePassage(msgspec.Struct):
    """A passage that was found: its text, its title and headings in one line, its score from 0 to 1."""

    text: str
    title: str = ""
    score: float = 1.0


class Quote(msgspec.Struct):
    """A sentence, or neighbouring ones, of `sources[source]`: `text` is its `text[start:end]`."""

    text: str
    source: int
    start: int
    end: int
    score: float


class Sentence(msgspec.Struct):
    source: int
    position: int
    start: int
    end: int
    text: str


async def answer(
    question: str, sources: Sequence[SourcePassage], embedder: Embedder | None = None, most: int = 3
) -> list[Quote]:
    """At most `most` sentences in the order of the sources and of their texts, neighbours merged; none if there are no sources.

    `sources` are the passages above the threshold, the best first. Raises what the embedder raises.
    """
    ranked = await ranking(question, sources, embedder)
    chosen = sorted(ranked[:most], key=lambda each: (each[1].source, each[1].position))
    cited: list[Quote] = []
    for score, sentence in chosen:
        last = cited[-1] if cited else None
        if last and last.source == sentence.source and not sources[last.source].text[last.end : sentence.start].strip():
            last.end, last.score = sentence.end, max(last.score, score)
            last.text = sources[last.source].text[last.start : last.end]
        else:
            cited.append(Quote(sentence.text, sentence.source, sentence.start, sentence.end, score))
    return cited


async def ranking(
    question: str, sources: Sequence[SourcePassage], embedder: Embedder | None = None
) -> list[tuple[float, Sentence]]:
    """Every sentence of the first passages with its score, the best first. A heading that only repeats the question is left out."""
    sentences = [each for place, source in enumerate(sources[:PASSAGES]) for each in split(source.text, place)]
    if not sentences:
        return []
    language = analysis.language(" ".join(source.text for source in sources[:PASSAGES]))
    asked = Counter(analysis.terms(question, language))
    words = [set(analysis.terms(each.text, language)) for each in sentences]
    titles = [set(analysis.terms(source.title, language)) for source in sources[:PASSAGES]]
    rarity = rarities(asked, words)
    total = sum(rarity[word] * times for word, times in asked.items()) or 1.0
    cosines = [0.0] * len(sentences)
    if embedder is not None:
        vectors = await embedder.embed([question, *(each.text for each in sentences)])
        cosines = (vectors[1:] @ vectors[0]).tolist()
    standing = [odds(source.score) for source in sources[:PASSAGES]]
    wanted = kind(question)
    scored = []
    for place, sentence in enumerate(sentences):
        near = titles[sentence.source] | (words[place - 1] if sentence.position else set())
        found = sum(
            rarity[word] * times * (1.0 if word in words[place] else NEAR if word in near else 0.0)
            for word, times in asked.items()
        )
        score = WORDS * found / total + MEANING * cosines[place] + PASSAGE * standing[sentence.source]
        score += KIND * bool(wanted and wanted(sentence.text))
        scored.append((score, sentence))
    told = [each for each, said in zip(scored, words, strict=True) if said - asked.keys() or each[1].text[-1] in ENDS]
    return sorted(told or scored, key=lambda each: (-each[0], each[1].source, each[1].position))


def odds(score: float) -> float:
    """Log odds, within what a score of four decimals can say."""
    score = min(max(score, 1e-4), 1 - 1e-4)
    return math.log(score / (1 - score))


def rarities(asked: Counter[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    """Inverse document frequency of the question's words among the sentences at hand."""
    count = len(sentences)
    return {word: math.log(1 + count / (0.5 + sum(word in each for each in sentences))) for word in asked}


def split(text: str, source: int = 0) -> Iterator[Sentence]:
    """The sentences of a text, with their places in it. A line's end ends a sentence; an abbreviation's full stop does not."""
    start = position = 0
    for match in [*_end.finditer(text), None]:
        end = match.end() if match else len(text)
        if (
            match
            and "\n" not in match[0]
            and _abbreviated.search(text[max(start, match.start() - 11) : match.start() + 1])
        ):
            continue
        for left, right in parts(text, start, end):
            yield Sentence(source, position, left, right, text[left:right])
            position += 1
        start = end


def parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence without blanks around it; in several parts when it is longer than anyone reads."""
    while start < end:
        right = end
        if end - start > LONGEST:
            window = text[start : start + LONGEST]
            right = start + (max(window.rfind(", "), window.rfind("; ")) + 1 or window.rfind(" ") + 1 or LONGEST)
        part = text[start:right]
        if part.strip():
            left = start + len(part) - len(part.lstrip())
            yield left, left + len(part.strip())
        start = right


def worded(cited: Sequence[Quote]) -> str:
    """The answer as a text: each sentence followed by the number of its source, from 1; what says that nothing was found if there is none."""
    return " ".join(f"{' '.join(each.text.split())} [{each.source + 1}]" for each in cited) or NOT_FOUND
