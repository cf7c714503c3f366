"""The team: who is on it, what their roles are, and what ends when somebody leaves."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.core.scopes import Role
from deskbell.foundation.db import update
from deskbell.identity.store import people
from tests.desk import SOON, Api, eventually, refused
from tests.events import recorded
from tests.faults.test_crowds import crowd
from tests.team import colleague, operator_key, roles


def person(api: Api, id: str | None) -> dict[str, Any]:
    [found] = [each for each in api.get("/people").json()["data"] if each["id"] == id]
    return dict(found)


def test_the_team_is_listed_with_roles_but_without_those_who_left(alice: Api, bob: Api, charlie: Api) -> None:
    gone = colleague(alice, "member", "Gone")
    alice.delete(f"/people/{gone.person_id}")
    answer = alice.get("/people").json()
    assert [(each["name"], each["role"]) for each in answer["data"]] == [("Alice", "owner"), ("Bob", "member")]
    assert answer["meta"]["total"] == 2
    assert set(answer["data"][0]) == {"id", "name", "email", "role", "phone", "notify", "created_at"}
    assert charlie.get("/people").json()["data"] == []


def test_a_member_is_changed_and_what_is_absent_stays(alice: Api, bob: Api) -> None:
    path = f"/people/{bob.person_id}"
    changed = alice.put(path, {"name": "Bob Hill", "phone": "(512) 555-0123", "notify": {"needs_human": True}})
    assert changed.json()["data"] == person(alice, bob.person_id)
    assert changed.json()["data"] | {"id": "", "created_at": ""} == {
        "id": "",
        "name": "Bob Hill",
        "email": "bob@example.com",
        "role": "member",
        "phone": "+15125550123",
        "notify": {"needs_human": True},
        "created_at": "",
    }
    assert alice.put(path, {"phone": None}).json()["data"] == {**changed.json()["data"], "phone": None}
    events = recorded(alice, "person.updated")
    assert events[1]["changes"] == {"phone": ["+15125550123", None]}
    assert events[0]["principal_id"] == alice.key_id


@pytest.mark.parametrize(
    ("body", "word"),
    [({"phone": "call me"}, "phone"), ({"phone": 5}, "phone"), ({"role": "king"}, "role"), ({"role": None}, "role"), ({"name": " "}, "name"),
     ({"name": "x" * 201}, "name"), ({"name": "\0"}, "NUL"), ({"notify": {"sms": "yes"}}, "notify"), ({"notify": {"": True}}, "notify"),
     ({"notify": {str(n): True for n in range(51)}}, "notify"), ({"notify": None}, "notify"),
     ({}, "changes nothing"), ({"email": "x"}, "changes nothing")],
)  # fmt: skip
def test_a_change_that_is_not_valid_is_refused(alice: Api, bob: Api, body: dict[str, Any], word: str) -> None:
    before = person(alice, bob.person_id)
    refused(alice.put(f"/people/{bob.person_id}", body), 400, "validation_error", word)
    assert person(alice, bob.person_id) == before


def test_only_the_owner_and_an_operators_key_with_full_access_change_roles(alice: Api, bob: Api) -> None:
    path = f"/people/{bob.person_id}"
    for api in (colleague(alice, "admin"), operator_key(alice, scopes=["people:read", "people:write"])):
        refused(api.put(path, {"role": "viewer"}), 403, "insufficient_scope", "owner")
        refused(api.put(path, {"role": "owner"}), 403, "insufficient_scope", "owner")
        assert api.put(path, {"role": "member", "name": "Bob"}).status_code == 200, "that changes no role"
    assert alice.put(path, {"role": "viewer"}).json()["data"]["role"] == "viewer"
    assert operator_key(alice).put(path, {"role": "admin"}).json()["data"]["role"] == "admin"


def test_a_changed_role_holds_within_a_second(alice: Api, bob: Api) -> None:
    assert bob.post("/leads", {"first_name": "Ada"}).status_code == 201
    alice.put(f"/people/{bob.person_id}", {"role": "viewer"})
    eventually(lambda: bob.post("/leads", {"first_name": "Ada"}).status_code == 403, SOON)


def test_making_somebody_the_owner_makes_the_former_one_an_admin(alice: Api, bob: Api) -> None:
    assert alice.put(f"/people/{bob.person_id}", {"role": "owner"}).json()["data"]["role"] == "owner"
    assert roles(alice) == {alice.person_id: "admin", bob.person_id: "owner"}
    refused(alice.put(f"/people/{bob.person_id}", {"role": "member"}), 403, "insufficient_scope")
    changes = [(event["object_id"], event["changes"]["role"]) for event in recorded(alice, "person.updated")]
    assert changes == [(alice.person_id, ["owner", "admin"]), (bob.person_id, ["member", "owner"])]


def test_an_organization_keeps_its_owner(alice: Api, bob: Api) -> None:
    path, before = f"/people/{alice.person_id}", roles(alice)
    for api in (alice, operator_key(alice)):
        refused(api.put(path, {"role": "admin"}), 409, "owner_required")
        refused(api.delete(path), 409, "owner_required")
    refused(colleague(alice, "admin").delete(path), 409, "owner_required")
    assert roles(alice).items() > before.items()
    assert alice.get("/org").status_code == 200


@pytest.mark.parametrize("by_owner", [True, False])
def test_two_changes_of_owner_at_once_leave_one_owner(alice: Api, by_owner: bool) -> None:
    for turn in range(5):
        owner = alice if by_owner else operator_key(alice)
        heirs = [colleague(alice, "member", f"Heir{turn}{number}").person_id for number in range(2)]
        answers = crowd(2, 1, lambda number: owner.put(f"/people/{heirs[number]}", {"role": "owner"}))  # noqa: B023
        found = roles(operator_key(alice))
        assert list(found.values()).count("owner") == 1
        assert sorted(answer.status_code for answer in answers) == ([200, 403] if by_owner else [200, 200])
        if by_owner:
            operator_key(alice).put(f"/people/{alice.person_id}", {"role": "owner"})


def set_role(api: Api, id: str | None, role: Role) -> None:
    """As a database from before there was one owner has it."""
    key = {"organization_id": api.organization_id, "id": id}
    api.do(lambda ctx: ctx.db.run(update(people, key, {"role": role})))


def test_several_owners_of_an_older_installation_stay_until_one_is_made_the_owner(alice: Api, bob: Api) -> None:
    other = colleague(alice, "member")
    for id in (bob.person_id, other.person_id):
        set_role(alice, id, "owner")
    refused(alice.delete(f"/people/{bob.person_id}"), 409, "owner_required")
    assert alice.put(f"/people/{other.person_id}", {"role": "member"}).status_code == 200
    assert alice.put(f"/people/{bob.person_id}", {"name": "Bob Hill"}).status_code == 200
    assert sorted(roles(alice).values()) == ["member", "owner", "owner"]
    assert alice.put(f"/people/{other.person_id}", {"role": "owner"}).status_code == 200
    assert roles(alice) == {alice.person_id: "admin", bob.person_id: "admin", other.person_id: "owner"}


def test_an_organization_without_an_owner_is_given_one_by_the_operator(alice: Api, bob: Api) -> None:
    set_role(alice, alice.person_id, "admin")
    refused(colleague(alice, "admin").put(f"/people/{bob.person_id}", {"role": "owner"}), 403, "insufficient_scope")
    assert operator_key(alice).put(f"/people/{bob.person_id}", {"role": "owner"}).status_code == 200
    assert roles(alice)[str(bob.person_id)] == "owner"


def test_who_leaves_takes_their_keys_along(alice: Api, bob: Api) -> None:
    second = alice.server.api(alice.organization_id, person_id=bob.person_id, scopes=["leads:read"])
    assert (bob.get("/leads").status_code, second.get("/leads").status_code) == (200, 200)
    answer = alice.delete(f"/people/{bob.person_id}")
    assert (answer.status_code, answer.json()["data"]["name"]) == (200, "Bob")
    eventually(lambda: {bob.get("/leads").status_code, second.get("/leads").status_code} == {401}, SOON)
    keys = {key["id"]: key["active"] for key in alice.get("/api-keys").json()["data"]}
    assert keys == {alice.key_id: True, bob.key_id: False, second.key_id: False}
    assert {event["object_id"] for event in recorded(alice, "api_key.revoked")} == {bob.key_id, second.key_id}
    assert [event["object_id"] for event in recorded(alice, "person.removed")] == [bob.person_id]
    refused(alice.delete(f"/people/{bob.person_id}"), 404, "not_found")
    refused(alice.put(f"/people/{bob.person_id}", {"name": "Bob"}), 404, "not_found")


def test_who_comes_back_has_no_key_of_before(alice: Api, bob: Api) -> None:
    alice.delete(f"/people/{bob.person_id}")
    eventually(lambda: bob.get("/leads").status_code == 401, SOON)
    back = colleague(alice, "member", "Bob")
    assert back.get("/leads").status_code == 200
    assert bob.get("/leads").status_code == 401


def test_a_team_is_its_own_organizations(alice: Api, bob: Api, charlie: Api) -> None:
    for answer in (
        charlie.put(f"/people/{bob.person_id}", {"role": "owner"}),
        charlie.delete(f"/people/{bob.person_id}"),
        charlie.get(f"/people/{bob.person_id}/access"),
    ):
        refused(answer, 404, "not_found")
    assert roles(alice) == {alice.person_id: "owner", bob.person_id: "member"}
