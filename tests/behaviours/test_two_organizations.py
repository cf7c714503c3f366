"""Two organizations never learn of each other: another's record answers like one that never was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_conversations import hear, say
from tests.behaviours.test_tasks import task
from tests.desk import Api

NOBODY = "00000000-0000-7000-8000-000000000000"
TIMES = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
CASES: list[tuple[str, str, str, Any]] = [
    ("lead", "GET", "/leads/{id}", None),
    ("lead", "PUT", "/leads/{id}", {"city": "x"}),
    ("lead", "DELETE", "/leads/{id}", None),
    ("lead", "GET", "/conversations/{id}", None),
    ("lead", "POST", "/conversations/{id}/messages", {"body": "x"}),
    ("lead", "POST", "/appointments", {"lead_id": "{id}", **TIMES}),
    ("lead", "PUT", "/appointments/{own}", {"lead_id": "{id}"}),
    ("lead", "POST", "/tasks", {"title": "x", "contact_id": "{id}"}),
    ("lead", "GET", "/appointments?lead_id={id}", None),
    ("lead", "GET", "/tasks?contact_id={id}", None),
    ("person", "POST", "/tasks", {"title": "x", "assigned_to_user_id": "{id}"}),
    ("person", "GET", "/tasks?assigned_to={id}", None),
    ("appointment", "GET", "/appointments/{id}", None),
    ("appointment", "PUT", "/appointments/{id}", {"notes": "x"}),
    ("appointment", "PUT", "/appointments/{id}", {"end_time": TIMES["start_time"]}),
    ("appointment", "DELETE", "/appointments/{id}", None),
    ("task", "GET", "/tasks/{id}", None),
    ("task", "PUT", "/tasks/{id}", {"title": "x"}),
    ("task", "DELETE", "/tasks/{id}", None),
]


@pytest.mark.parametrize(("kind", "method", "path", "body"), CASES)
def test_anothers_record_answers_like_one_that_never_was(
    alice: Api, charlie: Api, kind: str, method: str, path: str, body: Any
) -> None:
    lead = alice.lead(phone="+15125550123")
    ids = {
        "lead": lead["id"],
        "person": alice.person_id,
        "appointment": book(alice, lead)["id"],
        "task": task(alice)["id"],
    }
    own = book(charlie)["id"]

    def answer(id: Any) -> tuple[int, bytes]:
        sent = body and {name: id if value == "{id}" else value for name, value in body.items()}
        got = charlie.http.request(method, path.format(id=id, own=own), json=sent)
        return got.status_code, got.content

    assert answer(ids[kind]) == answer(NOBODY)
    assert answer(NOBODY)[0] == (200 if "?" in path else 404)


def test_the_same_phone_and_email_are_no_duplicate_elsewhere(alice: Api, charlie: Api) -> None:
    fields = {"phone": "+15125550123", "email": "maria@example.com"}
    assert alice.lead(**fields)["id"] != charlie.lead(**fields)["id"]
    other = charlie.lead()
    alice.lead(phone="+15125550199")
    assert charlie.put(f"/leads/{other['id']}", {"phone": "+15125550199"}).status_code == 200


def test_every_list_holds_only_ones_own(alice: Api, charlie: Api) -> None:
    for api in (alice, charlie):
        lead = api.lead(phone="+15125550123")
        book(api, lead)
        task(api)
        say(api, lead, "Hello")
        hear(api, "+15125550123", "Hi")
    for path in ("/leads", "/appointments", "/tasks", "/conversations"):
        mine, his = alice.get(path).json(), charlie.get(path).json()
        assert mine["meta"]["total"] == his["meta"]["total"] == 1
        assert mine["data"][0]["organization_id"] == alice.organization_id
        assert his["data"][0]["organization_id"] == charlie.organization_id
