"""Business time is the organization's: one clock for what is stored and for what falls due, and no other organization notices."""

from __future__ import annotations

from datetime import datetime, timedelta

from deskbell.core.context import Context
from deskbell.core.jobs import enqueue
from deskbell.foundation.jobs import waiting_jobs
from deskbell.organizations.operations import set_clock
from tests.desk import Api, eventually

DAY = 86_400  # seconds


def created_at(api: Api) -> datetime:
    return datetime.fromisoformat(api.lead()["created_at"])


async def due_in_an_hour(ctx: Context) -> None:
    await enqueue(ctx, "texts.send", {"message_id": "00000000-0000-0000-0000-000000000001"}, delay=3600)


def waiting(api: Api) -> int:
    return len(api.server.do(lambda session: session.all(waiting_jobs(api.organization_id))))


def test_what_is_stored_follows_the_organizations_clock(alice: Api, charlie: Api) -> None:
    alice.do(lambda ctx: set_clock(ctx, DAY))
    eventually(lambda: created_at(alice) - created_at(charlie) > timedelta(hours=23))
    assert created_at(alice) - created_at(charlie) < timedelta(hours=25)


def test_jobs_fall_due_by_the_organizations_clock(alice: Api, charlie: Api) -> None:
    alice.do(due_in_an_hour)
    charlie.do(due_in_an_hour)
    alice.do(lambda ctx: set_clock(ctx, 3599))
    assert (waiting(alice), waiting(charlie)) == (1, 1)
    alice.do(lambda ctx: set_clock(ctx, 3700))
    eventually(lambda: waiting(alice) == 0)
    assert waiting(charlie) == 1
