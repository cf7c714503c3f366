"""The schema's history: numbered SQL files, append-only, the same for both databases but for types and marked lines.

`{id}`, `{instant}`, `{json}`, `{flag}`, `{key}` and `{blob}` stand for column types. A line that begins with `--sqlite:` or `--postgres:` is
that database's alone, and on SQLite such a line is a whole statement or column.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

_types = {
    "sqlite": {
        "id": "text",
        "instant": "text",
        "json": "text",
        "flag": "integer",
        "key": "text",
        "blob": "blob",
        "strict": "strict",
    },
    "postgres": {
        "id": "uuid",
        "instant": "timestamptz",
        "json": "json",
        "flag": "boolean",
        "key": 'text collate "C"',
        "blob": "bytea",
        "strict": "",
    },
}


class Migration(NamedTuple):
    """Its number, its name, and its SQL as written."""

    number: int
    name: str
    text: str

    def statements(self, dialect: str) -> list[str]:
        """The SQL for "sqlite" or "postgres", one statement each."""
        text = re.sub(rf"^( *)--{dialect}: ?", r"\1", self.text, flags=re.MULTILINE)
        text = re.sub(r"^ *--.*\n", "", text, flags=re.MULTILINE)
        for name, kind in _types[dialect].items():
            text = text.replace("{" + name + "}", kind)
        if dialect == "sqlite":
            text = text.replace("bigint", "integer")
        return [part.strip() for part in re.split(r";[ \t]*\n", text) if part.strip()]


class SchemaTooNew(Exception):
    """The database was made by a newer program than this one."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"The database has schema version {found}, this program knows {latest()}. "
            "Use the newer deskbell that wrote it, or restore a backup from before the upgrade."
        )


class MigrationNeeded(Exception):
    """The file is older than this program, and the present command may not change its schema."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"The database has schema version {found}, this program needs {latest()}. "
            "Start `deskbell serve`, or run `deskbell migrate`; on SQLite, while no server runs."
        )


@cache
def steps() -> list[Migration]:
    """Every migration, oldest first."""
    files = (entry for entry in resources.files(__name__).iterdir() if entry.name.endswith(".sql"))
    named = sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in files)
    found = [Migration(int(name[:4]), name[5:-4], text) for name, text in named]
    for one, next in pairwise(found):
        if one.number == next.number:
            raise RuntimeError(f"Two migrations have the number {one.number}: {one.name} and {next.name}")
    return found


def latest() -> int:
    """The schema version that this program needs."""
    return steps()[-1].number
