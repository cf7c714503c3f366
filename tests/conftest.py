"""Alice owns a roofing business, Bob works there, Charlie belongs to another business. Each test gets businesses of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deskbell.organizations import operations as organizations
from tests.desk import Api, Server, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server for all tests; what tests see of each other is nothing, as they are different organizations."""
    with running(tmp_path_factory.mktemp("desk") / "deskbell.db") as server:
        yield server


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
    ctx = await organizations.context_of(session, organization_id)
    return await organizations.add_person(ctx, name, f"{name.lower()}@example.com", role)
