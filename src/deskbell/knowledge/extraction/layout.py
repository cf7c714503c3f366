"""Lines of a printed page as headings, paragraphs, list items and table rows: what a reader sees by size, weight and distance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from deskbell.knowledge.extraction.document import Block
from deskbell.knowledge.extraction.normalize import flat, rows
from deskbell.knowledge.extraction.text import ITEM

LARGER = 1.12  # times the usual height, from which a line is a heading
LEVELS = 4  # sizes of headings that are told apart
SHORT = 120  # characters of the longest heading
EDGE = 3  # lines at a page's top and bottom that may be a running head or foot
DIGITS = re.compile(r"\d+")
PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|página|pagina|стр\.?|p\.)?\s*\d{1,4}(?:\s*(?:of|/|von|de|di|из)\s*\d{1,4})?\W*", re.I
)
HYPHENS = ("\ufffe", "\x02", "\u00ad")  # what PDFium gives for a hyphen that only a line's end made


class PageLine(NamedTuple):
    """A line of a page, in points. `base` is how high its letters stand, `cells` are its parts between wide gaps.

    A height of 0 means that its place is unknown.
    """

    text: str
    page: int
    height: float
    left: float
    right: float
    base: float
    bold: bool
    cells: tuple[str, ...]


def blocks(pages: list[list[PageLine]], outline: dict[tuple[int, str], int]) -> list[Block]:
    lines = without_running_heads(pages)
    usual = usual_height(lines)
    sizes = heading_sizes(lines, usual)
    spacing = usual_spacing(lines)

    def level(line: PageLine) -> int:
        words = flat(line.text)
        if found := outline.get((line.page, words.lower())):
            return found
        if len(words) > SHORT or not any(map(str.isalpha, words)) or len(line.cells) > 1:
            return 0
        if round(line.height, 1) in sizes:
            return sizes[round(line.height, 1)]
        alone = line.bold and words[-1] not in ".,;:" and not ITEM.match(words)
        return min(len(set(sizes.values())) + 1, 6) if alone else 0

    levels = [level(line) for line in lines]
    # Where nearly everything looks like a heading, nothing is one but what the table of contents names.
    if len(lines) > 3 and sum(map(bool, levels)) > len(lines) * 0.5:
        levels = [outline.get((line.page, flat(line.text).lower()), 0) for line in lines]
    return list(joined(lines, levels, spacing))


def usual_height(lines: list[PageLine]) -> float:
    """The height in which most letters are printed."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[round(line.height, 1)] += len(line.text)
    return max(weights, key=lambda height: (weights[height], -height), default=0.0)


def heading_sizes(lines: list[PageLine], usual: float) -> dict[float, int]:
    """Heights that mark headings, the largest as level 1."""
    larger = {round(line.height, 1) for line in lines if line.height > usual * LARGER and len(line.text) <= SHORT}
    ranked: dict[float, int] = {}
    reached, before = 0, 0.0
    for height in sorted(larger, reverse=True):
        # Sizes that nobody can tell apart are the same level.
        if not before or height < before * 0.95:
            reached, before = min(reached + 1, LEVELS), height
        ranked[height] = reached
    return ranked


def usual_spacing(lines: list[PageLine]) -> float:
    """The distance from line to line where a sentence goes on, as a multiple of the line's height."""
    gaps = [
        (upper.base - lower.base) / upper.height
        for upper, lower in pairwise(lines)
        if upper.page == lower.page
        and 0 < upper.base - lower.base < upper.height * 3
        and upper.text[-1:] not in ".!?:"
        and lower.text[:1].islower()
    ]
    return median(gaps) if gaps else 1.2


