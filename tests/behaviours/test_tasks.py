"""Tasks: creating, changing and cancelling them."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from deskbell.identity import people
from tests.desk import Api, refused

PRIORITIES = ["low", "medium", "high", "urgent"]
STATUSES = ["open", "in_progress", "completed", "cancelled"]
NOBODY = "00000000-0000-7000-8000-000000000000"


def task(api: Api, title: str = "Call Maria", **fields: Any) -> dict[str, Any]:
    answer = api.post("/tasks", {"title": title, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def test_a_task_needs_only_a_title(alice: Api) -> None:
    made = task(alice)
    assert made == {
        "id": made["id"],
        "organization_id": alice.organization_id,
        "contact_id": None,
        "title": "Call Maria",
        "description": None,
        "priority": "medium",
        "status": "open",
        "due_date": None,
        "assigned_to_user_id": None,
        "created_by_user_id": alice.person_id,
        "created_by_ai": False,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert alice.get(f"/tasks/{made['id']}").json() == {"data": made}


def test_every_field_is_kept(alice: Api, bob: Api) -> None:
    given = {"description": "x" * 5000, "priority": "urgent", "status": "in_progress", "due_date": "2030-06-01T10:00:00Z",
             "contact_id": alice.lead()["id"], "assigned_to_user_id": bob.person_id}  # fmt: skip
    made = task(alice, "é" * 500, **given)
    assert {name: made[name] for name in given} == given
    assert made["title"] == "é" * 500


def test_the_maker_of_the_key_is_the_maker_of_the_task(alice: Api, bob: Api, charlie: Api) -> None:
    assert task(alice)["created_by_user_id"] == alice.person_id
    assert task(bob, created_by_user_id=alice.person_id, created_by_ai=True)["created_by_user_id"] == bob.person_id
    assert task(charlie)["created_by_user_id"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [*(("title", value) for value in (None, "", "  \n", "x" * 501, 5)), *(("description", value) for value in ("x" * 5001, 5)),
     *(("priority", value) for value in ("urgentest", "HIGH", None, 2)), *(("status", value) for value in ("done", "", None)),
     *(("due_date", value) for value in ("soon", "", 5)), *(("contact_id", value) for value in ("x", "", 5)),
     *(("assigned_to_user_id", value) for value in ("bob", "", []))],
)  # fmt: skip
def test_a_bad_field_is_refused_by_name(alice: Api, field: str, value: Any) -> None:
    refused(alice.post("/tasks", {"title": "x", field: value}), 400, "validation_error", f"`{field}`")
    refused(alice.put(f"/tasks/{task(alice)['id']}", {field: value}), 400, "validation_error", f"`{field}`")
    assert alice.get("/tasks").json()["meta"]["total"] == 1


def test_the_title_is_required(alice: Api) -> None:
    refused(alice.post("/tasks", {"description": "x"}), 400, "validation_error", "`title`")


def test_the_words_of_priority_and_status(alice: Api) -> None:
    assert [task(alice, priority=word)["priority"] for word in PRIORITIES] == PRIORITIES
    assert [task(alice, status=word)["status"] for word in STATUSES] == STATUSES


def test_contact_and_assignee_must_be_ours(alice: Api, charlie: Api) -> None:
    person = charlie.do(lambda ctx: people.add_person(ctx, "Dan", "dan@example.com"))
    mine = task(alice)
    for field, ids in (("contact_id", (NOBODY, charlie.lead()["id"])), ("assigned_to_user_id", (NOBODY, person.id))):
        for id in ids:
            refused(alice.post("/tasks", {"title": "x", field: id}), 404, "not_found")
            refused(alice.put(f"/tasks/{mine['id']}", {field: id}), 404, "not_found")
    assert alice.get("/tasks").json()["data"] == [mine]


def test_lead_id_is_not_the_name_of_the_contact(alice: Api) -> None:
    assert task(alice, lead_id=alice.lead()["id"])["contact_id"] is None


def test_somebody_who_left_the_team_gets_no_new_tasks(alice: Api, bob: Api) -> None:
    before = task(alice, assigned_to_user_id=bob.person_id)
    alice.do(lambda ctx: people.remove_person(ctx, bob.person_id or ""))
    refused(alice.post("/tasks", {"title": "x", "assigned_to_user_id": bob.person_id}), 404, "not_found")
    assert alice.get(f"/tasks/{before['id']}").json()["data"] == before


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", "New"), ("description", "New"), ("due_date", "2031-01-01T00:00:00Z"), *(("priority", word) for word in PRIORITIES),
     *(("status", word) for word in STATUSES)],
)  # fmt: skip
def test_each_field_changes_alone(alice: Api, field: str, value: str) -> None:
    before = task(alice, description="x", due_date="2030-01-01")
    answer = alice.put(f"/tasks/{before['id']}", {field: value})
    after = answer.json()["data"]
    assert (answer.status_code, after) == (200, {**before, field: value, "updated_at": after["updated_at"]})


def test_a_task_changes_hands(alice: Api, bob: Api) -> None:
    before, lead = task(alice), alice.lead()
    after = alice.put(
        f"/tasks/{before['id']}", {"assigned_to_user_id": bob.person_id, "contact_id": lead["id"]}
    ).json()["data"]
    assert (after["assigned_to_user_id"], after["contact_id"]) == (bob.person_id, lead["id"])
    assert after["created_by_user_id"] == alice.person_id


def test_null_clears_what_may_be_empty(alice: Api) -> None:
    given = {
        "description": "x",
        "due_date": "2030-01-01",
        "contact_id": alice.lead()["id"],
        "assigned_to_user_id": alice.person_id,
    }
    made = task(alice, **given)
    for field in given:
        made = alice.put(f"/tasks/{made['id']}", {field: None}).json()["data"]
        assert made[field] is None
    assert made["title"] == "Call Maria"


@pytest.mark.parametrize("body", [{}, {"nonsense": 1}, {"created_by_ai": True, "lead_id": NOBODY}])
def test_a_change_of_nothing_is_refused(alice: Api, body: Any) -> None:
    refused(alice.put(f"/tasks/{task(alice)['id']}", body), 400, "validation_error")


def test_cancelling_keeps_the_task_and_cancelling_twice_changes_nothing(alice: Api) -> None:
    made = task(alice)
    path = f"/tasks/{made['id']}"
    with time_machine.travel("2040-01-02T03:04:05Z", tick=False):
        first = alice.delete(path)
    cancelled = {**made, "status": "cancelled", "updated_at": "2040-01-02T03:04:05Z"}
    assert (first.status_code, first.json()) == (200, {"data": cancelled})
    assert (alice.delete(path).status_code, alice.delete(path).json()) == (200, first.json())
    assert alice.get(path).json()["data"] == cancelled
    assert alice.put(path, {"status": "open"}).json()["data"]["status"] == "open"


@pytest.mark.parametrize("id", [NOBODY, "no-uuid"])
def test_an_unknown_task_is_not_found(alice: Api, id: str) -> None:
    for answer in (alice.get(f"/tasks/{id}"), alice.put(f"/tasks/{id}", {"title": "x"}), alice.delete(f"/tasks/{id}")):
        refused(answer, 404, "not_found")
