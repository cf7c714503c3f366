"""The second wall: with the application's own organization filter removed, PostgreSQL's policies alone keep organizations apart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Table

from deskbell.core.operation import Operation
from deskbell.foundation.db import schema
from deskbell.foundation.postgres import DIALECT
from deskbell.foundation.postgres import database as postgres_database
from deskbell.foundation.postgres.connection import BECOMING, Connection, identity, set_up
from tests.desk import Api, Server, running
from tests.postgres import ask, fresh_database
from tests.promises import test_tenancy as tenancy
from tests.promises.world import Place, World

#: Every table belongs to organizations but these, which belong to the installation.
NOBODYS = {"installation"}
OWNED = [table for table in schema.sorted_tables if table.name not in NOBODYS]


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    return fresh_database(postgres_url)


@pytest.fixture(scope="module")
def server(url: str) -> Iterator[Server]:
    with running(url) as server:
        yield server


@pytest.fixture
def unfiltered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A build whose statements ask for the rows of every organization; what it has changed is listed."""
    return remove_the_filter(monkeypatch)


@pytest.fixture
def ours(alice: Api) -> World:
    return World(alice)


@pytest.fixture
def theirs(charlie: Api) -> World:
    return World(charlie)


def remove_the_filter(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    changed: list[str] = []

    def loosened(sql: str) -> str:
        loose = re.sub(r"(\w+\.organization_id = \$\d+::UUID)(?! OR true)", r"(\1 OR true)", sql)
        if loose != sql:
            changed.append(loose)
        return loose

    for way in ("fetch", "execute"):
        run = getattr(Connection, way)
        monkeypatch.setattr(
            Connection, way, lambda self, sql, *rest, run=run: run(self, loosened(sql), *rest), raising=True
        )
    return changed


@pytest.mark.parametrize("table", OWNED, ids=str)
def test_every_table_has_its_policies(server: Server, url: str, table: Table) -> None:
    [row] = ask(url, f"SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = '{table.name}'::regclass")
    assert tuple(row) == (True, True)
    own = "id" if table.name == "organizations" else "organization_id"
    found = ask(url, f"SELECT roles::text, cmd, qual, with_check FROM pg_policies WHERE tablename = '{table.name}'")
    within = f"({own} = (( SELECT current_setting('deskbell.org'::text) AS current_setting))::uuid)"
    rules = {("{deskbell_app}", "ALL", within, None), ("{deskbell_system}", "ALL", "true", None)}
    assert {tuple(row) for row in found} == rules


def test_no_table_but_the_installations_own_is_without_policies(server: Server, url: str) -> None:
    rows = ask(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND NOT rowsecurity")
    assert {row[0] for row in rows} == {"migrations", "epoch", "rate_windows"} | NOBODYS


def test_the_application_roles_have_no_way_around_the_policies(server: Server, url: str) -> None:
    rows = ask(url, "SELECT rolsuper OR rolbypassrls OR rolcanlogin FROM pg_roles WHERE rolname LIKE 'deskbell\\_%'")
    assert [row[0] for row in rows] == [False, False]
    owned = ask(
        url,
        "SELECT relname FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE rolname LIKE 'deskbell\\_app'",
    )
    assert owned == []


@pytest.mark.parametrize(("operation", "place"), tenancy.CASES, ids=tenancy.named)
def test_the_policies_alone_make_anothers_id_one_that_never_was(
    ours: World, theirs: World, unfiltered: list[str], operation: Operation, place: Place
) -> None:
    before = tenancy.everything(theirs, operation)
    assert tenancy.leaks(ours, theirs, operation, place) == []
    assert tenancy.everything(theirs, operation) == before
    assert unfiltered, "no statement was loosened: the test shows nothing"


@pytest.mark.parametrize("operation", tenancy.LISTS, ids=tenancy.named)
def test_the_policies_alone_keep_lists_apart(
    ours: World, theirs: World, unfiltered: list[str], operation: Operation
) -> None:
    assert tenancy.strangers(ours, theirs, operation) == set()
    assert unfiltered


@pytest.mark.parametrize("term", ["ada", "5125550100", "ad"])
def test_the_policies_alone_keep_searches_apart(ours: World, theirs: World, unfiltered: list[str], term: str) -> None:
    found = ours.api.get("/leads", search=term).json()
    assert [lead["id"] for lead in found["data"]] == [ours.lead]
    assert found["meta"]["total"] == 1


def test_control_without_filter_and_policies_lists_leak(
    ours: World, theirs: World, unfiltered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "identity", lambda organization_id: identity(None))
    for operation in tenancy.LISTS:
        if not operation.path_parameters:
            assert tenancy.strangers(ours, theirs, operation), f"{operation.name}: the matrix is blind"


@pytest.mark.parametrize("table", OWNED, ids=str)
def test_the_application_cannot_write_anothers_rows(ours: World, theirs: World, url: str, table: Table) -> None:
    own = "id" if table.name == "organizations" else "organization_id"
    stranger = theirs.api.organization_id

    async def tried(connection: Any) -> None:
        there = f"FROM {table.name} WHERE {own} = '{stranger}'"
        assert await connection.fetchval(f"SELECT count(*) {there}") == 0
        assert await connection.execute(f"DELETE {there}") == "DELETE 0"
        changed = f"UPDATE {table.name} SET created_at = now() WHERE {own} = '{stranger}'"
        if "created_at" in table.columns:
            assert await connection.execute(changed) == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(planted(table, own, stranger))

    as_application(url, ours.api.organization_id, tried)


@pytest.mark.parametrize("table", [table for table in OWNED if table.name in ("leads", "tasks", "messages")], ids=str)
def test_the_application_cannot_give_its_rows_away(ours: World, theirs: World, url: str, table: Table) -> None:
    async def tried(connection: Any) -> None:
        assert await connection.fetchval(f"SELECT count(*) FROM {table.name}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(f"UPDATE {table.name} SET organization_id = '{theirs.api.organization_id}'")

    as_application(url, ours.api.organization_id, tried)


def as_application(url: str, organization_id: str, act: Callable[[Any], Any]) -> None:
    """Runs statements as the application does for one organization, and undoes them."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        await set_up(connection)
        await connection.execute("BEGIN")
        await connection.execute(BECOMING, *identity(organization_id))
        try:
            await act(connection)
        finally:
            await connection.execute("ROLLBACK")
            await connection.close()

    asyncio.run(run())


def planted(table: Table, own: str, stranger: str) -> str:
    """An INSERT of a row that looks right, for another organization."""
    kinds = {"UUID": f"'{uuid4()}'", "BOOLEAN": "false", "JSON": "'{}'", "TIMESTAMP WITH TIME ZONE": "now()"}
    kinds |= {"TEXT": "'x'", "INTEGER": "1", "BIGINT": "1", "BYTEA": "'x'"}
    values = {
        column.name: kinds[column.type.compile(DIALECT)]
        for column in table.columns
        if not column.nullable or column.name == own
    }
    values[own] = f"'{stranger}'"
    return f"INSERT INTO {table.name} ({', '.join(values)}) VALUES ({', '.join(values.values())})"
