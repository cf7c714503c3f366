"""Every method of the Python client, sync and async, against a running server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deskbell_client import ComplianceBlocked, NotFound
from tests.desk import Api, eventually

NINE = datetime(2026, 5, 11, 9, tzinfo=UTC)


def test_leads_are_created_read_changed_and_archived(desk: Any) -> None:
    lead = desk.leads.create(
        first_name="Maria", phone="+15125550123", notes="Leak", tags=("roof",), custom_fields={"a": [1]}
    )
    assert (lead.first_name, lead.status, lead.tags, lead.custom_fields) == ("Maria", "new", ["roof"], {"a": [1]})
    assert abs(lead.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert desk.leads.get(lead.id) == lead
    changed = desk.leads.update(lead.id, temperature="hot", notes=None)
    assert (changed.temperature, changed.notes, changed.phone) == ("hot", None, "+15125550123")
    assert desk.leads.archive(lead.id).archived_at is not None
    with pytest.raises(NotFound):
        desk.leads.get(lead.id)


def test_leads_are_listed_as_asked(desk: Any) -> None:
    for name, temperature in (("Ann", "hot"), ("Ben", "cold"), ("Cem", "hot")):
        desk.leads.create(first_name=name, temperature=temperature)
    page = desk.leads.list(temperature="hot", sort_by="first_name", sort_dir="asc", limit=1, page=2)
    assert [lead.first_name for lead in page] == ["Cem"]
    assert (page.meta.page, page.meta.limit, page.meta.total, page.meta.total_pages) == (2, 1, 2, 2)
    assert len(desk.leads.list(search="en", created_after=datetime.now(UTC) - timedelta(hours=1))) == 1
    assert len(desk.leads.list(created_before="2001-01-01")) == 0


def test_iterating_goes_through_all_pages_in_order(desk: Any) -> None:
    names = ["Ann", "Ben", "Cem", "Dan", "Eve"]
    for name in names:
        desk.leads.create(first_name=name)
    assert [lead.first_name for lead in desk.leads.iterate(sort_by="first_name", sort_dir="asc", limit=2)] == names
    assert list(desk.leads.iterate(search="nobody")) == []


def test_appointments_are_booked_moved_and_cancelled(desk: Any) -> None:
    lead = desk.leads.create(first_name="Maria")
    booked = desk.appointments.create(
        lead_id=lead.id, start_time=NINE, end_time=NINE + timedelta(hours=1), type="Estimate"
    )
    assert (booked.start_time, booked.status, booked.booked_by) == (NINE, "scheduled", "api")
    assert desk.appointments.get(booked.id) == booked
    moved = desk.appointments.update(booked.id, end_time="2026-05-11T11:00:00Z", type=None)
    assert (moved.end_time - moved.start_time, moved.type) == (timedelta(hours=2), None)
    assert desk.appointments.cancel(booked.id).status == "cancelled"
    assert desk.appointments.list(lead_id=lead.id, status="cancelled", start_after=NINE).meta.total == 1
    assert [found.id for found in desk.appointments.iterate(start_before=NINE + timedelta(days=1))] == [booked.id]


def test_tasks_are_made_done_and_cancelled(desk: Any, alice: Api) -> None:
    task = desk.tasks.create(title="Call back", priority="high", due_date=NINE, assigned_to_user_id=alice.person_id)
    assert (task.priority, task.due_date, task.created_by_ai) == ("high", NINE, False)
    assert desk.tasks.get(task.id) == task
    assert desk.tasks.update(task.id, status="in_progress", due_date=None).due_date is None
    assert desk.tasks.cancel(task.id).status == "cancelled"
    assert desk.tasks.list(assigned_to=alice.person_id).rows[0].id == task.id
    assert [found.title for found in desk.tasks.iterate(sort_by="priority")] == ["Call back"]


def test_texts_are_sent_and_read(desk: Any) -> None:
    lead = desk.leads.create(first_name="Maria", phone="+15125550188")
    sent = desk.conversations.send(lead.id, "We can be there at nine.")
    assert (sent.direction, sent.type, sent.status) == ("outbound", "sms", "queued")
    assert [thread.lead_id for thread in desk.conversations.list()] == [lead.id]
    assert [thread.lead_id for thread in desk.conversations.iterate()] == [lead.id]
    assert [message.id for message in desk.conversations.iterate_messages(lead.id)] == [sent.id]
    eventually(lambda: desk.conversations.messages(lead.id).rows[0].status == "delivered")


def test_a_number_that_opted_out_is_not_texted(desk: Any) -> None:
    lead = desk.leads.create(first_name="Otto", phone="+15005550003")
    desk.conversations.send(lead.id, "Hello")
    eventually(lambda: desk.leads.get(lead.id).sms_opted_out)
    with pytest.raises(ComplianceBlocked) as refused:
        desk.conversations.send(lead.id, "Hello again")
    assert (refused.value.code, refused.value.status, refused.value.retryable) == ("compliance_blocked", 422, False)
    assert desk.conversations.messages(lead.id).meta.total == 1


def test_the_organization_is_read(desk: Any, alice: Api) -> None:
    organization = desk.org.get()
    assert (organization.id, organization.name) == (alice.organization_id, "Acme Roofing")
    assert organization.business_hours["monday"] == {"start": "08:00", "end": "17:00"}
    assert organization.business_hours["sunday"] is None


def test_a_caller_who_chooses_the_idempotency_key_gets_one_lead(desk: Any) -> None:
    first = desk.leads.create(first_name="Maria", idempotency_key="form-4711")
    assert desk.leads.create(first_name="Maria", idempotency_key="form-4711") == first
    assert desk.leads.list().meta.total == 1
