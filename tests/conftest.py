"""Alice owns a roofing business, Bob works there, Charlie belongs to another business. Each test gets businesses of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from deskbell import app  # noqa: F401  the slices' tables must be known
from deskbell.core.context import operator_context
from deskbell.demo import loader
from deskbell.demo.data import generate
from deskbell.foundation import databases
from deskbell.foundation.postgres import command_database, connection
from deskbell.foundation.postgres.copying import copy
from deskbell.identity import people
from deskbell.surfaces.http.http_server import ClientConnection
from tests import declared_errors, recorded_writes
from tests.desk import PATIENCE, USUAL, Api, Server, free_port, running
from tests.models import SCRIPTED, Models, address, provider
from tests.postgres import fresh_database, postgres


def pytest_configure() -> None:
    """Servers are as patient as the tests: what takes long here is the machine."""
    connection.CONNECT = connection.ANSWER = command_database.CONNECT = PATIENCE
    ClientConnection.LATE_TIME = PATIENCE
    declared_errors.watch()
    recorded_writes.watch()


@pytest.fixture(autouse=True)
def every_error_is_declared() -> Iterator[None]:
    """Fails a test whose server answered an error that the reference does not name for that operation."""
    declared_errors.UNDECLARED.clear()
    yield
    assert declared_errors.UNDECLARED == []


@pytest.fixture(autouse=True)
def every_write_is_recorded() -> Iterator[None]:
    """Fails a test in which a transaction changed a business record and left no event."""
    recorded_writes.UNRECORDED.clear()
    yield
    assert recorded_writes.UNRECORDED == []


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for all tests that want one."""
    with postgres() as url:
        yield url


@pytest.fixture(scope="session")
def models_port() -> int:
    """Where the server asks language models. Nobody answers there before a test wants them."""
    return free_port()


@pytest.fixture(scope="session")
def models(models_port: int) -> Iterator[Models]:
    """Scripted language models, in a process of their own."""
    with provider(models_port) as models:
        yield models


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server for all tests; what tests see of each other is nothing, as they are different organizations.

    The one on PostgreSQL was moved there: a business began on SQLite, and `deskbell copy` did the rest.
    """
    place: Path | str = tmp_path_factory.mktemp("desk") / "deskbell.db"
    if getattr(request, "param", "sqlite") == "postgres":
        place = moved(Path(place), fresh_database(request.getfixturevalue("postgres_url")))
    settings = USUAL
    if any("models" in getattr(item, "fixturenames", ()) for item in request.session.items):
        settings = replace(USUAL, **SCRIPTED, llm_base_url=address(request.getfixturevalue("models_port")))
    with running(place, settings) as server:
        yield server


def moved(file: Path, url: str) -> str:
    """The URL of a database to which an installation with the demo's business was copied."""
    databases.prepare(f"sqlite:///{file}", migrate=True)
    outside = databases.command_connection(f"sqlite:///{file}")
    loader.load(outside, generate(date(2026, 11, 21)))
    outside.close()
    asyncio.run(copy(str(file), url, lambda table, done, total: None))
    return url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What users see is tested on both databases."""
    if "server" in metafunc.fixturenames and "behaviours" in metafunc.module.__name__:
        metafunc.parametrize("server", ["sqlite", "postgres"], indirect=True, scope="session")


@pytest.fixture
def alice(server: Server) -> Api:
    """The owner of Acme Roofing, with a key that may do everything."""
    organization = server.organization("Acme Roofing")
    person = server.do(lambda session: add(session, organization, "Alice", "owner"))
    return server.api(organization, person_id=person.id)


@pytest.fixture
def bob(alice: Api) -> Api:
    """A member of Alice's team."""
    person = alice.server.do(lambda session: add(session, alice.organization_id, "Bob", "member"))
    return alice.server.api(alice.organization_id, person_id=person.id)


@pytest.fixture
def charlie(server: Server) -> Api:
    """A stranger: the owner of another organization."""
    return server.api(server.organization("Charlie's Clinic"))


async def add(session, organization_id, name, role):  # type: ignore[no-untyped-def]
    ctx = await operator_context(session, organization_id)
    return await people.add_person(ctx, name, f"{name.lower()}@example.com", role)
