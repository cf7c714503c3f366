"""Erasing a person for good: content and identity go, the number's opt-out stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deskbell import app
from deskbell.app import SLICES
from deskbell.compliance import suppressions
from deskbell.conversations.carriers import simulator
from deskbell.core.context import Context
from deskbell.core.operation import Operation
from deskbell.errors import Problem
from deskbell.foundation.db import update
from deskbell.leads import store
from deskbell.leads.model import Lead
from deskbell.privacy.operations import erase_lead
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_conversations import hear, say
from tests.behaviours.test_tasks import task
from tests.behaviours.test_texting import haste, last, outcome
from tests.desk import Api, Server, eventually, refused, running
from tests.postgres import stored

__all__ = ["haste"]
PHONE = "+15125550123"
SECRET = "Zebulon"


@pytest.fixture
def erased(alice: Api) -> dict[str, Any]:
    """A lead with a history, whom the operator then erased."""
    words = {"last_name": SECRET, "email": f"{SECRET}@example.com", "notes": SECRET, "custom_fields": {SECRET: SECRET}}
    lead = alice.post("/leads", {"first_name": SECRET, "phone": PHONE, **words}, Idempotency_Key="k").json()["data"]
    appointment = book(alice, lead, notes=SECRET, location=SECRET)
    duty = task(alice, SECRET, description=SECRET, contact_id=lead["id"])
    say(alice, lead, f"Hello {SECRET}")
    hear(alice, PHONE, f"I am {SECRET}")
    say(alice, lead, "Goodbye")
    assert outcome(alice, lead) == "delivered"
    alice.do(lambda ctx: suppressions.opt_out(ctx, PHONE))
    alice.do(lambda ctx: erase_lead(ctx, lead["id"], SLICES))
    return {"lead": lead, "appointment": appointment, "task": duty}


def test_nothing_of_the_person_is_left_in_any_table(alice: Api, erased: dict[str, Any]) -> None:
    left = {
        table
        for table, rows in stored(alice.server.database).items()
        for row in rows
        if SECRET[:5].casefold() in repr(row).casefold() or (alice.organization_id in row and PHONE in row)
    }
    assert left == set()


def test_the_api_knows_nothing_of_the_person(alice: Api, erased: dict[str, Any]) -> None:
    refused(alice.get(f"/leads/{erased['lead']['id']}"), 404, "not_found")
    assert alice.get("/leads", search=SECRET).json()["data"] == []
    assert alice.get("/conversations").json()["data"] == []


def test_appointments_and_tasks_stay_without_words(alice: Api, erased: dict[str, Any]) -> None:
    appointment = alice.get(f"/appointments/{erased['appointment']['id']}").json()["data"]
    assert appointment["start_time"] == erased["appointment"]["start_time"]
    assert appointment["notes"] is appointment["location"] is None
    assert alice.get(f"/tasks/{erased['task']['id']}").json()["data"]["title"] == "Erased"


def test_the_opt_out_of_the_number_stays(alice: Api, erased: dict[str, Any]) -> None:
    again = alice.lead(phone=PHONE)
    assert again["sms_opted_out"] is True
    refused(alice.post(f"/conversations/{again['id']}/messages", {"body": "x"}), 422, "compliance_blocked")


@pytest.mark.parametrize("phone", [simulator.SLOW, simulator.OPTED_OUT])
def test_a_text_that_was_on_its_way_is_forgotten_too(alice: Api, phone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "SLOW", phone)
    lead = alice.lead(phone=phone)
    say(alice, lead, f"Hello {SECRET}")
    eventually(lambda: last(alice, lead)["status"] == "sending")
    alice.do(lambda ctx: erase_lead(ctx, lead["id"], SLICES))

    def ours() -> list[str]:
        tables = stored(alice.server.database)
        return [f"{table} {row}" for table in tables for row in tables[table] if alice.organization_id in row]

    eventually(lambda: not [row for row in ours() if "texts.send" in row])
    assert [row for row in ours() if SECRET in row or phone in row] == []


async def restore_lead(ctx: Context, id: str) -> Lead:
    """Restore an archived lead: an operation that somebody adds by the recipe in CONTRIBUTING.md."""
    found = await ctx.db.one(store.any_lead_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", "No lead of your organization has this id")
    return await unarchive(ctx, id)


async def unarchive(ctx: Context, id: str) -> Lead:
    """The same without a look at the lead first."""
    key = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.leads, key, {"archived_at": None, "updated_at": ctx.now}))
    found = await ctx.db.one(store.lead_row(ctx.organization_id, id))
    assert found is not None
    return found


async def unerase(ctx: Context, id: str) -> Lead:
    """A mistake that nobody should be able to make."""
    key = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.leads, key, {"erased_at": None}))
    return await unarchive(ctx, id)


@pytest.fixture
def extended(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A business on a server that can restore leads too."""
    added = [
        Operation(f"leads.{act.__name__}", act, f"POST /api/v1/leads/{{id}}/{act.__name__}", scope="leads:write")
        for act in (restore_lead, unarchive, unerase)
    ]
    monkeypatch.setattr(app, "OPERATIONS", [*app.OPERATIONS, *added])
    place = server.database if server.database.startswith("postgres") else tmp_path / "deskbell.db"
    with running(place) as other:
        yield other.api(other.organization())


def test_nothing_that_restores_leads_brings_an_erased_person_back(extended: Api) -> None:
    archived, erased = extended.lead(first_name="Ada", phone=PHONE), extended.lead(first_name=SECRET)
    for lead in (archived, erased):
        assert extended.delete(f"/leads/{lead['id']}").status_code == 200
    extended.do(lambda ctx: erase_lead(ctx, erased["id"], SLICES))
    assert extended.post(f"/leads/{archived['id']}/restore_lead").json()["data"]["archived_at"] is None
    refused(extended.post(f"/leads/{erased['id']}/restore_lead"), 404, "not_found")
    for careless in ("unarchive", "unerase"):
        assert extended.post(f"/leads/{erased['id']}/{careless}").status_code == 500
    refused(extended.get(f"/leads/{erased['id']}"), 404, "not_found")
    assert [lead["id"] for lead in extended.get("/leads").json()["data"]] == [archived["id"]]
