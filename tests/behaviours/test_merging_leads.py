"""What each slice does when two leads turn out to be one person. No surface offers it yet: the slices' declarations are asked."""

from __future__ import annotations

from typing import Any

from deskbell.app import SLICES
from deskbell.conversations.inbound import receive_text
from deskbell.core.context import Context
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_tasks import task
from tests.desk import Api


async def merge(ctx: Context, into: str, lead_id: str) -> None:
    for each in SLICES:
        if each.merge:
            await each.merge(ctx, into, lead_id)


async def exported(ctx: Context, name: str) -> list[Any]:
    """Every record of a kind, in pages of one."""
    [export] = [each for one in SLICES for each in one.exports if each.name == name]
    found: list[Any] = []
    while page := await export.page(ctx, found[-1].id if found else "0" * 8 + "-0000-0000-0000-" + "0" * 12, 1):
        found += page
    return found


def pair(alice: Api) -> tuple[str, str]:
    stays, goes = alice.lead(phone="+15125550101"), alice.lead(first_name="Mary", phone="+15125550102")
    book(alice, goes)
    task(alice, contact_id=goes["id"])
    alice.do(lambda ctx: receive_text(ctx, "+15125550102", "Hello"))
    return stays["id"], goes["id"]


def test_appointments_tasks_and_texts_of_both_are_the_ones_that_stay(alice: Api) -> None:
    stays, goes = pair(alice)
    alice.do(lambda ctx: merge(ctx, stays, goes))
    assert [each["lead_id"] for each in alice.get("/appointments").json()["data"]] == [stays]
    assert [each["contact_id"] for each in alice.get("/tasks").json()["data"]] == [stays]
    assert [each["body"] for each in alice.get(f"/conversations/{stays}").json()["data"]] == ["Hello"]
    assert alice.get(f"/conversations/{goes}").json()["data"] == []
    assert [each["lead_id"] for each in alice.get("/conversations").json()["data"]] == [stays]


def test_two_threads_become_one(alice: Api, charlie: Api) -> None:
    stays, goes = pair(alice)
    foreign = charlie.lead(phone="+15125550102")
    charlie.do(lambda ctx: receive_text(ctx, "+15125550102", "Not yours"))
    alice.do(lambda ctx: receive_text(ctx, "+15125550101", "Hi"))
    alice.do(lambda ctx: merge(ctx, stays, goes))
    assert [each["body"] for each in alice.get(f"/conversations/{stays}").json()["data"]] == ["Hello", "Hi"]
    assert alice.get("/conversations").json()["meta"]["total"] == 1
    assert [each["body"] for each in charlie.get(f"/conversations/{foreign['id']}").json()["data"]] == ["Not yours"]


def test_an_export_has_every_record_of_the_organization_and_no_other(alice: Api, charlie: Api) -> None:
    charlie.lead(phone="+15125550101")
    stays, goes = pair(alice)
    assert {each.id for each in alice.do(lambda ctx: exported(ctx, "leads"))} == {stays, goes}
    for name in ("appointments", "tasks", "messages"):
        assert len(alice.do(lambda ctx, name=name: exported(ctx, name))) == 1
