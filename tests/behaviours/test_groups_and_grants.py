"""Groups and grants: who may do more with one agent or knowledge base than their role says."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from deskbell.core.context import Context
from deskbell.core.principal import Principal
from deskbell.core.scopes import ROLE_SCOPES, Scopes
from deskbell.identity.access.levels import level_of
from tests.agents import application
from tests.desk import Api, refused
from tests.events import recorded
from tests.team import colleague

NOBODY = str(uuid.uuid4())


@pytest.fixture
def agent(alice: Api) -> str:
    made = application(alice.server, alice.organization_id).post("/agents", {"name": "Front desk"})
    return str(made.json()["id"])


@pytest.fixture
def base(alice: Api) -> str:
    made = application(alice.server, alice.organization_id).post("/knowledge-bases", {"name": "Prices"})
    return str(made.json()["id"])


def group(api: Api, *people: Api, name: str = "Sales") -> dict[str, Any]:
    answer = api.post("/groups", {"name": name, "person_ids": [each.person_id for each in people]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def grant(api: Api, subject: Api | dict[str, Any], resource: str, level: str) -> dict[str, Any]:
    kind, id = ("group", subject["id"]) if isinstance(subject, dict) else ("person", subject.person_id)
    whom = {"subject_type": kind, "subject_id": id}
    kind = "knowledge_base" if resource.startswith("kb_") else "agent"
    answer = api.post("/grants", {**whom, "resource_type": kind, "resource_id": resource, "level": level})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def access(api: Api, person: Api, resource: str) -> tuple[str, str]:
    """The level and where it comes from, as the API shows them, and the level as the product decides by it."""
    rows = {row["resource_id"]: row for row in api.get(f"/people/{person.person_id}/access").json()["data"]}
    shown = rows[resource]
    kind = shown["resource_type"]
    role = next(each["role"] for each in api.get("/people").json()["data"] if each["id"] == person.person_id)

    async def decided(ctx: Context) -> str:
        principal = Principal(
            "person", ctx.principal.tenant, person.person_id, "", ROLE_SCOPES[role], person.person_id, role
        )
        return await level_of(ctx.acting(principal), kind, resource)

    assert api.do(decided) == shown["level"]
    return shown["level"], shown["from"]


def test_a_group_is_made_listed_changed_and_deleted(alice: Api, bob: Api, charlie: Api) -> None:
    made = group(alice, alice, bob, bob)
    assert made["person_ids"] == sorted([alice.person_id, bob.person_id], key=str)
    assert alice.get("/groups").json()["data"] == [made]
    path = f"/groups/{made['id']}"
    assert alice.put(path, {"name": "Office"}).json()["data"]["person_ids"] == made["person_ids"]
    changed = alice.put(path, {"person_ids": [bob.person_id]}).json()["data"]
    assert (changed["name"], changed["person_ids"]) == ("Office", [bob.person_id])
    refused(charlie.put(path, {"name": "Mine"}), 404, "not_found")
    refused(charlie.delete(path), 404, "not_found")
    assert alice.delete(path).json()["data"] == changed
    assert alice.get("/groups").json()["data"] == []
    refused(alice.delete(path), 404, "not_found")
    changes = [event["changes"] for event in recorded(alice, "group.created", "group.updated", "group.deleted")]
    assert changes == [
        None,
        {"name": ["Sales", "Office"]},
        {"person_ids": [made["person_ids"], [bob.person_id]]},
        None,
    ]


def test_a_group_takes_nobody_from_elsewhere(alice: Api, charlie: Api) -> None:
    stranger = colleague(charlie, "member")
    for id in (stranger.person_id, NOBODY):
        refused(alice.post("/groups", {"name": "Sales", "person_ids": [id]}), 404, "not_found")
    assert alice.get("/groups").json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": " "}, {"name": 5}, {"name": "x" * 201}, {"name": "a", "person_ids": "x"}, {"name": "a", "person_ids": ["x"]},
     {"name": "a", "person_ids": [NOBODY] * 501}, {"name": "a\0b"}],
)  # fmt: skip
def test_a_group_that_is_not_valid_is_refused(alice: Api, body: dict[str, Any]) -> None:
    refused(alice.post("/groups", body), 400, "validation_error")


def test_a_role_gives_a_level_on_every_agent_and_knowledge_base(alice: Api, agent: str, base: str) -> None:
    people = {role: colleague(alice, role) for role in ("admin", "member", "viewer")} | {"owner": alice}
    for resource in (agent, base):
        levels = {role: access(alice, person, resource) for role, person in people.items()}
        assert levels == {
            "owner": ("manage", "role"),
            "admin": ("manage", "role"),
            "member": ("use", "role"),
            "viewer": ("view", "role"),
        }


def test_the_highest_of_role_own_grant_and_groups_counts(alice: Api, bob: Api, agent: str, base: str) -> None:
    grant(alice, bob, agent, "view")
    assert access(alice, bob, agent) == ("use", "role"), "a grant never lowers"
    sales = group(alice, bob)
    of_group = grant(alice, sales, agent, "manage")
    grant(alice, bob, agent, "edit")
    assert access(alice, bob, agent) == ("manage", "group")
    assert access(alice, bob, base) == ("use", "role"), "a grant is about one resource"
    assert access(alice, colleague(alice, "member"), agent) == ("use", "role"), "a grant is to its subject"
    assert alice.delete(f"/grants/{of_group['id']}").json()["data"] == of_group
    assert access(alice, bob, agent) == ("edit", "person")
    grant(alice, sales, agent, "edit")
    assert access(alice, bob, agent) == ("edit", "person")


def test_who_leaves_a_group_loses_what_was_granted_to_it(alice: Api, bob: Api, base: str) -> None:
    sales, office = group(alice, bob), group(alice, bob, name="Office")
    for each in (sales, office):
        grant(alice, each, base, "edit")
    alice.put(f"/groups/{sales['id']}", {"person_ids": []})
    assert access(alice, bob, base) == ("edit", "group")
    alice.delete(f"/groups/{office['id']}")
    assert access(alice, bob, base) == ("use", "role")
    assert [each["subject_id"] for each in alice.get("/grants").json()["data"]] == [sales["id"]]


def test_who_leaves_the_team_loses_groups_and_grants(alice: Api, bob: Api, agent: str) -> None:
    sales = group(alice, alice, bob)
    for subject in (bob, sales):
        grant(alice, subject, agent, "edit")
    alice.delete(f"/people/{bob.person_id}")
    assert alice.get("/groups").json()["data"][0]["person_ids"] == [alice.person_id]
    assert [each["subject_type"] for each in alice.get("/grants").json()["data"]] == ["group"]
    assert [event["data"]["subject_id"] for event in recorded(alice, "grant.deleted")] == [bob.person_id]
    assert len(recorded(alice, "group.updated")) == 1
    refused(alice.get(f"/people/{bob.person_id}/access"), 404, "not_found")


def test_the_grants_of_a_knowledge_base_end_with_it(alice: Api, bob: Api, agent: str, base: str) -> None:
    grant(alice, bob, base, "edit")
    kept = grant(alice, bob, agent, "edit")
    assert application(alice.server, alice.organization_id).delete(f"/knowledge-bases/{base}").status_code == 200
    assert alice.get("/grants").json()["data"] == [kept]


def test_grants_are_listed_by_whom_and_for_what(alice: Api, bob: Api, agent: str, base: str) -> None:
    made = [grant(alice, bob, agent, "edit"), grant(alice, group(alice), base, "view"), grant(alice, bob, base, "edit")]
    assert alice.get("/grants").json()["data"] == made
    assert alice.get("/grants", subject_id=bob.person_id).json()["data"] == [made[0], made[2]]
    assert alice.get("/grants", resource_id=base).json()["data"] == made[1:]
    assert alice.get("/grants", resource_id=base, subject_id=bob.person_id).json()["data"] == [made[2]]
    assert alice.get("/grants", resource_id=NOBODY).json()["data"] == []
    refused(alice.get("/grants", resource_id="x"), 400, "validation_error", "resource_id")


def test_a_grant_is_about_what_the_organization_has(alice: Api, bob: Api, charlie: Api, agent: str, base: str) -> None:
    theirs = application(charlie.server, charlie.organization_id).post("/agents", {"name": "Clinic"}).json()["id"]
    right = {"subject_type": "person", "subject_id": bob.person_id, "resource_type": "agent", "resource_id": agent}
    for wrong in (
        {"subject_id": NOBODY},
        {"subject_type": "group"},
        {"subject_id": colleague(charlie, "member").person_id},
        {"resource_id": NOBODY},
        {"resource_id": theirs},
        {"resource_id": base},
        {"resource_type": "knowledge_base"},
    ):
        refused(alice.post("/grants", {**right, "level": "edit", **wrong}), 404, "not_found")
    made = grant(alice, bob, agent, "edit")
    refused(alice.post("/grants", {**right, "level": "edit"}), 409, "duplicate")
    refused(charlie.delete(f"/grants/{made['id']}"), 404, "not_found")
    assert [event["object_id"] for event in recorded(alice, "grant.created")] == [made["id"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("subject_type", "role"), ("subject_id", "x"), ("resource_type", "lead"), ("resource_id", "x"),
     ("resource_id", 5), ("level", "own"), ("level", None)],
)  # fmt: skip
def test_a_grant_that_is_not_valid_is_refused(alice: Api, bob: Api, agent: str, field: str, value: object) -> None:
    right = {"subject_type": "person", "subject_id": bob.person_id, "resource_type": "agent", "resource_id": agent}
    refused(alice.post("/grants", {**right, "level": "edit", field: value}), 400, "validation_error", field)


def test_without_a_person_scopes_decide(alice: Api, agent: str) -> None:
    def level(scopes: Scopes) -> Any:
        async def decided(ctx: Context) -> str:
            principal = Principal("application", ctx.principal.tenant, NOBODY, "", scopes)
            return await level_of(ctx.acting(principal), "agent", agent)

        return alice.do(decided)

    assert (level(Scopes.ALL), level(Scopes(["agents:use"])), level(Scopes.NONE)) == ("manage", "use", "view")
