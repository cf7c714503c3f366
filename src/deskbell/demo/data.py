"""The demo organization as rows. Pure: the same date and seed give the same rows."""

from __future__ import annotations

from datetime import date

import msgspec

from deskbell.demo import words
from deskbell.demo.appointments import make_appointments
from deskbell.demo.builder import ORGANIZATION, DemoBuilder, Row
from deskbell.demo.leads import make_leads, make_suppressions
from deskbell.demo.tasks import make_tasks
from deskbell.demo.texts import make_texts
from deskbell.foundation import clock
from deskbell.organizations.model import DAYS

SEED = 1836
NAME = "Lone Star Roofing"


class Demo(msgspec.Struct):
    """All rows by table, parents first. Leads lack the columns that their slice derives."""

    organization: Row
    people: list[Row]
    suppressions: list[Row]
    leads: list[Row]
    appointments: list[Row]
    tasks: list[Row]
    threads: list[Row]
    messages: list[Row]


def generate(today: date, seed: int = SEED) -> Demo:
    """The demo as of a date: the past is before its midnight (UTC), the future after it."""
    builder = DemoBuilder(today, seed)
    people = make_people(builder)
    leads = make_leads(builder)
    suppressions = make_suppressions(builder, leads)
    threads, messages = make_texts(builder, leads, suppressions, people)
    return Demo(
        organization=make_organization(builder),
        people=people,
        suppressions=suppressions,
        leads=leads,
        appointments=make_appointments(builder, leads),
        tasks=make_tasks(builder, leads, people),
        threads=threads,
        messages=messages,
    )


def make_organization(builder: DemoBuilder) -> Row:
    hours = {day: {"start": "07:30", "end": "17:30"} for day in DAYS[:5]}
    hours |= {"saturday": {"start": "08:00", "end": "12:00"}}
    row = builder.row(
        builder.ago(500, 520),
        builder.ago(20, 30),
        name=NAME,
        logo_url="https://example.com/lone-star-roofing.png",
        primary_phone="+15125550100",
        primary_email="office@example.com",
        address="410 Limestone Ct, Austin, TX 78704",
        business_hours=msgspec.json.encode({day: hours.get(day) for day in DAYS}).decode(),
        payment_status="active",
        plan_tier="growth",
        ai_name="Sarah",
        ai_tone="friendly_professional",
        timezone="America/Chicago",
        country="US",
    )
    del row["organization_id"]
    return {**row, "id": ORGANIZATION}


def make_people(builder: DemoBuilder) -> list[Row]:
    rows = []
    for name, local, role in words.TEAM:
        row = builder.row(builder.ago(400, 500), name=name, email=f"{local}@example.com", role=role)
        rows.append({key: value for key, value in row.items() if key != "updated_at"})
    return rows


def today() -> date:
    return clock.moment(clock.now()).date()
