"""Answers without a language model: quotes the sentences of the best passages that answer the question best."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from deskbell.knowledge.answers.question_types import answer_test
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.text import analysis

NOT_FOUND = "I could not find that in the documents."

PASSAGES = 5  # whose sentences are quoted
ENDS = ".!?:;。！？؟।"  # a sentence ends with one of these, a heading seldom does
MAX_SENTENCE = 600  # characters; a longer one is cut at a comma or a blank
# The weights of the evidence for a sentence: words of the question in it (and what share of that for words only in the sentence before or
# in the title), similar meaning, the score of its passage (per unit of log odds), and being of the kind that was asked for.
WORDS, NEAR, MEANING, PASSAGE, KIND = 0.5, 0.4, 0.5, 0.015, 0.15

_end = re.compile(r"(?:[.!?…]+[\"'»”’)\]]*(?=\s)|[。！？।؟]+[」』”）]*|\n)\s*")
# Full stops that do not end a sentence: after a title, an initial or a common abbreviation. (After a number they may or may not.)
_abbreviated = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|[Mm]rs?|Ms|[DS]r|St|Jr|Prof|Inc|Ltd|Co|No|Nr|vs|etc|e\.g|i\.e|approx|ca|bzw|z\.\s?B|d\.\s?h|Abs|usw|[Ff]ig|Vol|Mt|Gen|Sen|Rep|Gov|Lt|Col|U\.S)\.$"
)


class SourcePassage(msgspec.Struct):
    """A passage to quote from: its text, its title and headings in one line, its score from 0 to 1."""

    text: str
    title: str = ""
    score: float = 1.0


class Quote(msgspec.Struct):
    """A sentence, or adjacent ones, of `sources[source]`: `text` is its `text[start:end]`."""

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
    """At most `most` sentences in the order of the sources and of their texts, adjacent ones merged; none if there are no sources.

    `sources` are the passages above the threshold, best first. Raises what the embedder raises.
    """
    ranked = await rank_sentences(question, sources, embedder)
    chosen = sorted(ranked[:most], key=lambda each: (each[1].source, each[1].position))
    quotes: list[Quote] = []
    for score, sentence in chosen:
        last = quotes[-1] if quotes else None
        if last and last.source == sentence.source and not sources[last.source].text[last.end : sentence.start].strip():
            last.end, last.score = sentence.end, max(last.score, score)
            last.text = sources[last.source].text[last.start : last.end]
        else:
            quotes.append(Quote(sentence.text, sentence.source, sentence.start, sentence.end, score))
    return quotes


async def rank_sentences(
    question: str, sources: Sequence[SourcePassage], embedder: Embedder | None = None
) -> list[tuple[float, Sentence]]:
    """Every sentence of the first passages with its score, best first. Headings that only repeat the question are left out."""
    sentences = [each for number, source in enumerate(sources[:PASSAGES]) for each in split(source.text, number)]
    if not sentences:
        return []
    language = analysis.language(" ".join(source.text for source in sources[:PASSAGES]))
    asked = Counter(analysis.terms(question, language))
    words = [set(analysis.terms(each.text, language)) for each in sentences]
    titles = [set(analysis.terms(source.title, language)) for source in sources[:PASSAGES]]
    rarity = inverse_frequencies(asked, words)
    total = sum(rarity[word] * times for word, times in asked.items()) or 1.0
    cosines = [0.0] * len(sentences)
    if embedder is not None:
        vectors = await embedder.embed([question, *(each.text for each in sentences)])
        cosines = (vectors[1:] @ vectors[0]).tolist()
    passage_odds = [log_odds(source.score) for source in sources[:PASSAGES]]
    is_wanted = answer_test(question)
    scored = []
    for number, sentence in enumerate(sentences):
        near = titles[sentence.source] | (words[number - 1] if sentence.position else set())
        overlap = sum(
            rarity[word] * times * (1.0 if word in words[number] else NEAR if word in near else 0.0)
            for word, times in asked.items()
        )
        score = WORDS * overlap / total + MEANING * cosines[number] + PASSAGE * passage_odds[sentence.source]
        score += KIND * bool(is_wanted and is_wanted(sentence.text))
        scored.append((score, sentence))
    new = [each for each, own in zip(scored, words, strict=True) if own - asked.keys() or each[1].text[-1] in ENDS]
    return sorted(new or scored, key=lambda each: (-each[0], each[1].source, each[1].position))


def log_odds(score: float) -> float:
    """Log odds of a score, limited to what four decimals can express."""
    score = min(max(score, 1e-4), 1 - 1e-4)
    return math.log(score / (1 - score))


def inverse_frequencies(asked: Counter[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    """Inverse document frequencies of the question's words, with these sentences as the documents."""
    count = len(sentences)
    return {word: math.log(1 + count / (0.5 + sum(word in each for each in sentences))) for word in asked}


def split(text: str, source: int = 0) -> Iterator[Sentence]:
    """The sentences of a text, with their positions. The end of a line ends a sentence, the full stop of an abbreviation does not."""
    start = position = 0
    for match in [*_end.finditer(text), None]:
        end = match.end() if match else len(text)
        if (
            match
            and "\n" not in match[0]
            and _abbreviated.search(text[max(start, match.start() - 11) : match.start() + 1])
        ):
            continue
        for left, right in split_long(text, start, end):
            yield Sentence(source, position, left, right, text[left:right])
            position += 1
        start = end


def split_long(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence without blanks around it; in several parts if it is too long to be read."""
    while start < end:
        right = end
        if end - start > MAX_SENTENCE:
            window = text[start : start + MAX_SENTENCE]
            right = start + (max(window.rfind(", "), window.rfind("; ")) + 1 or window.rfind(" ") + 1 or MAX_SENTENCE)
        part = text[start:right]
        if part.strip():
            left = start + len(part) - len(part.lstrip())
            yield left, left + len(part.strip())
        start = right


def format_answer(quotes: Sequence[Quote]) -> str:
    """The answer as a text: each quote followed by the number of its source, from 1; without quotes, that nothing was found."""
    return " ".join(f"{' '.join(each.text.split())} [{each.source + 1}]" for each in quotes) or NOT_FOUND
