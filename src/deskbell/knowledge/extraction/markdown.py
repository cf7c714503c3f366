"""Markdown: headings, paragraphs, list items, tables and code, without their marks. Reads the structure, not every detail of the syntax."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deskbell.knowledge.extraction.decoding import decode_text
from deskbell.knowledge.extraction.document import Block, ParsedDocument
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import one_line, table_lines

FRONT = re.compile(r"---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
FRONT_TITLE = re.compile(r"^title:[ \t]*(.{1,500})$", re.M | re.I)
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
CLOSING = re.compile(r"[ \t]+#+[ \t]*$")
SETEXT = re.compile(r" {0,3}(?:(=+)|-+)[ \t]*$")
RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(?=\S)")
QUOTE = re.compile(r"^[ \t]{0,3}(?:>[ \t]?)+")
DELIMITERS = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
CELLS = re.compile(r"(?<!\\)\|")
DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S+")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
INLINE = (
    (
        re.compile(
            r"!?\[([^\[\]]{0,500})\]\((?:[^()\s]|\([^()\s]{0,200}\)){0,2000}(?:[ \t]+[\"'(][^\n]{0,300}?[\"')])?\)"
        ),
        r"\1",
    ),
    (re.compile(r"!?\[([^\[\]]{1,500})\]\[[^\[\]]{0,200}\]"), r"\1"),
    (re.compile(r"<((?:https?|mailto):[^<>\s]{1,2000})>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>]{0,500}>"), " "),
    (re.compile(r"(`{1,2})([^`\n]{1,1000})\1"), r"\2"),
    (re.compile(r"(\*{1,3}|~~)(?=\S)([^*~\n]{1,1000}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(_{1,3})(?=\S)([^_\n]{1,1000}?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    text = decode_text(data, media_type).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    title = None
    if front := FRONT.match(text):
        text = text[front.end() :]
        if match := FRONT_TITLE.search(front[1]):
            title = match[1].strip().strip("\"'")
    blocks = list(parse(text))
    return ParsedDocument(title or next((block.text for block in blocks if block.level == 1), None), blocks)


def parse(text: str) -> Iterator[Block]:
    lines, at = COMMENT.sub("", text).split("\n"), 0
    paragraph: list[str] = []
    while at < len(lines):
        line = QUOTE.sub("", lines[at], count=1)
        after = lines[at + 1] if at + 1 < len(lines) else ""
        at += 1
        if paragraph and (setext := SETEXT.match(line)):
            yield Block(plain_text(" ".join(paragraph)), 1 if setext[1] else 2)
            paragraph = []
            continue
        special = not line.strip() or HEADING.match(line) or FENCE.match(line) or RULE.match(line) or ITEM.match(line)
        table = "|" in line and DELIMITERS.match(after) and "-" in after
        if paragraph and (special or table):
            yield Block(plain_text(" ".join(paragraph)))
            paragraph = []
        if heading := HEADING.match(line):
            if words := plain_text(CLOSING.sub("", heading[2] or "")):
                yield Block(words, len(heading[1]))
        elif fence := FENCE.match(line):
            body, at = fenced(lines, at, fence[1])
            yield Block(body)
        elif table:
            body_rows, at = table_at(lines, at - 1)
            yield from (Block(row) for row in body_rows)
        elif line.strip() and not RULE.match(line) and not DEFINITION.match(line):
            paragraph.append(ITEM.sub("", line, count=1))
    if paragraph:
        yield Block(plain_text(" ".join(paragraph)))


def fenced(lines: list[str], at: int, mark: str) -> tuple[str, int]:
    """The code from line `at` to its closing fence, and the line after it."""
    end = at
    while end < len(lines) and not ((close := FENCE.match(lines[end])) and close[1].startswith(mark)):
        end += 1
    return "\n".join(lines[at:end]), end + 1


def table_at(lines: list[str], at: int) -> tuple[list[str], int]:
    """The rows of the table whose header is line `at`, and the line after it."""
    end = at + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    cells = [split(line) for line in (lines[at], *lines[at + 2 : end])]
    return table_lines(cells, header=any(cells[0]) and len(cells) > 1), end


def split(line: str) -> list[str]:
    return [
        plain_text(cell.replace("\\|", "|")) for cell in CELLS.split(line.strip().removeprefix("|").removesuffix("|"))
    ]


def plain_text(text: str) -> str:
    """The words without emphasis, links and tags."""
    for pattern, words in INLINE:
        text = pattern.sub(words, text)
    return one_line(text)
