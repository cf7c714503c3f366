"""API keys by the API: who makes, sees and revokes which, and that nobody hands on more than they have."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from deskbell.foundation import clock
from tests.desk import SOON, Api, eventually, refused
from tests.events import recorded
from tests.postgres import stored
from tests.team import colleague, operator_key

NEW: dict[str, Any] = {"name": "Website", "scopes": ["leads:read"]}


def made(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.post("/api-keys", {**NEW, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def status_with(api: Api, key: str, path: str = "/leads") -> int:
    return api.http.get(path, headers={"Authorization": f"Bearer {key}"}).status_code


def ids(api: Api, **filters: Any) -> list[str]:
    return [each["id"] for each in api.get("/api-keys", **filters).json()["data"]]


def test_a_key_is_shown_once_and_works(alice: Api) -> None:
    key = made(alice)
    assert re.fullmatch(r"brk_[0-9a-f]{48}", key["key"])
    assert (status_with(alice, key["key"]), status_with(alice, key["key"], "/tasks")) == (200, 403)
    [listed] = [each for each in alice.get("/api-keys").json()["data"] if each["id"] == key["id"]]
    assert "key" not in listed
    assert listed["prefix"] == key["key"][:12]
    rest = key["key"][12:]
    assert rest not in repr(stored(alice.server.database))


def test_a_repeated_request_makes_one_key_and_does_not_show_it_again(alice: Api) -> None:
    first, second = (alice.post("/api-keys", NEW, Idempotency_Key="one") for _ in range(2))
    assert (second.status_code, second.headers["Idempotency-Replayed"]) == (201, "true")
    assert second.json()["data"] == {**first.json()["data"], "key": None}
    assert len(ids(alice)) == 2
    assert first.json()["data"]["key"][12:] not in repr(stored(alice.server.database))


def test_a_key_belongs_to_the_person_whose_key_makes_it(alice: Api, bob: Api) -> None:
    assert made(alice)["person_id"] == alice.person_id
    assert made(alice, person_id=bob.person_id)["person_id"] == bob.person_id
    assert made(bob)["person_id"] == bob.person_id
    assert made(operator_key(alice))["person_id"] is None
    created = recorded(alice, "api_key.created")[-1]
    assert created["principal_type"] == "api_key"
    assert "key" not in created["data"]


def test_a_member_makes_sees_and_revokes_keys_of_their_own(alice: Api, bob: Api) -> None:
    key, of_the_owner = made(bob), made(alice)
    assert ids(bob) == [key["id"], bob.key_id]
    assert ids(bob, person_id=alice.person_id) == []
    other = colleague(alice, "member")
    for id in (of_the_owner["id"], operator_key(alice).key_id, other.key_id):
        refused(bob.delete(f"/api-keys/{id}"), 403, "insufficient_scope")
    for person in (alice, other):
        refused(bob.post("/api-keys", {**NEW, "person_id": person.person_id}), 403, "insufficient_scope")
    assert bob.delete(f"/api-keys/{key['id']}").json()["data"]["active"] is False
    eventually(lambda: status_with(alice, key["key"]) == 401, SOON)
    assert status_with(alice, of_the_owner["key"]) == 200


def test_a_viewer_sees_keys_of_their_own_and_makes_none(alice: Api) -> None:
    viewer = colleague(alice, "viewer")
    assert ids(viewer) == [viewer.key_id]
    refused(viewer.post("/api-keys", NEW), 403, "insufficient_scope")
    refused(viewer.delete(f"/api-keys/{viewer.key_id}"), 403, "insufficient_scope")


def test_owners_and_admins_see_and_revoke_every_key(alice: Api, bob: Api) -> None:
    admin, of_the_operator = colleague(alice, "admin"), operator_key(alice)
    assert set(ids(admin)) == {alice.key_id, bob.key_id, admin.key_id, of_the_operator.key_id}
    assert ids(admin, person_id=bob.person_id) == [bob.key_id]
    for key in (of_the_operator, bob):
        assert admin.delete(f"/api-keys/{key.key_id}").json()["data"]["active"] is False
        eventually(lambda: key.get("/leads").status_code == 401, SOON)  # noqa: B023
    again = admin.delete(f"/api-keys/{bob.key_id}").json()["data"]
    assert (again["id"], again["active"]) == (bob.key_id, False)
    assert [event["object_id"] for event in recorded(alice, "api_key.revoked")] == [of_the_operator.key_id, bob.key_id]


def test_another_organizations_keys_do_not_exist(alice: Api, bob: Api, charlie: Api) -> None:
    assert ids(charlie) == [charlie.key_id]
    refused(charlie.delete(f"/api-keys/{bob.key_id}"), 404, "not_found")
    refused(charlie.post("/api-keys", {**NEW, "person_id": bob.person_id}), 404, "not_found")
    assert bob.get("/leads").status_code == 200


def test_a_key_is_given_at_most_the_scopes_of_its_maker(alice: Api, bob: Api) -> None:
    limited = alice.server.api(alice.organization_id, scopes=["people:write", "leads:read"])
    bobs = alice.server.api(alice.organization_id, scopes=["people:write", "leads:read"], person_id=bob.person_id)
    for api in (limited, bobs):
        refused(
            api.post("/api-keys", {**NEW, "scopes": ["leads:read", "leads:write"]}),
            403,
            "insufficient_scope",
            "'leads:write'",
        )
        refused(api.post("/api-keys", {**NEW, "scopes": []}), 403, "insufficient_scope", "full access")
        assert made(api)["scopes"] == ["leads:read"]
    refused(bob.post("/api-keys", {**NEW, "scopes": ["people:write"]}), 403, "insufficient_scope", "'people:write'")
    for api in (alice, bob, operator_key(alice)):
        assert made(api, scopes=[])["scopes"] == []


def test_a_members_key_with_full_access_stays_within_their_role(alice: Api, bob: Api) -> None:
    key = made(bob, scopes=[])["key"]
    answer = alice.http.post("/groups", json={"name": "Mine"}, headers={"Authorization": f"Bearer {key}"})
    refused(answer, 403, "insufficient_scope")
    assert status_with(alice, key) == 200


def test_nobody_but_the_owner_and_the_operator_makes_a_key_for_the_owner(alice: Api) -> None:
    body = {**NEW, "scopes": ["people:write"], "person_id": alice.person_id}
    refused(colleague(alice, "admin").post("/api-keys", body), 403, "insufficient_scope", "owner")
    refused(operator_key(alice, scopes=["people:write"]).post("/api-keys", body), 403, "insufficient_scope", "owner")
    for api in (alice, operator_key(alice)):
        assert made(api, **body)["person_id"] == alice.person_id


def test_a_key_ends_no_later_and_may_ask_no_more_often_than_its_maker(alice: Api) -> None:
    ends = clock.seconds_from_now(3600)
    short = operator_key(alice, expires_at=ends, reads=7, writes=5)
    key = made(short)
    assert (key["expires_at"], key["reads_per_minute"], key["writes_per_minute"]) == (f"{ends[:19]}Z", 7, 5)
    refused(
        short.post("/api-keys", {**NEW, "expires_at": "2999-01-01T00:00:00Z"}), 400, "validation_error", "expires_at"
    )
    sooner = made(short, expires_at=clock.seconds_from_now(60))
    assert sooner["expires_at"] < key["expires_at"]
    free = made(alice)
    assert (free["expires_at"], free["reads_per_minute"], free["writes_per_minute"]) == (None, 60, 30)


@pytest.mark.parametrize(
    ("body", "word"),
    [({"name": None}, "name"), ({"name": " "}, "name"), ({"name": "x" * 201}, "name"), ({"scopes": None}, "scopes"),
     ({"scopes": "leads:read"}, "scopes"),
     ({"scopes": ["leads:own"]}, "scopes"), ({"scopes": ["keys:own"]}, "scopes"), ({"scopes": ["leads:read"] * 101}, "scopes"),
     ({"expires_at": "soon"}, "expires_at"), ({"person_id": "bob"}, "person_id"), ({"name": "\0"}, "NUL")],
)  # fmt: skip
def test_a_key_that_is_not_valid_is_refused(alice: Api, body: dict[str, Any], word: str) -> None:
    refused(alice.post("/api-keys", {**NEW, **body}), 400, "validation_error", word)
    assert ids(alice) == [alice.key_id]


def test_unknown_people_and_keys_are_not_found(alice: Api, bob: Api) -> None:
    nobody = str(uuid.uuid4())
    refused(alice.post("/api-keys", {**NEW, "person_id": nobody}), 404, "not_found")
    refused(alice.delete(f"/api-keys/{nobody}"), 404, "not_found")
    refused(alice.delete("/api-keys/x"), 404, "not_found")
    alice.delete(f"/people/{bob.person_id}")
    refused(alice.post("/api-keys", {**NEW, "person_id": bob.person_id}), 404, "not_found")
