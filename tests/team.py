"""People of a team with keys of their own, for tests."""

from __future__ import annotations

from typing import Any

from deskbell.core.scopes import Role
from deskbell.identity.people import add_person
from tests.desk import Api


def colleague(api: Api, role: Role, name: str = "Sam", **options: Any) -> Api:
    """Somebody who joins the team, with a key that may do whatever their role allows."""
    person = api.do(lambda ctx: add_person(ctx, name, f"{name.lower()}-{role}@example.com", role))
    return api.server.api(api.organization_id, person_id=person.id, **options)


def operator_key(api: Api, **options: Any) -> Api:
    """A key without a person, as the operator makes it."""
    return api.server.api(api.organization_id, **options)


def roles(api: Api) -> dict[str, str]:
    """Everybody on the team and their role, by id."""
    return {person["id"]: person["role"] for person in api.get("/people").json()["data"]}
