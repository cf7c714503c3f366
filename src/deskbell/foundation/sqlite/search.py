"""Search in text: an FTS5 index of pieces of five characters beside a table (`leads_search` for `leads`), and how it keeps up.

The index finds candidates by pieces that a term is made of, and the table's own text decides. Triggers note in `leads_unindexed`
which rows have changed; those are candidates too until `sync_search_index` has brought them into the index.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import apsw
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from deskbell.foundation.db import Contains

log = logging.getLogger(__name__)

PIECE = 5  # characters: rare enough that few lists of rows must be compared
SHORTEST = 3  # characters of a term that the index finds
PART = "\x1f"  # between the parts of a search text; it ends a token of the index, and no term holds it
SEARCHED = ("leads",)
_control = re.compile(
    "[\x00-\x1e\x7f]"
).sub  # these would end a token too; in the index another character stands for them

SYNC = (
    "INSERT INTO {table}_search ({table}_search, rowid, grams) "
    "SELECT 'delete', number, deskbell_grams(was) FROM {table}_unindexed WHERE was IS NOT NULL",
    "INSERT INTO {table}_search (rowid, grams) "
    "SELECT number, deskbell_grams(search_text) FROM {table}_unindexed JOIN {table} USING (number)",
    "DELETE FROM {table}_unindexed",
)
REBUILD = (
    "INSERT INTO {table}_search ({table}_search) VALUES ('delete-all')",
    "INSERT INTO {table}_search (rowid, grams) SELECT number, deskbell_grams(search_text) FROM {table}",
    "DELETE FROM {table}_unindexed",
)


def grams(text: str) -> str:
    """Every piece of a text: five characters from each place, fewer at the end of a part."""
    parts = _control("\x80", text).split(PART)
    return PART.join([part[at : at + PIECE] for part in parts for at in range(len(part) - SHORTEST + 1)])


def wanted(term: str) -> str:
    """What to ask the index for: pieces side by side that cover a term, all of them; a short term begins a piece."""
    term = _control("\x80", term)
    last = len(term) - PIECE
    if last <= 0:
        return quoted(term) + "*"
    return "(" + " AND ".join(quoted(term[at : at + PIECE]) for at in (*range(0, last, PIECE), last)) + ")"


def quoted(piece: str) -> str:
    return '"' + piece.replace('"', '""') + '"'


def add_functions(connection: apsw.Connection) -> None:
    """Registers the index's two functions on a connection. Migrations use the first."""
    for name, function in (("deskbell_grams", grams), ("deskbell_wanted", wanted)):
        connection.create_scalar_function(name, lambda *given, of=function: of(str(given[0])), 1, deterministic=True)


def pending_rows(connection: apsw.Connection) -> int:
    """How many rows the index does not have yet, or has in an older form."""
    return sum(connection.execute(f"SELECT count(*) FROM {table}_unindexed").get for table in SEARCHED)


def sync_search_index(connection: apsw.Connection) -> None:
    """Brings the index up to date, inside the caller's transaction. A damaged one is rebuilt: it must not stop writes."""
    try:
        run(connection, SYNC)
    except apsw.CorruptError:
        rebuild(connection)


def rebuild(connection: apsw.Connection) -> None:
    """Rebuilds the index from the rows, inside the caller's transaction."""
    log.warning("the search index is damaged and is rebuilt")
    run(connection, REBUILD)


def run(connection: apsw.Connection, statements: tuple[str, ...]) -> None:
    for table in SEARCHED:
        for text in statements:
            connection.execute(text.format(table=table))


@compiles(Contains, "sqlite")
def contains(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    """Whether a row's text holds one of the terms; where these are long enough, only of rows that the index names."""
    column = compiler.process(element.column, **options)
    terms = [compiler.process(term, **options) for term in element.terms]
    holds = "(" + " OR ".join(f"instr({column}, {term}) > 0" for term in terms) + ")"
    if not element.indexed:
        return holds
    table = element.column.table.name
    asked = " || ' OR ' || ".join(f"deskbell_wanted({term})" for term in terms)
    found = f"SELECT rowid FROM {table}_search WHERE {table}_search MATCH {asked}"
    return f"{table}.number IN ({found} UNION ALL SELECT number FROM {table}_unindexed) AND {holds}"
