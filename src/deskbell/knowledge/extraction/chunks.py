"""Splits a document into chunks of about a thousand characters that end where a paragraph or a heading does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from deskbell.knowledge.extraction.document import Block, ParsedDocument

SIZE = 1_000  # characters of a chunk, about
SMALL = 200  # if fewer characters of a section are left, they join the chunk before
MAX_LEVEL = 6

_ends = re.compile(r"(?<=[.!?…])[\"'»”’)\]]*\s+|(?<=[。！？।؟])[」』”）]*|\n+")
_word = re.compile(r"[^\W\d_]{3}|[^\W\d_\u0000-\u024f]").search  # three letters, or one of another script
_blank = re.compile(r"[^\S\n]+")


class Chunk(msgspec.Struct):
    """`headings` is the path to it, outermost first; `page` is where it begins; `position` counts from 0 in the document.

    `text` has only the document's own words and is shown; title and headings are searched with it, but not shown.
    """

    text: str
    headings: list[str]
    page: int | None
    position: int

    def heading_line(self, title: str | None) -> str:
        """Title and headings in one line: analysed besides the text, and embedded in front of it."""
        names = [title, *self.headings] if title and title not in self.headings[:1] else self.headings
        return " > ".join(names)

    def embedding_text(self, title: str | None) -> str:
        """What is embedded. A title without a word, such as a file name given by a machine, is left out."""
        heading = self.heading_line(title if title and _word(title) else None)
        return f"{heading}\n{self.text}" if heading else self.text


def split_into_chunks(document: ParsedDocument) -> list[Chunk]:
    """The chunks in the order of the document. A heading begins a new one; a heading without text below it counts as text."""
    chunks: list[Chunk] = []
    for headings, section in sections(document.blocks):
        for text, page in pack(section):
            chunks.append(Chunk(text, headings, page, len(chunks)))
    return chunks


Piece = tuple[str, int | None]  # a text and its page


def sections(blocks: Sequence[Block]) -> Iterator[tuple[list[str], list[Piece]]]:
    """Each heading's path with the paragraphs below it, up to the next heading."""
    path: list[tuple[int, str]] = []
    section: list[Piece] = []
    bare: Piece | None = None  # a heading without text so far
    for block in blocks:
        text = collapse_blanks(block.text)
        if not text:
            continue
        if block.level == 0:
            section.append((text, block.page))
            bare = None
            continue
        if section:
            yield [name for _, name in path], section
            section = []
        level = min(block.level, MAX_LEVEL)
        if bare is not None and path and path[-1][0] >= level:
            yield [name for _, name in path[:-1]], [bare]
        path = [each for each in path if each[0] < level]
        path.append((level, text[:SIZE]))
        bare = (text, block.page)
    if section:
        yield [name for _, name in path], section
    elif bare is not None:
        yield [name for _, name in path[:-1]], [bare]


def pack(section: list[Piece]) -> Iterator[Piece]:
    """Joins paragraphs up to `SIZE`; a longer one is cut between sentences."""
    pieces = [(part, page) for text, page in section for part in cut(text)]
    texts: list[str] = []
    size, page = 0, None
    left = sum(len(text) for text, _ in pieces)
    for text, piece_page in pieces:
        if texts and size + len(text) > SIZE and (left > SMALL or size + left > SIZE + SMALL):
            yield "\n".join(texts), page
            texts, size = [], 0
        if not texts:
            page = piece_page
        texts.append(text)
        size += len(text) + 1
        left -= len(text)
    if texts:
        yield "\n".join(texts), page


def cut(text: str) -> Iterator[str]:
    """Cuts a text into parts of at most `SIZE`: between sentences, else between words, else anywhere."""
    start = 0
    while len(text) - start > SIZE:
        window = text[start : start + SIZE]
        end = max((match.end() for match in _ends.finditer(window) if match.end() > SIZE // 4), default=0)
        end = end or (window.rfind(" ") + 1) or SIZE
        yield window[:end].strip()
        start += end
    if rest := text[start:].strip():
        yield rest


def collapse_blanks(text: str) -> str:
    """Each run of blanks as one space; line breaks stay."""
    return "\n".join(line for each in text.splitlines() if (line := _blank.sub(" ", each).strip()))
