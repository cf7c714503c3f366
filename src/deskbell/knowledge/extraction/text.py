"""Plain text: paragraphs, list items, and headings in capitals or underlined."""

from __future__ import annotations

import re

from deskbell.knowledge.extraction.decoding import decode_text
from deskbell.knowledge.extraction.document import Block, ParsedDocument
from deskbell.knowledge.extraction.limits import ReadLimits

UNDERLINE = re.compile(r"(={3,}|-{3,}|~{3,})$")
ITEM = re.compile(r"(?:[-*+•‣◦–·]|\d{1,3}[.)]|[a-zA-Z][.)])\s+\S")
WRAPPED = 55  # characters from which a line counts as a wrapped line of running text


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    blocks: list[Block] = []
    for paragraph in paragraphs(decode_text(data, media_type)):
        blocks += blocks_of(paragraph)
    title = next((block.text for block in blocks[:1] if block.level == 1), None)
    return ParsedDocument(title, blocks)


def paragraphs(text: str) -> list[list[str]]:
    """Runs of lines between blank ones. A form feed ends a run too."""
    runs: list[list[str]] = [[]]
    for line in text.replace("\f", "\n\n").splitlines():
        if line := line.strip("\x00 \t\u3000"):
            runs[-1].append(line)
        elif runs[-1]:
            runs.append([])
    return [lines for lines in runs if lines]


def blocks_of(lines: list[str]) -> list[Block]:
    if len(lines) > 1 and (match := UNDERLINE.match(lines[1])) and len(lines[0]) <= 120:
        heading = Block(lines[0], 1 if match[1][0] == "=" else 2)
        return [heading, *(blocks_of(lines[2:]) if len(lines) > 2 else [])]
    if len(lines) == 1 and in_capitals(lines[0]):
        return [Block(lines[0], 2)]
    if any(ITEM.match(line) for line in lines):
        return items(lines)
    return [Block(join_lines(lines))]


def in_capitals(line: str) -> bool:
    letters = [letter for letter in line if letter.isalpha()]
    return len(letters) >= 4 and len(line) <= 80 and line[-1] not in ".!?;," and all(map(str.isupper, letters))


def items(lines: list[str]) -> list[Block]:
    """A block for each item, with the lines that continue it; lines before the first item are a paragraph."""
    groups: list[list[str]] = [[]]
    for line in lines:
        if ITEM.match(line):
            groups.append([])
        groups[-1].append(line)
    return [Block(join_lines(group)) for group in groups if group]


def join_lines(lines: list[str]) -> str:
    """Running text on one line. Short lines (addresses, prices, verse) stay separate."""
    running = all(len(line) >= WRAPPED for line in lines[:-1])
    return (" " if running else "\n").join(lines)
