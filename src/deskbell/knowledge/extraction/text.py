"""Plain text: paragraphs, list items and the headings that people mark by capitals or by underlining."""

from __future__ import annotations

import re

from deskbell.knowledge.extraction.decoding import decoded
from deskbell.knowledge.extraction.document import Block, ParsedDocument
from deskbell.knowledge.extraction.limits import ReadLimits

UNDERLINE = re.compile(r"(={3,}|-{3,}|~{3,})$")
ITEM = re.compile(r"(?:[-*+•‣◦–·]|\d{1,3}[.)]|[a-zA-Z][.)])\s+\S")
WRAPPED = 55  # characters from which a line looks like one of running text


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    blocks: list[Block] = []
    for paragraph in paragraphs(decoded(data, media_type)):
        blocks += told_apart(paragraph)
    title = next((block.text for block in blocks[:1] if block.level == 1), None)
    return ParsedDocument(title, blocks)


def paragraphs(text: str) -> list[list[str]]:
    """Runs of lines between blank ones. A form feed ends one too."""
    found: list[list[str]] = [[]]
    for line in text.replace("\f", "\n\n").splitlines():
        if line := line.strip("\x00 \t\u3000"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [lines for lines in found if lines]


def told_apart(lines: list[str]) -> list[Block]:
    if len(lines) > 1 and (match := UNDERLINE.match(lines[1])) and len(lines[0]) <= 120:
        heading = Block(lines[0], 1 if match[1][0] == "=" else 2)
        return [heading, *(told_apart(lines[2:]) if len(lines) > 2 else [])]
    if len(lines) == 1 and shouted(lines[0]):
        return [Block(lines[0], 2)]
    if any(ITEM.match(line) for line in lines):
        return items(lines)
    return [Block(joined(lines))]


def shouted(line: str) -> bool:
    letters = [letter for letter in line if letter.isalpha()]
    return len(letters) >= 4 and len(line) <= 80 and line[-1] not in ".!?;," and all(map(str.isupper, letters))


def items(lines: list[str]) -> list[Block]:
    """A block for each item, with the lines that continue it; what comes before the first is a paragraph."""
    groups: list[list[str]] = [[]]
    for line in lines:
        if ITEM.match(line):
            groups.append([])
        groups[-1].append(line)
    return [Block(joined(group)) for group in groups if group]


def joined(lines: list[str]) -> str:
    """Running text on one line. Short lines (addresses, prices, verse) stay lines."""
    running = all(len(line) >= WRAPPED for line in lines[:-1])
    return (" " if running else "\n").join(lines)