def without_running_heads(pages: list[list[PageLine]]) -> list[PageLine]:
    """All lines but page numbers and those that stand at the same edge of most pages, numbers in them aside alike."""

    def edges(page: list[PageLine]) -> dict[int, str]:
        places = {*range(min(EDGE, len(page))), *range(max(len(page) - EDGE, 0), len(page))}
        return {place: DIGITS.sub("#", flat(page[place].text)) for place in places}

    filled = [page for page in pages if page]
    counts = Counter(words for page in filled for words in set(edges(page).values()))
    often = max(3, len(filled) * 0.5)
    running = {words for words, count in counts.items() if count >= often and len(filled) >= 3} | numbered_heads(filled)
    kept = []
    for page in filled:
        found = edges(page)
        kept += [
            line
            for place, line in enumerate(page)
            if found.get(place) not in running
            and not (place in (0, len(page) - 1) and PAGE_NUMBER.fullmatch(line.text))
        ]
    return kept


def numbered_heads(pages: list[list[PageLine]]) -> set[str]:
    """First or last lines of at least three pages that differ in a number alone, as a chapter's name with the page does."""
    found: dict[str, list[str]] = {}
    for page in pages:
        for words in {flat(page[0].text), flat(page[-1].text)}:
            found.setdefault(DIGITS.sub("#", words), []).append(words)
    return {
        words for words, texts in found.items() if "#" in words and len(texts) >= 3 and len(set(texts)) == len(texts)
    }


def joined(lines: list[PageLine], levels: list[int], spacing: float) -> Iterator[Block]:
    """The lines as blocks: tables first, then each heading, then paragraphs by their distances."""

    def kind(place: int) -> tuple[str, int]:
        if levels[place]:
            return "heading", levels[place]
        return ("table", len(lines[place].cells)) if len(lines[place].cells) > 1 else ("text", 0)

    for (what, number), group in groupby(range(len(lines)), key=kind):
        run = [lines[place] for place in group]
        if what == "heading":
            yield from headings(run, number)
        elif what == "table":
            for page, same in groupby(run, key=lambda line: line.page):
                yield from (Block(row, 0, page) for row in rows([line.cells for line in same]))
        else:
            yield from paragraphs(run, spacing)


def headings(lines: list[PageLine], level: int) -> Iterator[Block]:
    """Headings of one level in a row. One that goes on in the next line stays one."""
    for group in runs(
        lines, lambda above, below: follows(above, below, 1.5) and abs(above.height - below.height) < 0.2
    ):
        yield Block(prose(group), level, group[0].page)


def paragraphs(lines: list[PageLine], spacing: float) -> Iterator[Block]:
    widest = {page: max(line.right for line in group) for page, group in groupby(lines, key=lambda line: line.page)}

    def together(above: PageLine, below: PageLine) -> bool:
        if ITEM.match(below.text) or abs(above.height - below.height) > max(above.height, 1) * 0.35:
            return False
        if above.page != below.page:
            return above.text[-1:].isalpha() and below.text[:1].islower()
        full = above.right >= above.left + (widest[above.page] - above.left) * 0.7
        ended = above.text[-1:] in ".!?:" and not full
        return follows(above, below, spacing * 1.25) and not ended and (full or below.text[:1].islower())

    for group in runs(lines, together):
        yield Block(prose(group), 0, group[0].page)


def follows(above: PageLine, below: PageLine, most: float) -> bool:
    """Whether a line is the next one below, at most `most` line heights away. Unknown places follow one another."""
    if not above.height or not below.height:
        return above.page == below.page
    return above.page == below.page and 0 < above.base - below.base <= max(above.height, below.height) * most


def runs(lines: list[PageLine], together: Callable[[PageLine, PageLine], bool]) -> Iterator[list[PageLine]]:
    """The lines in groups, each line going with the one above it where they stand together."""
    run: list[PageLine] = []
    for line in lines:
        if run and not together(run[-1], line):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def prose(lines: list[PageLine]) -> str:
    """The lines as one, words that a line's end has cut put together."""
    text = ""
    for line in lines:
        words = line.text
        if text.endswith(HYPHENS) or (text.endswith("-") and text[-2:-1].isalpha() and words[:1].islower()):
            text = text[:-1] + words
        else:
            text = f"{text} {words}" if text else words
    return flat(text)
