"""Texts that come in: whose they are."""

from __future__ import annotations

import pytest

from deskbell.errors import Problem
from tests.behaviours.test_conversations import hear
from tests.desk import Api

PHONE = "+15125550123"


def test_a_text_from_a_leads_number_joins_its_conversation(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    hear(alice, "(512) 555-0123", "Can you come on Friday?")
    (message,) = alice.get(f"/conversations/{lead['id']}").json()["data"]
    assert (message["body"], message["direction"], message["status"]) == (
        "Can you come on Friday?",
        "inbound",
        "received",
    )
    assert alice.get("/leads").json()["data"] == [lead]


def test_an_unknown_number_becomes_a_lead(alice: Api) -> None:
    hear(alice, PHONE, "Hello")
    hear(alice, PHONE, "Anyone there?")
    (lead,) = alice.get("/leads").json()["data"]
    assert (lead["first_name"], lead["phone"], lead["source"], lead["status"]) == (PHONE, PHONE, "other", "new")
    assert len(alice.get(f"/conversations/{lead['id']}").json()["data"]) == 2


def test_two_organizations_know_one_number_apart(alice: Api, charlie: Api) -> None:
    mine, his = alice.lead(phone=PHONE), charlie.lead(phone=PHONE)
    hear(alice, PHONE, "STOP")
    assert alice.get(f"/leads/{mine['id']}").json()["data"]["sms_opted_out"] is True
    assert charlie.get(f"/leads/{his['id']}").json()["data"]["sms_opted_out"] is False
    assert charlie.get("/conversations").json()["data"] == []
    assert charlie.post(f"/conversations/{his['id']}/messages", {"body": "Hi"}).status_code == 201


def test_a_text_from_what_is_no_number_is_refused(alice: Api) -> None:
    with pytest.raises(Problem, match="from"):
        hear(alice, "nobody", "Hello")
    assert alice.get("/leads").json()["data"] == []
