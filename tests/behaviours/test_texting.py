"""Texting a lead: what is accepted, in what order it is checked, and how it comes to be delivered."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Update, update

from deskbell.compliance import suppressions
from deskbell.conversations.carriers import simulator
from deskbell.foundation import clock, jobs
from deskbell.foundation.db import command
from tests.behaviours.test_conversations import NOBODY, say
from tests.desk import Api, eventually, refused

FINAL = {"delivered", "undelivered", "failed", "cancelled", "unknown"}


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator reports at once, and jobs are tried again at once."""
    monkeypatch.setattr(simulator, "DELIVERY", 0.1)
    monkeypatch.setattr(simulator, "SLOWNESS", 0.4)
    monkeypatch.setattr(jobs, "BACKOFF", (0.05,))


def last(api: Api, lead: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/conversations/{lead['id']}").json()["data"][-1])


def outcome(api: Api, lead: dict[str, Any]) -> str:
    """The last message's status, once it stays."""
    return str(eventually(lambda: last(api, lead)["status"] in FINAL and last(api, lead)["status"]))


def hurry(api: Api) -> None:
    """Makes due what an organization waits for."""
    api.do(lambda ctx: ctx.db.run(make_due(api.organization_id, clock.now())))


@command
def make_due(organization_id: str, moment: str) -> Update:
    return update(jobs.jobs).where(jobs.jobs.c.organization_id == organization_id).values(due_at=moment)


def test_a_text_is_queued_then_sent_then_delivered(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "DELIVERY", 3600)
    lead = alice.lead(phone="+15125550123")
    message = say(alice, lead, "We can be there at nine.")
    assert message == {
        "id": message["id"],
        "type": "sms",
        "direction": "outbound",
        "body": "We can be there at nine.",
        "status": "queued",
        "sent_at": None,
        "created_at": message["created_at"],
    }
    sent = eventually(lambda: last(alice, lead)["status"] == "sent" and last(alice, lead))
    assert sent == {**message, "status": "sent", "sent_at": sent["sent_at"]}
    assert sent["sent_at"] is not None
    hurry(alice)
    assert eventually(lambda: last(alice, lead)["status"] == "delivered" and last(alice, lead)) == {
        **sent,
        "status": "delivered",
    }


@pytest.mark.parametrize("body", ["x", "é" * 1600, "🏠" * 1600, " x ", "a\nb"])
def test_a_text_has_1_to_1600_characters(alice: Api, body: str) -> None:
    assert say(alice, alice.lead(phone="+15125550123"), body)["body"] == body


@pytest.mark.parametrize(
    "given", [{}, {"body": ""}, {"body": " \n\t"}, {"body": "x" * 1601}, {"body": None}, {"body": 5}, {"text": "x"}]
)
def test_a_bad_body_is_refused_by_name(alice: Api, given: Any) -> None:
    lead = alice.lead(phone="+15125550123")
    refused(alice.post(f"/conversations/{lead['id']}/messages", given), 400, "validation_error", "`body`")
    assert alice.get("/conversations").json()["data"] == []


def test_the_body_then_the_lead_then_compliance_then_the_phone(alice: Api, charlie: Api) -> None:
    blocked, silent = alice.lead(phone="+15125550123"), alice.lead()
    alice.do(lambda ctx: suppressions.opt_out(ctx, "+15125550123"))

    def post(id: str, body: str) -> Any:
        return alice.post(f"/conversations/{id}/messages", {"body": body})

    for id in (NOBODY, "no-uuid", charlie.lead()["id"], blocked["id"], silent["id"]):
        refused(post(id, ""), 400, "validation_error", "`body`")
    for id in (NOBODY, "no-uuid", charlie.lead()["id"]):
        refused(post(id, "Hi"), 404, "not_found")
    refused(post(blocked["id"], "Hi"), 422, "compliance_blocked", "sms_opted_out")
    refused(post(silent["id"], "Hi"), 400, "validation_error", "`phone`")
    assert alice.get("/conversations").json()["data"] == []


@pytest.mark.parametrize(
    ("phone", "expected"),
    [(simulator.UNREACHABLE, "undelivered"), (simulator.LANDLINE, "failed"), (simulator.OPTED_OUT, "failed"),
     (simulator.DOWN, "failed"), (simulator.SLOW, "delivered")],
)  # fmt: skip
def test_magic_numbers_show_what_can_go_wrong(alice: Api, phone: str, expected: str) -> None:
    lead = alice.lead(phone=phone)
    assert say(alice, lead, "Hello")["status"] == "queued"
    assert outcome(alice, lead) == expected
    was_sent = expected in ("undelivered", "delivered")
    assert (last(alice, lead)["sent_at"] is not None) == was_sent


def test_the_magic_numbers_are_in_the_documented_order() -> None:
    order = [simulator.UNREACHABLE, simulator.LANDLINE, simulator.OPTED_OUT, simulator.DOWN, simulator.SLOW]
    assert order == [f"+1500555000{last}" for last in range(1, 6)]


def test_a_carrier_that_is_down_is_tried_again(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = alice.lead(phone=simulator.DOWN)
    monkeypatch.setattr(jobs, "BACKOFF", (3600,))
    say(alice, lead, "Hello")
    seen = {alice.get(f"/conversations/{lead['id']}").json()["data"][0]["status"] for _ in range(20)}
    assert seen <= {"queued", "sending"}
    monkeypatch.setattr(simulator, "DOWN", "+15005559999")
    assert (
        eventually(lambda: hurry(alice) or (last(alice, lead)["status"] in FINAL and last(alice, lead)["status"]))
        == "delivered"
    )


def test_an_opt_out_that_the_carrier_knows_becomes_ours(alice: Api) -> None:
    lead = alice.lead(phone=simulator.OPTED_OUT)
    assert lead["sms_opted_out"] is False
    say(alice, lead, "Hello")
    assert outcome(alice, lead) == "failed"
    assert alice.get(f"/leads/{lead['id']}").json()["data"]["sms_opted_out"] is True
    refused(alice.post(f"/conversations/{lead['id']}/messages", {"body": "x"}), 422, "compliance_blocked")


def test_a_slow_carrier_holds_nobody_up(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "SLOWNESS", 30.0)
    slow, quick = alice.lead(phone=simulator.SLOW), alice.lead(phone="+15125550123")
    say(alice, slow, "Hello")
    say(alice, quick, "Hello")
    assert outcome(alice, quick) == "delivered"
    assert last(alice, slow)["status"] in ("queued", "sending")
