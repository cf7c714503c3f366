"""Archiving leads: hidden from then on, never deleted, and their phone and e-mail address free again."""

from __future__ import annotations

import time_machine

from deskbell.conversations.inbound import receive_text
from tests.desk import Api, refused


def archived(api: Api, **fields: object) -> dict[str, object]:
    lead = api.lead(**fields)
    answer = api.delete(f"/leads/{lead['id']}")
    assert answer.status_code == 200
    return dict(answer.json()["data"])


def test_archiving_answers_the_lead_with_the_time(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    with time_machine.travel("2040-01-02T03:04:05Z", tick=False):
        answer = alice.delete(f"/leads/{lead['id']}")
    moment = "2040-01-02T03:04:05Z"
    assert (answer.status_code, answer.json()["data"]) == (200, {**lead, "archived_at": moment, "updated_at": moment})


def test_an_archived_lead_is_invisible(alice: Api) -> None:
    lead = archived(alice, first_name="Zacharias")
    path = f"/leads/{lead['id']}"
    for answer in (alice.get(path), alice.put(path, {"city": "X"}), alice.delete(path)):
        refused(answer, 404, "not_found")
    for search in ("Zacharias", "Za"):
        assert alice.get("/leads", search=search).json()["data"] == []
    assert alice.get("/leads").json()["meta"]["total"] == 0


def test_archiving_frees_phone_and_email(alice: Api) -> None:
    first = archived(alice, phone="+15125550123", email="maria@example.com")
    second = archived(alice, phone="+15125550123", email="maria@example.com")
    third = alice.lead(phone="+15125550123", email="maria@example.com")
    assert len({first["id"], second["id"], third["id"]}) == 3
    refused(alice.post("/leads", {"first_name": "Ana", "phone": "+15125550123"}), 409, "duplicate")


def test_its_appointments_tasks_and_messages_stay(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    times = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
    appointment = alice.post("/appointments", {"lead_id": lead["id"], **times}).json()["data"]
    task = alice.post("/tasks", {"title": "Call", "contact_id": lead["id"]}).json()["data"]
    alice.post(f"/conversations/{lead['id']}/messages", {"body": "Hello"})
    alice.delete(f"/leads/{lead['id']}")
    assert alice.get(f"/appointments/{appointment['id']}").json()["data"] == appointment
    assert alice.get("/appointments", lead_id=lead["id"]).json()["meta"]["total"] == 1
    assert alice.get(f"/tasks/{task['id']}").json()["data"] == task
    assert [thread["lead_id"] for thread in alice.get("/conversations").json()["data"]] == [lead["id"]]


def test_nothing_new_can_be_done_with_it(alice: Api) -> None:
    lead = archived(alice, phone="+15125550123")
    times = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
    refused(alice.post("/appointments", {"lead_id": lead["id"], **times}), 404, "lead_not_found", "`lead_id`")
    refused(alice.post("/tasks", {"title": "Call", "contact_id": lead["id"]}), 404, "not_found")
    refused(alice.get(f"/conversations/{lead['id']}"), 404, "not_found")
    refused(alice.post(f"/conversations/{lead['id']}/messages", {"body": "Hi"}), 404, "not_found")


def test_a_text_from_its_number_makes_a_new_lead(alice: Api) -> None:
    old = archived(alice, phone="+15125550123")
    alice.do(lambda ctx: receive_text(ctx, "+15125550123", "Hello again"))
    (lead,) = alice.get("/leads").json()["data"]
    assert lead["id"] != old["id"]
    assert (lead["first_name"], lead["phone"], lead["source"]) == ("+15125550123", "+15125550123", "other")
