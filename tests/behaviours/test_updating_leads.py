"""Updating leads: partial bodies, null, and what a change may collide with."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from tests.behaviours.test_creating_leads import FULL, LIMITS
from tests.desk import Api, refused

NULLABLE = sorted(set(FULL) - {"first_name", "status", "source", "tags", "custom_fields"})
OTHER = {
    "first_name": "Ana",
    "last_name": "Lima",
    "phone": "+15125550199",
    "email": "ana@example.com",
    "company": "Lima Ltd",
    "address_street": "2 Oak Ave",
    "city": "Dallas",
    "state": "OK",
    "zip": "75201",
    "status": "won",
    "temperature": "cold",
    "source": "import",
    "notes": "",
    "tags": [],
    "custom_fields": {"other": [1, 2]},
}
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("field", FULL)
def test_each_field_changes_alone(alice: Api, field: str) -> None:
    before = alice.lead(**FULL)
    answer = alice.put(f"/leads/{before['id']}", {field: OTHER[field]})
    assert answer.status_code == 200
    after = answer.json()["data"]
    assert after == {**before, field: OTHER[field], "updated_at": after["updated_at"]}
    assert alice.get(f"/leads/{before['id']}").json()["data"] == after


def test_all_fields_change_at_once_and_the_update_is_dated(alice: Api) -> None:
    lead = alice.lead(**FULL)
    with time_machine.travel("2040-01-02T03:04:05Z", tick=False):
        after = alice.put(f"/leads/{lead['id']}", OTHER).json()["data"]
    assert after == {**lead, **OTHER, "updated_at": "2040-01-02T03:04:05Z"}


@pytest.mark.parametrize("field", NULLABLE)
def test_null_clears_a_field(alice: Api, field: str) -> None:
    before = alice.lead(**FULL)
    after = alice.put(f"/leads/{before['id']}", {field: None}).json()["data"]
    assert after == {**before, field: None, "updated_at": after["updated_at"]}


@pytest.mark.parametrize("field", ["first_name", "status", "source", "tags", "custom_fields"])
def test_null_is_refused_where_there_must_be_a_value(alice: Api, field: str) -> None:
    lead = alice.lead(**FULL)
    refused(alice.put(f"/leads/{lead['id']}", {field: None, "city": "X"}), 400, "validation_error", f"`{field}`")
    assert alice.get(f"/leads/{lead['id']}").json()["data"] == lead


@pytest.mark.parametrize("body", [{}, {"nonsense": 1}, {"lead_score": 5, "sms_opted_out": True, "id": "x"}])
def test_a_body_without_a_known_field_is_refused(alice: Api, body: Any) -> None:
    lead = alice.lead()
    refused(alice.put(f"/leads/{lead['id']}", body), 400, "validation_error")


@pytest.mark.parametrize(("field", "most"), LIMITS.items())
def test_the_limits_of_creation_hold(alice: Api, field: str, most: int) -> None:
    lead = alice.lead()
    assert alice.put(f"/leads/{lead['id']}", {field: "x" * most}).json()["data"][field] == "x" * most
    refused(alice.put(f"/leads/{lead['id']}", {field: "x" * (most + 1)}), 400, "validation_error", f"`{field}`")


@pytest.mark.parametrize(
    ("field", "value"),
    [("first_name", " "), ("phone", "abc"), ("phone", ""), ("email", "maria"), ("temperature", "x"), ("source", "x")],
)
def test_the_checks_of_creation_hold(alice: Api, field: str, value: str) -> None:
    lead = alice.lead()
    refused(alice.put(f"/leads/{lead['id']}", {field: value}), 400, "validation_error", f"`{field}`")
    # The body is looked at before the record.
    refused(alice.put(f"/leads/{NOBODY}", {field: value}), 400, "validation_error", f"`{field}`")


def test_what_the_server_decides_stays(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    claimed = {"lead_score": 99, "sms_opted_out": True, "on_dnc_list": True, "created_at": "2020-01-01", "id": "x"}
    after = alice.put(f"/leads/{lead['id']}", {**claimed, "city": "Austin"}).json()["data"]
    assert after == {**lead, "city": "Austin", "updated_at": after["updated_at"]}


@pytest.mark.parametrize(("field", "value"), [("phone", "512 555 0123"), ("email", "MARIA@example.com")])
def test_a_change_may_not_take_another_leads_phone_or_email(alice: Api, field: str, value: str) -> None:
    alice.lead(phone="+15125550123", email="maria@example.com")
    second = alice.lead(phone="+15125550199", email="ana@example.com")
    refused(alice.put(f"/leads/{second['id']}", {field: value, "city": "X"}), 409, "duplicate", f"`{field}`")
    assert alice.get(f"/leads/{second['id']}").json()["data"] == second


def test_a_lead_may_be_given_its_own_phone_and_email(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123", email="maria@example.com")
    body = {"phone": "(512) 555-0123", "email": "Maria@Example.com"}
    assert alice.put(f"/leads/{lead['id']}", body).json()["data"]["email"] == "Maria@Example.com"


@pytest.mark.parametrize("id", [NOBODY, "no-uuid", "7", "%00", "%F0%9F%98%80", "null"])
def test_an_unknown_lead_is_not_found(alice: Api, id: str) -> None:
    for answer in (alice.put(f"/leads/{id}", {"city": "X"}), alice.get(f"/leads/{id}"), alice.delete(f"/leads/{id}")):
        refused(answer, 404, "not_found")


def test_an_id_is_found_in_capitals_too(alice: Api) -> None:
    lead = alice.lead()
    assert alice.get(f"/leads/{lead['id'].upper()}").json()["data"] == lead
