"""Listing tasks: filters, order and pages."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from tests.behaviours.test_tasks import NOBODY, PRIORITIES, STATUSES, task
from tests.desk import Api, refused


def titles(api: Api, **params: Any) -> list[str]:
    answer = api.get("/tasks", **params)
    assert answer.status_code == 200, answer.text
    return [each["title"] for each in answer.json()["data"]]


def test_the_newest_task_is_first(alice: Api) -> None:
    for title in "abc":
        task(alice, title)
    assert titles(alice) == titles(alice, sort_by="created_at", sort_dir="desc") == ["c", "b", "a"]
    assert titles(alice, sort_dir="asc") == ["a", "b", "c"]


def test_priority_sorts_by_urgency(alice: Api) -> None:
    for word in ("high", "low", "urgent", "medium"):
        task(alice, word, priority=word)
    assert titles(alice, sort_by="priority", sort_dir="asc") == PRIORITIES
    assert titles(alice, sort_by="priority") == PRIORITIES[::-1]


def test_a_changed_priority_changes_the_order(alice: Api) -> None:
    first = task(alice, "first", priority="low")
    task(alice, "second", priority="high")
    alice.put(f"/tasks/{first['id']}", {"priority": "urgent"})
    assert titles(alice, sort_by="priority") == ["first", "second"]


def test_tasks_without_a_due_date_are_last_in_both_directions(alice: Api) -> None:
    for title, due in (("never", None), ("late", "2030-01-02"), ("soon", "2030-01-01"), ("nor", None)):
        task(alice, title, due_date=due)
    assert titles(alice, sort_by="due_date", sort_dir="asc") == ["soon", "late", "never", "nor"]
    assert titles(alice, sort_by="due_date", sort_dir="desc") == ["late", "soon", "nor", "never"]


@pytest.mark.parametrize("field", ["created_at", "due_date", "priority"])
def test_ties_break_by_id_in_the_same_direction(alice: Api, field: str) -> None:
    with time_machine.travel("2026-05-10T12:00:00Z", tick=False):
        for title in "abcd":
            task(alice, title, due_date="2030-01-01")
    assert titles(alice, sort_by=field, sort_dir="asc") == ["a", "b", "c", "d"]
    assert titles(alice, sort_by=field, sort_dir="desc") == ["d", "c", "b", "a"]


def test_due_before_is_exclusive_and_leaves_out_tasks_without_a_date(alice: Api) -> None:
    for title, due in (("first", "2030-01-01T12:00:00Z"), ("second", "2030-01-02"), ("never", None)):
        task(alice, title, due_date=due)
    assert titles(alice, due_before="2030-01-02") == ["first"]
    assert titles(alice, due_before="2030-01-02T00:00:00.000001Z") == ["second", "first"]
    assert titles(alice, due_before="2030-01-01T12:00:00") == []


def test_there_is_no_due_after(alice: Api) -> None:
    task(alice, "old", due_date="2020-01-01")
    assert titles(alice, due_after="2030-01-01") == ["old"]


def test_status_contact_and_assignee_select(alice: Api, bob: Api) -> None:
    lead = alice.lead()
    for word in STATUSES:
        task(alice, word, status=word)
    task(alice, "about", contact_id=lead["id"])
    task(alice, "his", assigned_to_user_id=bob.person_id)
    assert titles(alice, status="open") == ["his", "about", "open"]
    assert [titles(alice, status=word) for word in STATUSES[1:]] == [[word] for word in STATUSES[1:]]
    assert titles(alice, contact_id=lead["id"]) == ["about"]
    assert titles(alice, assigned_to=bob.person_id) == ["his"]
    assert titles(alice, assigned_to=NOBODY) == titles(alice, contact_id=lead["id"], status="completed") == []


def test_the_filter_of_assignees_has_a_name_of_its_own(alice: Api, bob: Api) -> None:
    task(alice, "mine")
    assert titles(alice, assigned_to_user_id=bob.person_id) == ["mine"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("page", "0"), ("limit", "101"), ("limit", "x"), ("status", "done"), ("assigned_to", "bob"), ("contact_id", "x"),
     ("due_before", "soon"), ("sort_by", "title"), ("sort_by", "priority_rank"), ("sort_dir", "x")],
)  # fmt: skip
def test_a_bad_parameter_is_refused_by_name(alice: Api, name: str, value: str) -> None:
    refused(alice.get("/tasks", **{name: value}), 400, "validation_error", f"`{name}`")


def test_pages_have_exact_totals(alice: Api) -> None:
    for title in "abcde":
        task(alice, title)
    assert titles(alice, page=2, limit=2) == ["c", "b"]
    assert alice.get("/tasks", page=9, limit=2).json() == {
        "data": [],
        "meta": {"page": 9, "limit": 2, "total": 5, "total_pages": 3},
    }


def test_a_stranger_sees_none_of_them(alice: Api, charlie: Api) -> None:
    path = f"/tasks/{task(alice)['id']}"
    assert titles(charlie) == []
    for answer in (charlie.get(path), charlie.put(path, {"title": "x"}), charlie.delete(path)):
        refused(answer, 404, "not_found")
    assert titles(alice, status="open") == ["Call Maria"]
