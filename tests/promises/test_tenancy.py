"""Two organizations never learn of each other: another's id answers, byte for byte, like an id that never existed."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from deskbell.app import AGENT_OPERATIONS, OPERATIONS
from deskbell.core.operation import Operation
from deskbell.foundation.sqlite import SqliteSession
from tests.desk import Api
from tests.promises.world import Answer, Place, World, of_agents, of_team, places


def is_whole_list(operation: Operation) -> bool:
    """Whether an operation of the agent API lists records of the organization, not of one agent."""
    return "pagination" in operation.record.__struct_fields__ and not operation.path_parameters


ALL = [*OPERATIONS, *AGENT_OPERATIONS]
#: What a stream shows of others is in test_event_stream.py.
CASES = [(operation, place) for operation in ALL if not operation.is_stream for place in places(operation)]
LISTS = [*(each for each in OPERATIONS if each.lists), *(each for each in AGENT_OPERATIONS if is_whole_list(each))]
VARYING = {"x-request-id", "date", "ratelimit-remaining", "ratelimit-reset"}


def named(case: Any) -> str:
    return case.name if isinstance(case, Operation) else " ".join(case)


@pytest.fixture
def ours(alice: Api) -> World:
    return World(alice)


@pytest.fixture
def theirs(charlie: Api) -> World:
    return World(charlie)


@pytest.mark.parametrize(("operation", "place"), CASES, ids=named)
def test_an_id_of_another_organization_is_an_id_that_never_was(
    ours: World, theirs: World, operation: Operation, place: Place
) -> None:
    before = everything(theirs, operation)
    assert leaks(ours, theirs, operation, place) == []
    assert everything(theirs, operation) == before


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_lists_show_their_own_organization_alone(ours: World, theirs: World, operation: Operation) -> None:
    assert strangers(ours, theirs, operation) == set()


def test_an_idempotency_key_replays_for_its_own_organization_alone(alice: Api, charlie: Api) -> None:
    first = alice.post("/leads", {"first_name": "Ada"}, Idempotency_Key="same")
    second = charlie.post("/leads", {"first_name": "Ada"}, Idempotency_Key="same")
    assert "Idempotency-Replayed" not in second.headers
    assert second.json()["data"]["organization_id"] == charlie.organization_id
    assert first.json()["data"]["id"] != second.json()["data"]["id"]


def test_every_operation_is_looked_at() -> None:
    alone = {
        "org.get",
        "leads.list",
        "leads.create",
        "conversations.list",
        "people.list",
        "groups.list",
        "events.stream",
    }
    alone |= {"agents.list", "agents.create", "usage.get", "knowledge_bases.list", "knowledge_bases.create"}
    assert {operation.name for operation, _ in CASES} | alone == {operation.name for operation in ALL}


def test_control_without_the_organization_filter_every_place_leaks(
    ours: World, theirs: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in (ours, theirs):
        for operation in ALL:
            world.ids_for(operation)
    remove_the_filter(monkeypatch)
    for operation in LISTS:
        if not operation.path_parameters:
            assert strangers(ours, theirs, operation), f"{operation.name}: the matrix is blind"
    deleting = {
        "documents.delete": 2,
        "knowledge_bases.delete": 3,
        "groups.delete": 2,
        "people.remove": 3,
    }  # what holds others goes last
    for operation, place in sorted(CASES, key=lambda case: deleting.get(case[0].name, case[0].method == "DELETE")):
        assert leaks(ours, theirs, operation, place), f"{operation.name}: the matrix is blind to {place}"


def remove_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement now finds the rows of every organization."""
    execute = SqliteSession.fetch

    def fetch(self: SqliteSession, statement: Any, part: str = "", extra: tuple[Any, ...] = ()) -> Any:
        prepared = statement.prepared
        compiled = prepared.compiled.get("sqlite" + part)
        if compiled is None:
            execute(self, statement, part, extra).close()
            compiled = prepared.compiled["sqlite" + part]
        sql = re.sub(r"(\w+\.organization_id = \?)", r"(\1 OR 1)", compiled.sql)
        return self.connection.execute(sql, compiled.parameters(statement.values + extra))

    async def one(self: SqliteSession, statement: Any) -> Any:
        row = fetch(self, statement).fetchone()
        return None if row is None else statement.prepared.make(row)

    monkeypatch.setattr(SqliteSession, "fetch", fetch)
    monkeypatch.setattr(SqliteSession, "one", one)


def leaks(ours: World, theirs: World, operation: Operation, place: Place) -> list[str]:
    """Their ids that our key can tell from an id that never was."""
    nobody = seen(ours.send(operation, place, str(uuid.uuid4())))
    return [id for id in theirs.ids_for(operation) if seen(ours.send(operation, place, id)) != nobody]


def seen(answer: Answer) -> tuple[Any, ...]:
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return (answer.status, headers, re.sub(rb'"timestamp":"[^"]*"', b"", answer.body))


def strangers(ours: World, theirs: World, operation: Operation) -> set[str]:
    """Their rows in our list. Both organizations have rows of every kind."""
    for world in (ours, theirs):
        world.ids_for(operation)
    ids = [set(re.findall(rb'"(?:\w+_)?id":"([^"]+)"', world.send(operation).body)) for world in (ours, theirs)]
    assert all(ids), "an empty list shows nothing"
    return {id.decode() for id in ids[0] & ids[1]}


def everything(world: World, operation: Operation) -> list[bytes]:
    if of_agents(operation):
        own = f"/agents/{world.agent}"
        return [world.agents.get(path).content for path in ("/agents", own, f"{own}/versions")]
    paths = ["/org", "/leads", "/appointments", "/tasks", f"/conversations/{world.lead}"]
    if of_team(operation):
        world.ids_for(operation)
    paths += ["/people", "/groups", "/grants", "/api-keys"]
    return [re.sub(rb'"(status|sent_at|last_used_at)":\w*"?[^,]*', b"", world.api.get(path).content) for path in paths]
