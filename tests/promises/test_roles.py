"""What each role may do, operation by operation: a key with full access that belongs to a person does what the person's role allows."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from deskbell.app import OPERATIONS
from deskbell.core.operation import Operation
from deskbell.core.scopes import Role
from tests.desk import Api
from tests.promises.world import World, exchange
from tests.team import colleague

DAILY_WORK = {"leads:write", "appointments:write", "tasks:write", "inbox:write", "messages:write"}


def may(role: str, operation: Operation) -> bool:
    """As the contract says it: owner and admin everything, a viewer reads, a member reads and does the daily work."""
    if role in ("owner", "admin"):
        return True
    return operation.is_read or (role == "member" and operation.scope in DAILY_WORK)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("role", get_args(Role))
def test_a_role_may_do_exactly_what_it_says(alice: Api, operation: Operation, role: Role) -> None:
    world = World(alice)
    holder = alice if role == "owner" else colleague(alice, role)
    if role == "member" and operation.own_scope:
        pytest.skip("a member does this with keys of their own: tests/behaviours/test_api_keys_api.py")
    path, body = world.path(operation), world.body(operation)
    answer = exchange(alice.server.port, operation.method, path, [b"Bearer " + holder.key.encode()], body)
    if may(role, operation):
        assert answer.status == operation.status, answer.body
    else:
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (403, "insufficient_scope")
