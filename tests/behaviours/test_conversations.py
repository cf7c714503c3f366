"""Conversations: threads by latest activity, messages oldest first."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.conversations.inbound import receive_text
from tests.desk import Api, refused

NOBODY = "00000000-0000-7000-8000-000000000000"


def phones() -> Any:
    """Numbers that are all different."""
    return (f"+1512555{number:04}" for number in range(100, 200))


def say(api: Api, lead: dict[str, Any], body: str) -> dict[str, Any]:
    answer = api.post(f"/conversations/{lead['id']}/messages", {"body": body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def hear(api: Api, phone: str, body: str) -> Any:
    """A text comes in from a number."""
    return api.do(lambda ctx: receive_text(ctx, phone, body))


def test_the_first_text_opens_the_thread(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    assert alice.get("/conversations").json()["data"] == []
    say(alice, lead, "Hello")
    say(alice, lead, "Again")
    (thread,) = alice.get("/conversations").json()["data"]
    assert thread == {
        "id": thread["id"],
        "organization_id": alice.organization_id,
        "lead_id": lead["id"],
        "status": "active",
        "ai_summary": None,
        "sentiment": None,
        "interest_level": None,
        "requires_human": False,
        "created_at": thread["created_at"],
        "updated_at": thread["updated_at"],
    }
    assert thread["id"] != lead["id"]


def test_threads_come_by_their_latest_activity(alice: Api) -> None:
    first, second, third = (alice.lead(phone=phone) for phone in list(phones())[:3])
    for lead in (first, second, third):
        say(alice, lead, "Hello")
    hear(alice, first["phone"], "Hi")
    listed = [thread["lead_id"] for thread in alice.get("/conversations").json()["data"]]
    assert listed == [first["id"], third["id"], second["id"]]


def test_threads_have_pages(alice: Api) -> None:
    leads = [alice.lead(phone=phone) for phone in list(phones())[:3]]
    for lead in leads:
        say(alice, lead, "Hello")
    page = alice.get("/conversations", page=2, limit=2).json()
    assert [thread["lead_id"] for thread in page["data"]] == [leads[0]["id"]]
    assert page["meta"] == {"page": 2, "limit": 2, "total": 3, "total_pages": 2}
    assert alice.get("/conversations", page=3, limit=2).json()["data"] == []
    assert alice.get("/conversations", lead_id="ignored", status="ignored").json()["meta"]["total"] == 3


def test_messages_are_read_oldest_first(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    say(alice, lead, "one")
    hear(alice, lead["phone"], "two")
    say(alice, lead, "three")
    listed = alice.get(f"/conversations/{lead['id']}").json()
    assert [(each["body"], each["direction"]) for each in listed["data"]] == [
        ("one", "outbound"),
        ("two", "inbound"),
        ("three", "outbound"),
    ]
    assert listed["meta"] == {"page": 1, "limit": 50, "total": 3, "total_pages": 1}
    second = alice.get(f"/conversations/{lead['id']}", page=2, limit=2).json()
    assert [each["body"] for each in second["data"]] == ["three"]
    assert second["meta"] == {"page": 2, "limit": 2, "total": 3, "total_pages": 2}


def test_a_message_shows_seven_fields(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    hear(alice, lead["phone"], "Hi 👋")
    (message,) = alice.get(f"/conversations/{lead['id']}").json()["data"]
    assert message == {
        "id": message["id"],
        "type": "sms",
        "direction": "inbound",
        "body": "Hi 👋",
        "status": "received",
        "sent_at": message["created_at"],
        "created_at": message["created_at"],
    }


def test_a_lead_without_messages_has_an_empty_conversation(alice: Api) -> None:
    answer = alice.get(f"/conversations/{alice.lead()['id']}")
    assert answer.status_code == 200
    assert answer.json() == {"data": [], "meta": {"page": 1, "limit": 50, "total": 0, "total_pages": 0}}


def test_the_path_takes_the_leads_id_and_not_the_threads(alice: Api, charlie: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    say(alice, lead, "Hello")
    thread = alice.get("/conversations").json()["data"][0]["id"]
    for id in (thread, NOBODY, "no-uuid", charlie.lead()["id"]):
        refused(alice.get(f"/conversations/{id}"), 404, "not_found")
    refused(charlie.get(f"/conversations/{lead['id']}"), 404, "not_found")
    assert charlie.get("/conversations").json()["data"] == []


@pytest.mark.parametrize(
    ("name", "value"), [("page", "0"), ("limit", "0"), ("limit", "101"), ("limit", "1e9"), ("page", "x")]
)
def test_a_bad_page_is_refused_by_name(alice: Api, name: str, value: str) -> None:
    refused(alice.get("/conversations", **{name: value}), 400, "validation_error", f"`{name}`")
    refused(alice.get(f"/conversations/{NOBODY}", **{name: value}), 400, "validation_error", f"`{name}`")
