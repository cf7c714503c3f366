"""A document in passages of about a thousand characters that end where a paragraph or a heading does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from deskbell.knowledge.extraction.document import Block, ParsedDocument

SIZE = 1_000  # characters of a passage, about
SMALL = 200  # a section's rest of fewer characters joins the passage before it
DEEPEST = 6

_ends = re.compile(r"(?<=[.!?…])[\"'»”’)\]]*\s+|(?<=[。！？।؟])[」』”）]*|\n+")
_word = re.compile(r"[^\W\d_]{3}|[^\W\d_\u0000-\u024f]").search  # three letters, or a sign of another script
_blank = re.compile(r"[^\S\n]+")


class Chunk(msgspec.Struct):
    """A passage. `headings` is the path to it, outermost first; `page` is where it begins; `position` counts from 0 in the document.

    `text` is shown and holds the document's words alone; title and headings are searched with it but not shown.
    """

    text: str
    headings: list[str]
    page: int | None
    position: int

    def heading(self, title: str | None) -> str:
        """Title and path in one line: what is analysed beside the text, and stands before it when it is embedded."""
        names = [title, *self.headings] if title and title not in self.headings[:1] else self.headings
        return " > ".join(names)

    def embedded(self, title: str | None) -> str:
        """What the embedder reads. A title without a word, as files that a machine has named have, means nothing to it."""
        heading = self.heading(title if title and _word(title) else None)
        return f"{heading}\n{self.text}" if heading else self.text


def chunked(document: ParsedDocument) -> list[Chunk]:
    """The passages in the order of the document. A heading begins a new one; a heading without a text below it counts as text."""
    chunks: list[Chunk] = []
    for headings, section in sections(document.blocks):
        for text, page in packed(section):
            chunks.append(Chunk(text, headings, page, len(chunks)))
    return chunks


Piece = tuple[str, int | None]  # a text and its page


def sections(blocks: Sequence[Block]) -> Iterator[tuple[list[str], list[Piece]]]:
    """Each heading's path with the paragraphs below it, up to the next heading."""
    path: list[tuple[int, str]] = []
    section: list[Piece] = []
    lonely: Piece | None = None  # a heading that nothing followed yet
    for block in blocks:
        text = tidy(block.text)
        if not text:
            continue
        if block.level == 0:
            section.append((text, block.page))
            lonely = None
            continue
        if section:
            yield [name for _, name in path], section
            section = []
        level = min(block.level, DEEPEST)
        if lonely is not None and path and path[-1][0] >= level:
            yield [name for _, name in path[:-1]], [lonely]
        path = [each for each in path if each[0] < level]
        path.append((level, text[:SIZE]))
        lonely = (text, block.page)
    if section:
        yield [name for _, name in path], section
    elif lonely is not None:
        yield [name for _, name in path[:-1]], [lonely]


def packed(section: list[Piece]) -> Iterator[Piece]:
    """Paragraphs put together up to `SIZE`; one that is longer is cut between sentences."""
    pieces = [(part, page) for text, page in section for part in cut(text)]
    texts: list[str] = []
    size, page = 0, None
    rest = sum(len(text) for text, _ in pieces)
    for text, where in pieces:
        if texts and size + len(text) > SIZE and (rest > SMALL or size + rest > SIZE + SMALL):
            yield "\n".join(texts), page
            texts, size = [], 0
        if not texts:
            page = where
        texts.append(text)
        size += len(text) + 1
        rest -= len(text)
    if texts:
        yield "\n".join(texts), page


def cut(text: str) -> Iterator[str]:
    """A text in parts of at most `SIZE`: between sentences, else between words, else anywhere."""
    start = 0
    while len(text) - start > SIZE:
        window = text[start : start + SIZE]
        end = max((match.end() for match in _ends.finditer(window) if match.end() > SIZE // 4), default=0)
        end = end or (window.rfind(" ") + 1) or SIZE
        yield window[:end].strip()
        start += end
    if rest := text[start:].strip():
        yield rest


def tidy(text: str) -> str:
    """Runs of blanks as one; line ends kept."""
    return "\n".join(line for each in text.splitlines() if (line := _blank.sub(" ", each).strip()))
