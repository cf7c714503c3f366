"""The demo's appointments: each lead has had those that its status implies."""

from __future__ import annotations

from datetime import datetime, timedelta

from deskbell.demo.builder import DemoBuilder, Row
from deskbell.foundation import clock

COUNT = 400
HOURS = {
    "Inspection": 1,
    "Estimate": 1,
    "Adjuster meeting": 1.5,
    "Installation": 8,
    "Final walkthrough": 0.5,
    "Repair": 3,
}
HOURS["Maintenance check"] = 1

#: By status: past and upcoming appointments.
VISITS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "new": ((), ()),
    "contacted": ((), ("Inspection",)),
    "inspection_scheduled": ((), ("Inspection",)),
    "estimate_sent": (("Inspection", "Estimate"), ("Adjuster meeting",)),
    "won": (("Inspection", "Adjuster meeting", "Estimate"), ("Installation", "Final walkthrough")),
    "lost": (("Inspection", "Estimate"), ()),
    "nurture": (("Inspection",), ()),
}
OUTCOMES = {
    "Inspection": [
        ("damage_found", "Hail hits on three slopes, photos uploaded."),
        ("no_damage", "Good for another five years."),
    ],
    "Estimate": [("estimate_sent", "Went through good, better, best."), ("signed", "Signed on the spot.")],
    "Adjuster meeting": [
        ("claim_approved", "Full replacement approved."),
        ("supplement_needed", "Decking left out of the scope."),
    ],
    "Installation": [("installed", "Tear-off and new roof in one day. Yard swept for nails.")],
    "Final walkthrough": [("accepted", "Happy. Warranty papers handed over.")],
    "Repair": [("repaired", "New pipe boots and flashing.")],
    "Maintenance check": [("all_good", "Cleared the gutters, resealed two vents.")],
}
NOTES = [
    None,
    None,
    "Gate code is on the box.",
    "Dog in the yard.",
    "Park on the street.",
    "Call ten minutes ahead.",
    "Bring samples.",
]


def make_appointments(builder: DemoBuilder, leads: list[Row]) -> list[Row]:
    """400 appointments: those of each lead, then maintenance and repairs for customers."""
    rows = []
    for lead in leads:
        past_kinds, upcoming = VISITS[lead["status"]]
        finished = lead["status"] == "won" and builder.chance(0.5)
        past = past_kinds + upcoming if finished else past_kinds
        rows += [make_appointment(builder, lead, kind, past=True) for kind in past]
        rows += [
            make_appointment(builder, lead, kind, past=False)
            for kind in upcoming
            if not finished and builder.chance(0.7)
        ]
    customers = [lead for lead in leads if lead["status"] == "won"]
    while len(rows) < COUNT:
        kind = builder.random.choice(("Maintenance check", "Repair"))
        rows.append(make_appointment(builder, builder.random.choice(customers), kind, past=builder.chance(0.6)))
    return rows[:COUNT]


def make_appointment(builder: DemoBuilder, lead: Row, kind: str, *, past: bool) -> Row:
    random = builder.random
    days_known = max((builder.now - clock.moment(lead["created_at"])).days, 2)
    start = builder.working_hour(-random.randint(1, days_known) if past else random.randint(1, 45))
    if past:
        status = random.choices(("completed", "cancelled", "no_show"), (84, 9, 7))[0]
    else:
        status = random.choices(("scheduled", "confirmed", "cancelled"), (55, 38, 7))[0]
    outcome = random.choice(OUTCOMES[kind]) if status == "completed" else (None, None)
    return builder.row(
        booked_at(builder, lead, start),
        start if past else builder.ago(0, 2),
        lead_id=lead["id"],
        start_time=clock.of(start),
        end_time=clock.of(start + timedelta(hours=HOURS[kind])),
        status=status,
        type=kind,
        location=f"{lead['address_street']}, {lead['city']}, TX {lead['zip']}",
        notes=random.choice(NOTES),
        booked_by=random.choices(("user", "api", "agent"), (50, 30, 20))[0],
        outcome=outcome[0],
        outcome_notes=outcome[1],
    )


def booked_at(builder: DemoBuilder, lead: Row, start: datetime) -> datetime:
    """After the lead was created, before the appointment, and before today's midnight."""
    earliest = clock.moment(lead["created_at"])
    latest = max(min(start, builder.now), earliest)
    return earliest + (latest - earliest) * builder.random.random()
