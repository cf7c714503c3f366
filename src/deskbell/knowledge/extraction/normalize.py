"""Normalizes text: no control characters, no invisible ones, single spaces; line breaks stay. And tables as lines of text."""

from __future__ import annotations

import re
from collections.abc import Sequence

CONTROLS = (*range(9), *range(14, 32), *range(127, 133), *range(134, 160))
INVISIBLE = (0xAD, 0x200B, 0x2060, 0xFEFF, 0xFFFE, 0xFFFF)
UNWANTED = dict.fromkeys((*CONTROLS, *INVISIBLE))
DOUBLES = ("  ", "\n\n", " \n", "\n ")
SPACES = re.compile(r"[^\S\n]+")
BREAKS = re.compile(r" ?\n[ \n]*")
NUMBER = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*")


def clean_text(text: str) -> str:
    """The text with its line breaks, every other run of white space as one space, and without what a database refuses."""
    if text.replace("\n", " ").isprintable() and not any(pair in text for pair in DOUBLES):
        return text.strip()  # holds for nearly all text, and costs a fifth
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n").translate(UNWANTED)
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return BREAKS.sub("\n", SPACES.sub(" ", text)).strip()


def one_line(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def table_lines(cells: Sequence[Sequence[str]], header: bool | None = None) -> list[str]:
    """A table's rows as lines that make sense alone: "Service: Drain cleaning; Price: $129".

    `header` says whether the first row names the columns; with None it does if its cells are distinct and no numbers.
    """
    table = [[one_line(cell) for cell in row] for row in cells]
    table = [row for row in table if any(row)]
    if header is None:
        header = len(table) > 1 and names_columns(table[0])
    if not header or len(table) < 2:
        return ["; ".join(cell for cell in row if cell) for row in table]
    names, lines = table[0], table[1:]
    return ["; ".join(labelled(names, row)) for row in lines]


def labelled(names: Sequence[str], row: Sequence[str]) -> list[str]:
    return [
        f"{names[column]}: {cell}" if column < len(names) and names[column] and names[column] != cell else cell
        for column, cell in enumerate(row)
        if cell
    ]


def names_columns(row: Sequence[str]) -> bool:
    return (
        len(row) > 1
        and all(cell and len(cell) <= 60 and not NUMBER.fullmatch(cell) for cell in row)
        and len(set(row)) == len(row)
    )
