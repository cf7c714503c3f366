"""PostgreSQL: how statements are worded for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as dialects
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from deskbell.foundation.db import Contains, DatabaseSize

DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]


@compiles(Contains, "postgresql")
def contains(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    """A LIKE that a trigram index can serve, with the term's own wildcards escaped; short terms scan."""
    column = compiler.process(element.column, **options)
    terms = [compiler.process(term, **options) for term in element.terms]
    if not element.indexed:
        return "(" + " OR ".join(f"strpos({column}, {term}) > 0" for term in terms) + ")"
    escaped = [rf"replace(replace(replace({term}, '\', '\\'), '%', '\%'), '_', '\_')" for term in terms]
    return "(" + " OR ".join(f"{column} LIKE '%' || {term} || '%'" for term in escaped) + ")"


@compiles(DatabaseSize, "postgresql")
def database_size(element: DatabaseSize, compiler: SQLCompiler, **options: Any) -> str:
    return "pg_database_size(current_database())"
