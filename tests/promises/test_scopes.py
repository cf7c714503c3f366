"""A key does what its scopes say and nothing else."""

from __future__ import annotations

import json

import pytest

from deskbell.app import OPERATIONS
from deskbell.core.operation import Operation
from deskbell.core.scopes import SCOPES
from tests.desk import Api
from tests.promises.world import World, exchange


@pytest.fixture(scope="module")
def keys(server) -> dict[str, Api]:  # type: ignore[no-untyped-def]
    """For each scope a key that has it alone, and under "" one that may do everything; all of one organization."""
    organization = server.organization("Scopes & Sons")
    return {scope: server.api(organization, scopes=[scope] if scope else []) for scope in ("", *SCOPES)}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_asks_for_exactly_its_scope(keys: dict[str, Api], operation: Operation) -> None:
    world = World(keys[""], phone=f"+1512555{OPERATIONS.index(operation):04}")
    for scope in SCOPES:
        answer = exchange(
            keys[scope].server.port,
            operation.method,
            world.path(operation),
            [b"Bearer " + keys[scope].key.encode()],
            world.body(operation),
        )
        if scope == operation.scope:
            assert answer.status == operation.status, answer.body
        else:
            assert (answer.status, json.loads(answer.body)) == (403, refusal(operation.scope)), scope


def refusal(scope: str) -> dict[str, object]:
    message = f"This API key lacks the scope '{scope}'"
    return {"error": {"code": "insufficient_scope", "message": message, "retryable": False}}


def test_there_are_the_nine_scopes_of_the_brightly_api_and_those_beyond_it() -> None:
    brightly = pairs("leads", "appointments", "tasks") | {"conversations:read", "messages:write", "org:read"}
    beyond = pairs("compliance", "people", "webhooks", "data") | {
        "inbox:write",
        "calendar:write",
        "events:read",
        "settings:write",
    }
    assert set(SCOPES) == brightly | beyond
    assert brightly <= {operation.scope for operation in OPERATIONS} <= set(SCOPES)


def pairs(*names: str) -> set[str]:
    return {f"{name}:{right}" for name in names for right in ("read", "write")}


def test_reading_takes_read_scopes_and_writing_takes_write_scopes() -> None:
    for operation in OPERATIONS:
        assert operation.scope.endswith(":read" if operation.is_read else ":write"), operation.name
