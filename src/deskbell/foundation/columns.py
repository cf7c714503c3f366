"""Column types, and parts of statements that each database words in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.functions import FunctionElement

#: Every table of the product; the slices' stores add theirs.
schema = MetaData()

# Columns hold the stored form: text, integers, booleans. What SQLite lacks is text there and the proper type on PostgreSQL.
ID = Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TIMESTAMP = Text().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
JSON = Text().with_variant(
    postgresql.JSON(), "postgresql"
)  # not jsonb: what a client stores comes back as it was written
BOOLEAN = Integer().with_variant(Boolean(), "postgresql")


class Contains(ColumnElement[Any]):
    """Whether a case-folded search column holds the bound term, or the bound `digits` where these are given.

    `indexed` says that both have three characters or more, which a trigram index can find; shorter ones scan.
    """

    inherit_cache = False
    type = Integer()  # a Boolean would be rendered `= 1` on SQLite, which no index can serve

    def __init__(self, column: ColumnElement[str], term: Any, digits: Any | None, *, indexed: bool) -> None:
        self.column, self.terms, self.indexed = column, [term] if digits is None else [term, digits], indexed


class InList(ColumnElement[Any]):
    """Whether a column holds one of the texts or numbers of a bound JSON list."""

    inherit_cache = False
    type = Integer()

    def __init__(self, column: ColumnElement[Any], texts: Any) -> None:
        self.column, self.texts = column, texts


SEARCH_FIRST, BY_KEY = "search first", "by key"
LIMIT, OFFSET = bindparam("limit", type_=BigInteger()), bindparam("offset", type_=BigInteger())


def in_order(rows: Any, by: ColumnElement[Any], *, descending: bool) -> list[ColumnElement[Any]]:
    """The order of `rows` (the columns of a table or of a CTE) by one column of a table, nulls last, ties by id."""
    column, id = rows[by.key], rows["id"]
    ordered = [column.desc(), id.desc()] if descending else [column.asc(), id.asc()]
    nullable = isinstance(by, Column) and by.nullable
    return [ordered[0].nulls_last() if nullable else ordered[0], ordered[1]]


def searched(
    table: Table,
    conditions: Sequence[ColumnElement[Any]],
    columns: Sequence[Any],
    source: FromClause,
    by: ColumnElement[Any],
    *,
    descending: bool,
) -> Select[Any]:
    """A page of a search and its total: the text first, then filters, then the order; only the rows that are shown are read whole.

    `source` joins `table` with what `columns` need besides. The hints are for SQLite, whose planner has no statistics.
    """
    key = list(table.primary_key.columns)
    found = key if by in key else [*key, by]
    hits = select(*found).where(*conditions).with_hint(table, SEARCH_FIRST, "sqlite").cte("hits")
    ordered = in_order(hits.c, by, descending=descending)
    shown = select(*(hits.c[column.name] for column in key)).order_by(*ordered).limit(LIMIT).offset(OFFSET).cte("shown")
    joined = source.join(shown, and_(*(column == shown.c[column.name] for column in key)))
    rows = select(*columns).select_from(joined).with_hint(table, BY_KEY, "sqlite")
    rows = rows.order_by(*in_order(table.c, by, descending=descending))
    return rows.execution_options(total_of=select(func.count()).select_from(hits))


class Nearest(FunctionElement[Any]):
    """Rows of id and vector (two bytes that say the dimensions, two that say nothing, float16, all big-endian), about the nearest first.

    Its arguments: organization, knowledge base, embedder, the question's vector as JSON, and how many. Without a graph there are none.
    """

    inherit_cache = True
    name = "knowledge_nearest"


class DatabaseSize(ColumnElement[Any]):
    """How many bytes the database takes."""

    inherit_cache = True
    type = Integer()
