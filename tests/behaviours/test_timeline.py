"""A lead's timeline: everything that happened around one person, newest first."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from deskbell.app import SLICES
from deskbell.privacy.operations import erase_lead
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_conversations import hear, say
from tests.behaviours.test_tasks import task
from tests.behaviours.test_texting import haste, outcome
from tests.desk import Api, refused

__all__ = ["haste"]
PHONE = "+15125550123"


def timeline(api: Api, lead: dict[str, Any], **query: Any) -> Any:
    answer = api.get(f"/leads/{lead['id']}/timeline", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_timeline_has_all_that_happened_around_a_lead(alice: Api) -> None:
    lead, other = alice.lead(phone=PHONE), alice.lead(first_name="Other")
    book(alice, lead)
    task(alice, "Call", contact_id=lead["id"])
    say(alice, lead, "Hello")
    assert outcome(alice, lead) == "delivered"
    hear(alice, PHONE, "Thanks")
    alice.put(f"/leads/{other['id']}", {"notes": "elsewhere"})
    found = timeline(alice, lead)
    types = ["message.received", "message.delivered", "message.sent", "message.accepted", "task.created"]
    assert [event["type"] for event in found["data"]] == [*types, "appointment.created", "lead.created"]
    assert found["meta"] == {"page": 1, "limit": 50, "total": 7, "total_pages": 1}
    assert {event["lead_id"] for event in found["data"]} == {lead["id"]}


def test_a_timeline_has_pages(alice: Api) -> None:
    lead = alice.lead()
    for number in range(4):
        alice.put(f"/leads/{lead['id']}", {"notes": f"{number}"})
    pages = [timeline(alice, lead, page=page, limit=2) for page in (1, 2, 3, 4)]
    assert [len(page["data"]) for page in pages] == [2, 2, 1, 0]
    assert pages[2]["data"][0]["type"] == "lead.created"
    assert pages[0]["meta"] == {"page": 1, "limit": 2, "total": 5, "total_pages": 3}


def test_an_archived_lead_has_its_timeline(alice: Api) -> None:
    lead = alice.lead()
    alice.delete(f"/leads/{lead['id']}")
    assert [event["type"] for event in timeline(alice, lead)["data"]] == ["lead.archived", "lead.created"]


def test_an_erased_person_has_none(alice: Api) -> None:
    lead = alice.lead()
    alice.do(lambda ctx: erase_lead(ctx, lead["id"], SLICES))
    refused(alice.get(f"/leads/{lead['id']}/timeline"), 404, "not_found")


def test_unknown_leads_have_none(alice: Api, charlie: Api) -> None:
    theirs = charlie.lead()["id"]
    answers = [alice.get(f"/leads/{id}/timeline") for id in (theirs, str(uuid.uuid4()), "x")]
    for answer in answers:
        refused(answer, 404, "not_found")
        assert answer.content == answers[0].content


@pytest.mark.parametrize("query", [{"page": 0}, {"limit": 101}, {"limit": "x"}])
def test_bad_pages_are_refused(alice: Api, query: dict[str, Any]) -> None:
    lead = alice.lead()
    refused(alice.get(f"/leads/{lead['id']}/timeline", **query), 400, "validation_error", f"`{next(iter(query))}`")


def test_a_timeline_needs_the_scope_of_events(alice: Api) -> None:
    lead = alice.lead()
    leads = alice.server.api(alice.organization_id, scopes=["leads:read"])
    refused(leads.get(f"/leads/{lead['id']}/timeline"), 403, "insufficient_scope", "events:read")
    few = alice.server.api(alice.organization_id, scopes=["events:read"])
    assert timeline(few, lead)["meta"]["total"] == 1
