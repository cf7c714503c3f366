"""The tables that the statements believe in are the tables that the migrations make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from sqlalchemy import Table

from deskbell import app  # noqa: F401  the import fills the schema
from deskbell.foundation import migrations, postgres, sqlite
from deskbell.foundation.db import schema
from deskbell.foundation.migrations import steps

#: Tables that no statement is built on: the migrations' own, the epoch, and what SQLite keeps of the search index.
OTHERS = re.compile(r"migrations|epoch|leads_(search.*|unindexed)|sqlite_.*")
TABLES = list(schema.tables.values())
POSTGRES = {"uuid": "UUID", "timestamptz": "TIMESTAMP WITH TIME ZONE", "jsonb": "JSONB", "boolean": "BOOLEAN"}


def test_two_migrations_with_one_number_are_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0001_crm.sql", "0002_tags.sql", "0002_notes.sql"):
        (tmp_path / name).write_text("create table a (b text);\n")
    monkeypatch.setattr(migrations.resources, "files", lambda package: tmp_path)
    with pytest.raises(RuntimeError, match="number 2: notes and tags"):
        migrations.steps.__wrapped__()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path = str(tmp_path_factory.mktemp("schema") / "deskbell.db")
    sqlite.prepare(path, migrate=True)
    connection = sqlite.connect(path)
    yield connection
    connection.close()


def test_there_are_the_same_tables(file: apsw.Connection) -> None:
    names = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert {name for name in names if not OTHERS.fullmatch(name)} == set(schema.tables)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_table_has_the_same_columns(file: apsw.Connection, table: Table) -> None:
    rows = file.execute('SELECT name, type, "notnull" FROM pragma_table_info(?)', (table.name,)).fetchall()
    migrated = {name: (kind, bool(required)) for name, kind, required in rows if (table.name, name) != ROWID}
    believed = {
        column.name: (column.type.compile(sqlite.DIALECT).lower(), not column.nullable) for column in table.columns
    }
    keyed = {"jobs", "organizations", "simulated_texts"}  # a lone text key needs no NOT NULL in a STRICT table
    if table.name in keyed:
        migrated["id"] = ("text", True)
    assert {name: (kind.lower(), required) for name, (kind, required) in migrated.items()} == believed


ROWID = ("leads", "number")  # what ties a lead to its search text on SQLite


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_table_has_the_same_unique_indexes(file: apsw.Connection, table: Table) -> None:
    believed = {str(index.name): [column.name for column in index.columns] for index in table.indexes if index.unique}
    found = {}
    rows = file.execute('SELECT name, "unique", origin FROM pragma_index_list(?)', (table.name,)).fetchall()
    keys = []
    for name, unique, made_by in rows:
        columns = [column for (column,) in file.execute("SELECT name FROM pragma_index_info(?)", (name,))]
        if unique and made_by == "c":
            found[name] = columns
        elif unique:
            keys.append(columns)
    assert found == believed
    assert keys == [[column.name for column in table.primary_key]]


def test_organizations_come_first_in_every_key(file: apsw.Connection) -> None:
    for table in TABLES:
        if "organization_id" in table.primary_key.columns:
            assert next(iter(table.primary_key.columns)).name == "organization_id"


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_migrations_render_for_postgresql(step) -> None:  # type: ignore[no-untyped-def]
    for text in step.statements("postgres"):
        assert re.match(r"(create|insert into|alter|drop|update|do|grant|revoke|select) ", text), text
        without_empty_objects = text.replace("'{}'", "''")
        assert not re.search(r"[{}]|--|fts5|rowid", without_empty_objects), text
        assert text.count("(") == text.count(")"), text


def test_postgresql_columns_have_the_types_that_the_statements_expect() -> None:
    for table, column, kind in postgres_columns():
        [believed] = [
            each.type.compile(postgres.DIALECT) for each in schema.tables[table].columns if each.name == column
        ]
        wanted = POSTGRES.get(kind, "TEXT" if kind.startswith("text") else "INTEGER")
        assert believed in (wanted, kind.upper()), f"{table}.{column} is {kind} there"


def postgres_columns() -> Iterator[tuple[str, str, str]]:
    """Table, column and type of every column that the migrations make on PostgreSQL."""
    for step in steps():
        for text in step.statements("postgres"):
            made = re.match(r"create table (\w+) \((.*)\)", text, re.DOTALL)
            for line in made.group(2).splitlines() if made and made.group(1) in schema.tables else ():
                found = re.match(r" +(\w+) (uuid|timestamptz|jsonb|boolean|bigint|text)", line)
                if found:
                    yield made.group(1), found.group(1), found.group(2)  # type: ignore[union-attr]
