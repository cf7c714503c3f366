"""Listing appointments: filters, order and pages."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from tests.behaviours.test_booking_appointments import NOBODY, STATUSES, book
from tests.desk import Api, refused


def on(api: Api, day: int, lead: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An appointment at noon of that day of June 2030."""
    return book(api, lead, start_time=f"2030-06-{day}T12:00:00Z", end_time=f"2030-06-{day}T13:00:00Z", **fields)


def ids(api: Api, **params: Any) -> list[str]:
    answer = api.get("/appointments", **params)
    assert answer.status_code == 200, answer.text
    return [appointment["id"] for appointment in answer.json()["data"]]


def test_the_latest_start_is_first(alice: Api) -> None:
    lead = alice.lead()
    b, c, a = (on(alice, day, lead)["id"] for day in (11, 12, 10))
    assert ids(alice) == ids(alice, sort_by="start_time", sort_dir="desc") == [c, b, a]
    assert ids(alice, sort_dir="asc") == [a, b, c]
    assert ids(alice, sort_by="created_at") == [a, c, b]
    assert ids(alice, sort_by="created_at", sort_dir="asc") == [b, c, a]


@pytest.mark.parametrize("field", ["start_time", "created_at"])
def test_ties_break_by_id_in_the_same_direction(alice: Api, field: str) -> None:
    with time_machine.travel("2026-05-10T12:00:00Z", tick=False):
        lead = alice.lead()
        made = [on(alice, 10, lead)["id"] for _ in range(4)]
    assert ids(alice, sort_by=field, sort_dir="asc") == sorted(made)
    assert ids(alice, sort_by=field, sort_dir="desc") == sorted(made)[::-1]


def test_status_selects(alice: Api) -> None:
    lead = alice.lead()
    made = {status: on(alice, 10, lead, status=status)["id"] for status in STATUSES}
    assert {status: ids(alice, status=status) for status in STATUSES} == {status: [id] for status, id in made.items()}


def test_lead_id_selects(alice: Api, charlie: Api) -> None:
    mine, other = alice.lead(), alice.lead()
    made = on(alice, 10, mine)["id"]
    on(alice, 10, other)
    assert ids(alice, lead_id=mine["id"]) == ids(alice, lead_id=mine["id"].upper()) == [made]
    assert ids(alice, lead_id=NOBODY) == ids(charlie, lead_id=mine["id"]) == []


def test_start_after_is_inclusive_and_start_before_exclusive(alice: Api) -> None:
    lead = alice.lead()
    a, b, c = (on(alice, day, lead)["id"] for day in (10, 11, 12))
    assert ids(alice, start_after="2030-06-11T12:00:00Z") == [c, b]
    assert ids(alice, start_after="2030-06-11T12:00:00.000001Z") == [c]
    assert ids(alice, start_before="2030-06-11T12:00:00Z") == [a]
    assert ids(alice, start_before="2030-06-11T07:00:01-05:00") == [b, a]
    assert ids(alice, start_after="2030-06-11", start_before="2030-06-12") == [b]
    assert ids(alice, start_after="2030-06-11T12:00:00", lead_id=lead["id"], status="scheduled", sort_dir="asc") == [
        b,
        c,
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("page", "0"), ("page", "x"), ("limit", "0"), ("limit", "101"), ("status", "open"), ("status", ""), ("lead_id", "x"),
     ("lead_id", ""), ("start_after", "x"), ("start_before", "2030-02-30"), ("sort_by", "end_time"), ("sort_dir", "x")],
)  # fmt: skip
def test_a_bad_parameter_is_refused_by_name(alice: Api, name: str, value: str) -> None:
    refused(alice.get("/appointments", **{name: value}), 400, "validation_error", f"`{name}`")


def test_pages_have_exact_totals(alice: Api) -> None:
    lead = alice.lead()
    made = [on(alice, day, lead)["id"] for day in range(10, 15)]
    second = alice.get("/appointments", page=2, limit=2, sort_dir="asc").json()
    assert [each["id"] for each in second["data"]] == made[2:4]
    assert second["meta"] == {"page": 2, "limit": 2, "total": 5, "total_pages": 3}
    past = alice.get("/appointments", page=4, limit=2).json()
    assert past == {"data": [], "meta": {"page": 4, "limit": 2, "total": 5, "total_pages": 3}}


def test_a_stranger_sees_none_of_them(alice: Api, charlie: Api) -> None:
    path = f"/appointments/{on(alice, 10, alice.lead())['id']}"
    assert ids(charlie) == []
    for answer in (charlie.get(path), charlie.put(path, {"notes": "x"}), charlie.delete(path)):
        refused(answer, 404, "not_found")
    assert alice.get(path).json()["data"]["status"] == "scheduled"
