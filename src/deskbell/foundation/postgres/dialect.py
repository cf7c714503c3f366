"""How statements are worded for PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as dialects
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from deskbell.foundation.db import Contains, DatabaseSize, InList, Nearest

DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]


@compiles(Contains, "postgresql")
def contains(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    """The rows that `leads_found` gives for a table `leads`, or a scan for short terms.

    A function, because row-level security lets no index serve a condition that might leak: it runs as the system and sees to
    the organization itself.
    """
    column = compiler.process(element.column, **options)
    terms = [compiler.process(term, **options) for term in element.terms]
    if not element.indexed:
        return "(" + " OR ".join(f"strpos({column}, {term}) > 0" for term in terms) + ")"
    table = element.column.table.name
    return "(" + " OR ".join(f"{table}.id IN (SELECT {table}_found({term}))" for term in terms) + ")"


@compiles(InList, "postgresql")
def among(element: InList, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(part, **options) for part in (element.column, element.texts))
    kind = element.column.type.compile(compiler.dialect)
    return f"{column} = ANY (CAST(ARRAY(SELECT json_array_elements_text(CAST({texts} AS json))) AS {kind}[]))"


@compiles(DatabaseSize, "postgresql")
def database_size(element: DatabaseSize, compiler: SQLCompiler, **options: Any) -> str:
    return "pg_database_size(current_database())"


@compiles(Nearest, "postgresql")
def nearest(element: Nearest, compiler: SQLCompiler, **options: Any) -> str:
    return f"knowledge_nearest({compiler.process(element.clauses, **options)})"
