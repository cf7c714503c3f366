"""Turns the lines of a printed page into headings, paragraphs, list items and table rows, by their size, weight and distance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from deskbell.knowledge.extraction.document import Block
from deskbell.knowledge.extraction.normalize import one_line, table_lines
from deskbell.knowledge.extraction.text import ITEM

LARGER = 1.12  # times the body text's height, from which a line is a heading
MAX_LEVELS = 4  # of headings, by size
SHORT = 120  # characters of the longest heading
EDGE = 3  # lines at a page's top and bottom that may be a running head or foot
DIGITS = re.compile(r"\d+")
PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|página|pagina|стр\.?|p\.)?\s*\d{1,4}(?:\s*(?:of|/|von|de|di|из)\s*\d{1,4})?\W*", re.I
)
HYPHENS = (
    "\ufffe",
    "\x02",
    "\u00ad",
)  # PDFium's characters for a hyphen at the end of a line that is not part of the word


class PageLine(NamedTuple):
    """A line of a page, in points. `base` is the height of its baseline, `cells` are its parts between wide gaps.

    A height of 0 means that its position is unknown.
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
    body = body_height(lines)
    sizes = heading_sizes(lines, body)
    spacing = line_spacing(lines)

    def level(line: PageLine) -> int:
        words = one_line(line.text)
        if listed := outline.get((line.page, words.lower())):
            return listed
        if len(words) > SHORT or not any(map(str.isalpha, words)) or len(line.cells) > 1:
            return 0
        if round(line.height, 1) in sizes:
            return sizes[round(line.height, 1)]
        alone = line.bold and words[-1] not in ".,;:" and not ITEM.match(words)
        return min(len(set(sizes.values())) + 1, 6) if alone else 0

    levels = [level(line) for line in lines]
    # Where most lines look like headings, only those in the table of contents are.
    if len(lines) > 3 and sum(map(bool, levels)) > len(lines) * 0.5:
        levels = [outline.get((line.page, one_line(line.text).lower()), 0) for line in lines]
    return list(group_blocks(lines, levels, spacing))


def body_height(lines: list[PageLine]) -> float:
    """The height of most letters."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[round(line.height, 1)] += len(line.text)
    return max(weights, key=lambda height: (weights[height], -height), default=0.0)


def heading_sizes(lines: list[PageLine], body: float) -> dict[float, int]:
    """Heights that mark headings, the largest as level 1."""
    larger = {round(line.height, 1) for line in lines if line.height > body * LARGER and len(line.text) <= SHORT}
    ranked: dict[float, int] = {}
    level, before = 0, 0.0
    for height in sorted(larger, reverse=True):
        # Sizes that look the same are the same level.
        if not before or height < before * 0.95:
            level, before = min(level + 1, MAX_LEVELS), height
        ranked[height] = level
    return ranked


def line_spacing(lines: list[PageLine]) -> float:
    """The distance between lines of one sentence, as a multiple of the line's height."""
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
    """All lines except page numbers, and those at the top or bottom of most pages that are the same but for their numbers."""

    def edges(page: list[PageLine]) -> dict[int, str]:
        numbers = {*range(min(EDGE, len(page))), *range(max(len(page) - EDGE, 0), len(page))}
        return {number: DIGITS.sub("#", one_line(page[number].text)) for number in numbers}

    filled = [page for page in pages if page]
    counts = Counter(words for page in filled for words in set(edges(page).values()))
    often = max(3, len(filled) * 0.5)
    running = {words for words, count in counts.items() if count >= often and len(filled) >= 3} | numbered_heads(filled)
    kept = []
    for page in filled:
        at_edges = edges(page)
        kept += [
            line
            for number, line in enumerate(page)
            if at_edges.get(number) not in running
            and not (number in (0, len(page) - 1) and PAGE_NUMBER.fullmatch(line.text))
        ]
    return kept


def numbered_heads(pages: list[list[PageLine]]) -> set[str]:
    """First or last lines of at least three pages that differ only in a number, such as a chapter's name with the page."""
    variants: dict[str, list[str]] = {}
    for page in pages:
        for words in {one_line(page[0].text), one_line(page[-1].text)}:
            variants.setdefault(DIGITS.sub("#", words), []).append(words)
    return {
        words for words, texts in variants.items() if "#" in words and len(texts) >= 3 and len(set(texts)) == len(texts)
    }


def group_blocks(lines: list[PageLine], levels: list[int], spacing: float) -> Iterator[Block]:
    """The lines as blocks: runs of headings, of table rows, and of text, which is split by distance."""

    def kind(number: int) -> tuple[str, int]:
        if levels[number]:
            return "heading", levels[number]
        return ("table", len(lines[number].cells)) if len(lines[number].cells) > 1 else ("text", 0)

    for (what, value), group in groupby(range(len(lines)), key=kind):
        run = [lines[number] for number in group]
        if what == "heading":
            yield from headings(run, value)
        elif what == "table":
            for page, same in groupby(run, key=lambda line: line.page):
                yield from (Block(row, 0, page) for row in table_lines([line.cells for line in same]))
        else:
            yield from paragraphs(run, spacing)


def headings(lines: list[PageLine], level: int) -> Iterator[Block]:
    """Consecutive headings of one level. One that continues on the next line stays one."""
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
    """Whether a line is the next one below, at most `most` line heights away. Lines of unknown position follow one another."""
    if not above.height or not below.height:
        return above.page == below.page
    return above.page == below.page and 0 < above.base - below.base <= max(above.height, below.height) * most


def runs(lines: list[PageLine], together: Callable[[PageLine, PageLine], bool]) -> Iterator[list[PageLine]]:
    """The lines in groups: a line joins the one above it if they belong together."""
    run: list[PageLine] = []
    for line in lines:
        if run and not together(run[-1], line):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def prose(lines: list[PageLine]) -> str:
    """The lines as one; words that were hyphenated at the end of a line are joined."""
    text = ""
    for line in lines:
        words = line.text
        if text.endswith(HYPHENS) or (text.endswith("-") and text[-2:-1].isalpha() and words[:1].islower()):
            text = text[:-1] + words
        else:
            text = f"{text} {words}" if text else words
    return one_line(text)
