"""The organization's configuration, which the API can read."""

from __future__ import annotations

import msgspec

from deskbell.organizations import operations as organizations
from deskbell.organizations.model import OrganizationChanges
from tests.desk import Api, Server, refused

OPEN = {"start": "08:00", "end": "17:00"}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def test_a_new_organization_is_open_on_weekdays(server: Server) -> None:
    api = server.api(server.organization("Acme Roofing", timezone="America/Denver"))
    found = api.get("/org").json()["data"]
    assert found == {
        "id": api.organization_id,
        "name": "Acme Roofing",
        **dict.fromkeys(("logo_url", "primary_phone", "primary_email", "address")),
        "business_hours": {day: OPEN if day in DAYS[:5] else None for day in DAYS},
        "payment_status": "active",
        "plan_tier": "starter",
        "ai_name": "Sarah",
        "ai_tone": "friendly_professional",
        "timezone": "America/Denver",
        "created_at": found["created_at"],
        "updated_at": found["created_at"],
    }


def test_what_the_operator_changes_is_shown(alice: Api) -> None:
    hours = msgspec.json.encode({"saturday": {"start": "09:00", "end": "12:30"}}).decode()
    changes = OrganizationChanges(primary_phone="512 555 0100", primary_email="hi@acme.example", address="1 Main St",
                                  logo_url="https://acme.example/logo.png", ai_name="Ada", business_hours=hours)  # fmt: skip
    alice.do(lambda ctx: organizations.update_organization(ctx, changes))
    found = alice.get("/org").json()["data"]
    assert found["primary_phone"] == "+15125550100"
    assert (found["primary_email"], found["address"], found["ai_name"]) == ("hi@acme.example", "1 Main St", "Ada")
    assert found["business_hours"] == {**dict.fromkeys(DAYS), "saturday": {"start": "09:00", "end": "12:30"}}


def test_each_sees_its_own(alice: Api, bob: Api, charlie: Api) -> None:
    assert alice.get("/org").json() == bob.get("/org").json()
    assert charlie.get("/org").json()["data"]["name"] == "Charlie's Clinic"


def test_there_is_one_path_and_it_only_reads(alice: Api) -> None:
    refused(alice.get("/organization"), 404, "not_found")
    refused(alice.put("/org", {"name": "x"}), 405, "method_not_allowed")
    refused(alice.post("/org", {"name": "x"}), 405, "method_not_allowed")
