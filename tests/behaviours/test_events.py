"""The event log: what happened, who did it, and reading it by a cursor."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deskbell.app import SLICES
from deskbell.core.event_types import EVENT_TYPES
from deskbell.privacy.operations import erase_lead
from deskbell.surfaces.cli import cli
from tests.agents import application
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_conversations import hear, say
from tests.behaviours.test_tasks import task
from tests.desk import Api, eventually, refused, running

PHONE = "+15125550123"


def events(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = api.get("/events", **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def types(api: Api, **query: Any) -> list[str]:
    return [event["type"] for event in events(api, **query)]


def cursor(api: Api) -> str:
    return str(api.get("/events", limit=1).json()["meta"]["next"])


def after(api: Api, cursor: str, **query: Any) -> Any:
    """The answer after a cursor once there is something in it."""
    return eventually(lambda: (found := api.get("/events", after=cursor, **query).json())["data"] and found)


def test_an_event_says_what_happened_to_what_by_whom(bob: Api) -> None:
    lead = bob.post("/leads", {"first_name": "Maria"}, X_Request_Id="mine").json()["data"]
    event = events(bob)[0]
    assert event == {
        "id": event["id"],
        "type": "lead.created",
        "created_at": lead["created_at"],
        "principal": {"type": "api_key", "id": bob.key_id, "name": "test", "person_id": bob.person_id},
        "channel": "api",
        "request_id": "mine",
        "lead_id": lead["id"],
        "object": {"type": "lead", "id": lead["id"]},
        "changes": None,
        "data": lead,
    }


def test_a_key_without_a_person_has_none(charlie: Api) -> None:
    charlie.lead()
    assert events(charlie)[0]["principal"]["person_id"] is None
    assert "person_id" not in events(charlie, type="organization.created")[0]["principal"]


def test_an_update_shows_each_field_before_and_after(alice: Api) -> None:
    lead = alice.lead(first_name="Maria", tags=["roof"])
    changed = alice.put(f"/leads/{lead['id']}", {"first_name": "Ada", "tags": []}).json()["data"]
    event = events(alice)[0]
    assert event["changes"] == {"first_name": ["Maria", "Ada"], "tags": [["roof"], []]}
    assert event["data"] == changed


def test_without_a_cursor_the_latest_come_newest_first(alice: Api) -> None:
    ids = [alice.lead()["id"] for _ in range(4)]
    assert [event["lead_id"] for event in events(alice, limit=3)] == ids[:0:-1]
    assert len(events(alice, type="lead.*")) == 4


def test_a_cursor_leads_through_the_whole_log_oldest_first(alice: Api) -> None:
    for _ in range(5):
        alice.lead()
    whole = [event["id"] for event in events(alice)][::-1]
    walked, next = [], "0"
    while found := api_page(alice, next):
        walked += [event["id"] for event in found["data"]]
        next = found["meta"]["next"]
        assert found["meta"] == {"limit": 2, "next": walked[-1]}
    assert walked == whole
    assert alice.get("/events", after=next).json() == {"data": [], "meta": {"limit": 50, "next": next}}


def api_page(api: Api, cursor: str) -> Any:
    found = api.get("/events", after=cursor, limit=2).json()
    return found if found["data"] else None


def test_next_is_where_to_go_on_even_where_nothing_is_listed(alice: Api) -> None:
    listed = alice.get("/events", type="task.*").json()
    assert listed["data"] == []
    lead = alice.lead()
    found = after(alice, listed["meta"]["next"])
    assert [event["lead_id"] for event in found["data"]] == [lead["id"]]
    assert found["meta"]["next"] == found["data"][-1]["id"]


def test_one_sees_ones_own_write_at_once_and_by_cursor_within_a_second(alice: Api) -> None:
    before = cursor(alice)
    lead = alice.lead()
    assert events(alice, limit=1)[0]["lead_id"] == lead["id"]
    assert eventually(lambda: events(alice, after=before), 1)[0]["lead_id"] == lead["id"]


def test_a_change_that_changes_nothing_and_a_repeat_are_no_events(alice: Api) -> None:
    lead = alice.lead(first_name="Ada")
    before = cursor(alice)
    alice.put(f"/leads/{lead['id']}", {"first_name": "Ada"})
    for _ in range(2):
        alice.post("/leads", {"first_name": "Eve"}, Idempotency_Key="once")
    assert [event["data"]["first_name"] for event in after(alice, before)["data"]] == ["Eve"]


def test_types_are_chosen_exactly_and_by_how_they_begin(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    alice.put(f"/leads/{lead['id']}", {"notes": "Leak"})
    task(alice, "Call", contact_id=lead["id"])
    book(alice, lead)
    assert types(alice, type="lead.*") == ["lead.updated", "lead.created"]
    assert types(alice, type="task.created, lead.created") == ["task.created", "lead.created"]
    assert types(alice, type="lead.*,task.*", after="0") == ["lead.created", "lead.updated", "task.created"]
    assert types(alice, type="lead.*,task.*", limit=2) == ["task.created", "lead.updated"]
    assert types(alice, type="*") == types(alice)


@pytest.mark.parametrize(
    "type", ["lead", "lead.", "leads.*", "nothing.*", "lead.flown", "", "LEAD.*", ",,", "lead.archived"]
)
def test_a_type_that_matches_nothing_is_an_empty_list(alice: Api, type: str) -> None:
    alice.lead()
    assert events(alice, type=type) == events(alice, type=type, after="0") == []


def test_events_are_found_by_lead_and_by_object(alice: Api) -> None:
    lead, other = alice.lead(phone=PHONE), alice.lead()
    visit = book(alice, lead)
    alice.put(f"/appointments/{visit['id']}", {"notes": "Ladder"})
    task(alice, "Call", contact_id=other["id"])
    assert types(alice, lead_id=lead["id"]) == ["appointment.updated", "appointment.created", "lead.created"]
    assert types(alice, lead_id=lead["id"].upper(), type="lead.*") == ["lead.created"]
    assert types(alice, object_id=visit["id"]) == ["appointment.updated", "appointment.created"]
    assert types(alice, object_id=visit["id"], after="0") == ["appointment.created", "appointment.updated"]
    assert types(alice, object_id=visit["id"].upper(), type="appointment.updated") == ["appointment.updated"]
    assert types(alice, object_id=lead["id"]) == ["lead.created"]
    assert types(alice, object_id=visit["id"], lead_id=lead["id"], limit=1) == ["appointment.updated"]
    assert types(alice, object_id=visit["id"], lead_id=other["id"]) == []
    assert types(alice, object_id="unheard of") == types(alice, lead_id=str(uuid.uuid4())) == []


def test_a_text_says_its_words_to_keys_that_may_read_them(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    say(alice, lead, "Hello Maria")
    hear(alice, PHONE, "STOP")
    alice.post(f"/conversations/{lead['id']}/messages", {"body": "Hello again"})
    texts = "message.accepted,message.blocked,message.received"
    told = {event["type"]: event["data"] for event in events(alice, type=texts)}
    assert told["message.accepted"]["body"] == "Hello Maria"
    assert told["message.blocked"]["body"] == "Hello again"
    few = alice.server.api(alice.organization_id, scopes=["events:read"])
    heard = {event["type"]: event["data"] for event in events(few, type=texts)}
    assert set(heard) == set(told) == set(texts.split(","))
    assert heard["message.accepted"] == {
        name: value for name, value in told["message.accepted"].items() if name != "body"
    }
    assert "Hello" not in few.get("/events").text


@pytest.mark.parametrize("bad", ["x", "-1", "00", "", " ", "é", "1 or 1=1", "null", "0,0"])
def test_a_cursor_that_is_no_event_is_refused(alice: Api, bad: str) -> None:
    refused(alice.get("/events", after=bad), 400, "validation_error", "`after`")


def test_a_cursor_of_another_organization_is_one_that_never_was(alice: Api, charlie: Api) -> None:
    alice.lead()
    theirs = events(alice, limit=1)[0]["id"]
    answers = [charlie.get("/events", after=id) for id in (theirs, str(uuid.uuid4()))]
    assert answers[0].content == answers[1].content
    refused(answers[0], 400, "validation_error", "`after`")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"lead_id": "x"}, "lead_id"),
        ({"object_id": "x" * 101}, "object_id"),
        ({"type": "x" * 1001}, "type"),
        ({"type": "a\0"}, "type"),
    ],
)
def test_bad_filters_are_named(alice: Api, query: dict[str, Any], field: str) -> None:
    refused(alice.get("/events", **query), 400, "validation_error", f"`{field}`")


def test_a_filter_that_is_given_twice_is_refused(alice: Api) -> None:
    refused(alice.http.get("/events?after=0&after=0"), 400, "validation_error", "`after`")


def test_nobody_sees_the_events_of_others(alice: Api, charlie: Api) -> None:
    lead = alice.lead()
    assert lead["id"] not in charlie.get("/events").text
    assert events(charlie, lead_id=lead["id"]) == events(charlie, object_id=lead["id"]) == []


def test_the_log_needs_its_scope(alice: Api) -> None:
    leads = alice.server.api(alice.organization_id, scopes=["leads:read"])
    refused(leads.get("/events"), 403, "insufficient_scope", "events:read")


def test_every_event_of_an_ordinary_day_has_a_known_type(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    say(alice, lead, "Hello")
    hear(alice, PHONE, "STOP")
    hear(alice, PHONE, "START")
    alice.delete(f"/leads/{lead['id']}")
    found = set(types(alice, limit=100))
    assert {"lead.created", "lead.archived", "message.received", "suppression.added", "suppression.lifted"} <= found
    assert found <= set(EVENT_TYPES)


def test_erasing_a_person_empties_the_events_and_keeps_them(alice: Api) -> None:
    secret = "Zebulon"
    lead = alice.lead(first_name=secret, phone=PHONE, notes=secret)
    alice.put(f"/leads/{lead['id']}", {"last_name": secret})
    book(alice, lead, notes=secret)
    task(alice, secret, contact_id=lead["id"])
    say(alice, lead, f"Hello {secret}")
    before = types(alice, lead_id=lead["id"])
    assert secret in alice.get("/events").text
    alice.do(lambda ctx: erase_lead(ctx, lead["id"], SLICES))
    about = events(alice, lead_id=lead["id"])
    assert about[0]["type"] == "lead.erased"
    assert [event["type"] for event in about if event["type"] in set(before)][-len(before) :][-1] == "lead.created"
    assert len(about) >= len(before) + 1
    assert {(str(event["changes"]), str(event["data"])) for event in about[1:]} == {("None", "None")}
    for query in ({}, {"after": "0"}, {"type": "*"}, {"object_id": lead["id"]}, {"lead_id": lead["id"]}):
        text = alice.get("/events", limit=100, **query).text
        assert secret not in text
        assert PHONE not in text


def run(server: Any, *words: str) -> Any:
    made = CliRunner().invoke(cli, ["--database", server.database, *words])
    assert made.exit_code == 0, made.output
    return made.stdout


def test_the_operator_lists_events_too(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    task(alice, "Call", contact_id=lead["id"])
    org = ("--org", alice.organization_id)
    listed = json.loads(run(alice.server, "events", "list", *org, "--json"))
    assert listed == alice.get("/events").json()
    listed = json.loads(run(alice.server, "events", "list", *org, "--after", "0", "--type", "lead.*", "--json"))
    assert [event["type"] for event in listed["data"]] == ["lead.created"]
    told = run(alice.server, "events", "list", *org, "--lead", lead["id"], "--limit", "1")
    assert "task.created" in told
    assert "lead.created" not in told


def test_the_operators_erasing_leaves_nothing_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path / "deskbell.db") as server:
        api = server.api(server.organization())
        lead = api.lead(first_name="Zebulon")
        run(server, "lead", "erase", lead["id"], "--yes")
        assert types(api, type="lead.*") == ["lead.erased", "lead.created"]
        assert "Zebulon" not in api.get("/events").text
        assert "Zebulon" not in run(server, "events", "list", "--org", api.organization_id, "--json")


def test_an_agents_prompt_is_shown_only_to_keys_with_full_access(alice: Api) -> None:
    backend = application(alice.server, alice.organization_id)
    made = backend.post(
        "/agents", {"name": "Desk", "model": "deskbell/extractive", "system_prompt": "Our margin is 40%."}
    )
    assert made.status_code == 201, made.text
    agent = made.json()["id"]
    backend.put(f"/agents/{agent}", {"system_prompt": "Our margin is 41%."})
    limited = alice.server.api(alice.organization_id, scopes=["events:read"])
    everything, shown = (api.get("/events", object_id=agent).text for api in (alice, limited))
    assert "40%" in everything
    assert "41%" in everything
    assert "margin" not in shown
    assert '"agent.saved"' in shown
