"""Scopes: each grants what it says and nothing else; no scopes is full access."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.app import OPERATIONS
from deskbell.core.scopes import SCOPES
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_tasks import task
from tests.desk import Api, refused
from tests.promises.world import World

GRANTS = {
    "leads:read": ["GET /leads", "GET /leads/{lead}"],
    "leads:write": ["POST /leads", "PUT /leads/{lead}", "DELETE /leads/{lead}"],
    "appointments:read": ["GET /appointments", "GET /appointments/{appointment}"],
    "appointments:write": [
        "POST /appointments",
        "PUT /appointments/{appointment}",
        "DELETE /appointments/{appointment}",
    ],
    "tasks:read": ["GET /tasks", "GET /tasks/{task}"],
    "tasks:write": ["POST /tasks", "PUT /tasks/{task}", "DELETE /tasks/{task}"],
    "conversations:read": ["GET /conversations", "GET /conversations/{lead}"],
    "messages:write": ["POST /conversations/{lead}/messages"],
    "org:read": ["GET /org"],
    "events:read": ["GET /events", "GET /leads/{lead}/timeline"],
    "people:read": ["GET /people", "GET /people/{person}/access", "GET /groups", "GET /grants", "GET /api-keys"],
    "people:write": [
        "PUT /people/{person}",
        "POST /groups",
        "PUT /groups/{group}",
        "POST /grants",
        "DELETE /grants/{grant}",
        "DELETE /groups/{group}",
        "POST /api-keys",
        "DELETE /api-keys/{key}",
        "DELETE /people/{person}",
    ],
}


@pytest.fixture
def ids(alice: Api) -> dict[str, Any]:
    lead = alice.lead(phone="+15125550123")
    world = World(alice, phone="+15125550199")
    team = {name: getattr(world, name) for name in ("person", "group", "grant", "agent")}
    key = alice.post("/api-keys", {"name": "Website", "scopes": ["leads:read"]}).json()["data"]["id"]
    return {"lead": lead["id"], "appointment": book(alice, lead)["id"], "task": task(alice)["id"], "key": key, **team}


def body(route: str, ids: dict[str, Any]) -> dict[str, Any]:
    times = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
    grant = {"subject_type": "person", "subject_id": ids["person"], "level": "edit"}
    grant |= {"resource_type": "agent", "resource_id": ids["agent"], "name": "New", "scopes": ["people:write"]}
    texts = {"first_name": "Ana", "title": "Call", "body": "Hi", "notes": "x", "lead_id": ids["lead"]}
    return {**texts, **times, **grant}


def answers(api: Api, scopes: dict[str, Any], ids: dict[str, Any]) -> dict[str, int]:
    found = {}
    for route in (route for scope in scopes for route in scopes[scope]):
        method, path = route.split(" ")
        sent = None if method in ("GET", "DELETE") else body(route, ids)
        found[route] = api.http.request(method, path.format(**ids), json=sent).status_code
    return found


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_grants_what_it_says_and_nothing_else(alice: Api, ids: dict[str, Any], scope: str) -> None:
    holder = alice.server.api(alice.organization_id, scopes=[scope])
    for granting, routes in GRANTS.items():
        for route, status in answers(holder, {granting: routes}, ids).items():
            assert (status != 403) == (granting == scope), (route, status)
            assert status in (200, 201, 403)


@pytest.mark.parametrize("scope", GRANTS)
def test_a_missing_scope_is_refused_by_its_name_and_nothing_happens(
    alice: Api, ids: dict[str, Any], scope: str
) -> None:
    lacking = alice.server.api(alice.organization_id, scopes=[each for each in SCOPES if each != scope])
    for route in GRANTS[scope]:
        method, path = route.split(" ")
        answer = lacking.http.request(method, path.format(**ids), json=body(route, ids))
        refused(answer, 403, "insufficient_scope", f"'{scope}'")
        assert lacking.http.request(method, path.format(**ids), content=b"{").status_code == 403
    assert alice.get(f"/leads/{ids['lead']}").json()["data"]["archived_at"] is None
    assert alice.get("/leads").json()["meta"]["total"] == 2
    assert len(alice.get("/conversations").json()["data"]) == 1
    assert alice.get(f"/tasks/{ids['task']}").json()["data"]["status"] == "open"


def test_no_scopes_is_full_access(alice: Api, ids: dict[str, Any]) -> None:
    everything = {scope: [route for route in routes if "DELETE" not in route] for scope, routes in GRANTS.items()}
    assert set(answers(alice, everything, ids).values()) == {200, 201}


def test_every_scope_that_an_operation_asks_for_is_tried_here() -> None:
    assert {operation.scope for operation in OPERATIONS} == set(GRANTS)
