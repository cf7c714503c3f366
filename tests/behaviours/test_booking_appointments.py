"""Appointments: booking, changing and cancelling them."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from tests.desk import Api, refused

TEN, ELEVEN, NOON = (f"2030-06-01T{hour}:00:00Z" for hour in (10, 11, 12))
LIMITS = {"type": 100, "location": 500, "notes": 5000}
STATUSES = ["scheduled", "confirmed", "completed", "cancelled", "no_show"]
NOBODY = "00000000-0000-7000-8000-000000000000"


def book(api: Api, lead: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    body = {"lead_id": (lead or api.lead())["id"], "start_time": TEN, "end_time": ELEVEN, **fields}
    answer = api.post("/appointments", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def test_an_appointment_needs_a_lead_and_two_times(alice: Api) -> None:
    lead = alice.lead()
    appointment = book(alice, lead)
    assert appointment == {
        "id": appointment["id"],
        "organization_id": alice.organization_id,
        "lead_id": lead["id"],
        "start_time": TEN,
        "end_time": ELEVEN,
        "status": "scheduled",
        "type": None,
        "location": None,
        "notes": None,
        "booked_by": "api",
        "outcome": None,
        "outcome_notes": None,
        "created_at": appointment["created_at"],
        "updated_at": appointment["created_at"],
    }
    assert alice.get(f"/appointments/{appointment['id']}").json() == {"data": appointment}


@pytest.mark.parametrize("field", ["lead_id", "start_time", "end_time"])
@pytest.mark.parametrize("value", ["absent", None, 5, "nonsense", "", True, []])
def test_the_three_are_required_and_well_formed(alice: Api, field: str, value: Any) -> None:
    body = {"lead_id": alice.lead()["id"], "start_time": TEN, "end_time": ELEVEN} | {field: value}
    if value == "absent":
        del body[field]
    refused(alice.post("/appointments", body), 400, "validation_error", f"`{field}`")
    assert alice.get("/appointments").json()["meta"]["total"] == 0


@pytest.mark.parametrize(("field", "most"), LIMITS.items())
def test_texts_have_limits(alice: Api, field: str, most: int) -> None:
    lead = alice.lead()
    assert book(alice, lead, **{field: "é" * most})[field] == "é" * most
    body = {"lead_id": lead["id"], "start_time": TEN, "end_time": ELEVEN, field: "x" * (most + 1)}
    refused(alice.post("/appointments", body), 400, "validation_error", f"`{field}`")
    refused(alice.post("/appointments", body | {field: 5}), 400, "validation_error", f"`{field}`")
    assert book(alice, lead, **{field: None})[field] is None


def test_the_five_statuses_can_be_booked(alice: Api) -> None:
    lead = alice.lead()
    assert [book(alice, lead, status=status)["status"] for status in STATUSES] == STATUSES
    for wrong in ("open", "Scheduled", "", None):
        body = {"lead_id": lead["id"], "start_time": TEN, "end_time": ELEVEN, "status": wrong}
        refused(alice.post("/appointments", body), 400, "validation_error", "`status`")


def test_who_booked_and_the_outcome_are_not_the_clients_to_say(alice: Api) -> None:
    appointment = book(alice, booked_by="user", outcome="won", outcome_notes="x", organization_id="y")
    assert appointment["booked_by"] == "api"
    assert appointment["outcome"] is appointment["outcome_notes"] is None
    assert appointment["organization_id"] == alice.organization_id


@pytest.mark.parametrize("end", [TEN, "2030-06-01T09:59:59Z", "2030-06-01T12:00:00+02:00", "2030-06-01"])
def test_it_ends_after_it_starts(alice: Api, end: str) -> None:
    body = {"lead_id": alice.lead()["id"], "start_time": TEN, "end_time": end}
    refused(alice.post("/appointments", body), 400, "validation_error", "`end_time`")


def test_a_microsecond_is_long_enough(alice: Api) -> None:
    assert book(alice, end_time="2030-06-01T10:00:00.000001Z")["end_time"] == TEN


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2030-06-01T05:00:00-05:00", TEN),
        ("2030-06-01T10:00:00", TEN),
        ("2030-06-01T10:00", TEN),
        ("2030-06-01", "2030-06-01T00:00:00Z"),
        ("2030-06-01T10:00:00.999999Z", TEN),
    ],
)
def test_times_are_shown_in_utc_to_the_second(alice: Api, given: str, shown: str) -> None:
    assert book(alice, start_time=given)["start_time"] == shown


def test_past_and_overlapping_appointments_are_accepted(alice: Api) -> None:
    lead = alice.lead()
    book(alice, lead, start_time="1999-01-01", end_time="1999-01-02")
    assert book(alice, lead)["id"] != book(alice, lead)["id"]


def test_the_lead_must_be_one_of_ours(alice: Api, charlie: Api) -> None:
    for id in (NOBODY, charlie.lead()["id"]):
        body = {"lead_id": id, "start_time": TEN, "end_time": ELEVEN}
        refused(alice.post("/appointments", body), 404, "lead_not_found")
        # The times are looked at before the record.
        refused(alice.post("/appointments", body | {"end_time": TEN}), 400, "validation_error", "`end_time`")
    assert alice.get("/appointments").json()["meta"]["total"] == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("start_time", "2030-06-01T09:00:00Z"), ("end_time", NOON), ("type", "Estimate"), ("location", "1 Main St"),
     ("notes", "Bring a ladder"), ("outcome", "won"), ("outcome_notes", "Signed"), *(("status", status) for status in STATUSES)],
)  # fmt: skip
def test_each_field_changes_alone(alice: Api, field: str, value: str) -> None:
    before = book(alice, type="Visit", location="x", notes="y")
    answer = alice.put(f"/appointments/{before['id']}", {field: value})
    after = answer.json()["data"]
    assert (answer.status_code, after) == (200, {**before, field: value, "updated_at": after["updated_at"]})
    assert alice.get(f"/appointments/{before['id']}").json()["data"] == after


@pytest.mark.parametrize("field", ["type", "location", "notes", "outcome", "outcome_notes"])
def test_null_clears_what_may_be_empty(alice: Api, field: str) -> None:
    before = book(alice)
    alice.put(f"/appointments/{before['id']}", {field: "x"})
    after = alice.put(f"/appointments/{before['id']}", {field: None}).json()["data"]
    assert after == {**before, "updated_at": after["updated_at"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [*((field, None) for field in ("lead_id", "start_time", "end_time", "status")), ("status", "open"), ("type", "x" * 101),
     ("location", "x" * 501), ("notes", "x" * 5001), ("outcome_notes", "x" * 5001), ("lead_id", "x"), ("start_time", "x")],
)  # fmt: skip
def test_a_bad_change_is_refused_by_name(alice: Api, field: str, value: Any) -> None:
    appointment = book(alice)
    answer = alice.put(f"/appointments/{appointment['id']}", {field: value})
    refused(answer, 400, "validation_error", f"`{field}`")
    assert alice.get(f"/appointments/{appointment['id']}").json()["data"] == appointment


@pytest.mark.parametrize("body", [{}, {"nonsense": 1}, {"booked_by": "user", "created_at": "2020-01-01"}])
def test_a_change_of_nothing_is_refused(alice: Api, body: Any) -> None:
    refused(alice.put(f"/appointments/{book(alice)['id']}", body), 400, "validation_error")


def test_one_changed_time_is_compared_with_the_other_that_stays(alice: Api) -> None:
    path = f"/appointments/{book(alice)['id']}"
    refused(alice.put(path, {"end_time": TEN}), 400, "validation_error", "`end_time`")
    refused(alice.put(path, {"start_time": ELEVEN}), 400, "validation_error", "`end_time`")
    refused(alice.put(path, {"start_time": NOON, "end_time": ELEVEN}), 400, "validation_error", "`end_time`")
    assert alice.put(path, {"start_time": ELEVEN, "end_time": NOON}).status_code == 200


def test_an_appointment_can_move_to_another_lead_of_ours_only(alice: Api, charlie: Api) -> None:
    appointment, other = book(alice), alice.lead()
    path = f"/appointments/{appointment['id']}"
    for id in (NOBODY, charlie.lead()["id"]):
        refused(alice.put(path, {"lead_id": id}), 404, "lead_not_found")
    assert alice.put(path, {"lead_id": other["id"]}).json()["data"]["lead_id"] == other["id"]


def test_cancelling_keeps_the_appointment(alice: Api) -> None:
    appointment = book(alice, notes="x")
    with time_machine.travel("2040-01-02T03:04:05Z", tick=False):
        first = alice.delete(f"/appointments/{appointment['id']}")
    cancelled = {**appointment, "status": "cancelled", "updated_at": "2040-01-02T03:04:05Z"}
    assert (first.status_code, first.json()["data"]) == (200, cancelled)
    assert alice.get(f"/appointments/{appointment['id']}").json()["data"] == cancelled
    assert alice.get("/appointments", status="cancelled").json()["data"] == [cancelled]


def test_cancelling_twice_changes_nothing(alice: Api) -> None:
    path = f"/appointments/{book(alice)['id']}"
    first = alice.delete(path)
    with time_machine.travel("2040-01-02T03:04:05Z", tick=False):
        again = alice.delete(path)
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize("id", [NOBODY, "no-uuid"])
def test_an_unknown_appointment_is_not_found(alice: Api, id: str) -> None:
    path = f"/appointments/{id}"
    for answer in (
        alice.get(path),
        alice.put(path, {"notes": "x"}),
        alice.put(path, {"end_time": NOON}),
        alice.delete(path),
    ):
        refused(answer, 404, "not_found")
    refused(alice.put(path, {"start_time": NOON, "end_time": TEN}), 400, "validation_error", "`end_time`")
