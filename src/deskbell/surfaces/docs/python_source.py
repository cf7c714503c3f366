"""Python source as `ruff format` would leave it: calls, strings and docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

WIDTH = 120


def quoted(text: str) -> str:
    return f"'{text}'" if '"' in text and "'" not in text else '"' + text.replace('"', '\\"') + '"'


def mapping(names: Iterable[str], indent: int) -> str:
    return call("", [f"{quoted(name)}: {name}" for name in names], indent, "{}", margin=len("query=,"))


def call(
    head: str, arguments: Iterable[str], indent: int, brackets: str = "()", *, tail: str = "", margin: int = 0
) -> str:
    """`head(a, b)tail` on one line where it fits, else a line for each argument."""
    parts = list(arguments)
    line = f"{head}{brackets[0]}{', '.join(parts)}{brackets[1]}{tail}"
    if "\n" not in line and indent + len(line) + margin <= WIDTH:
        return line
    return exploded(head, parts, indent, brackets, tail)


def exploded(head: str, parts: Sequence[str], indent: int, brackets: str = "()", tail: str = "") -> str:
    inner = " " * (indent + 4)
    rows = "".join(f"{inner}{part},\n" for part in parts)
    return f"{head}{brackets[0]}\n{rows}{' ' * indent}{brackets[1]}{tail}"


def docstring(text: str, indent: int) -> list[str]:
    """A docstring; what is said of an argument hangs under its name."""
    margin = " " * indent
    lines: list[str] = []
    for row in text.split("\n"):
        hanging = "    " if re.match(r"\w+: ", row) else ""
        lines += wrap(row, WIDTH - indent - 4, subsequent_indent=hanging) or [""]
    if len(lines) == 1:
        return [f'{margin}"""{lines[0]}"""']
    return [f'{margin}"""{lines[0]}', *(margin + line if line else "" for line in lines[1:]), f'{margin}"""']
