"""The demo's calendar: each lead has been visited as far as its status says."""

from __future__ import annotations

from datetime import datetime, timedelta

from deskbell.demo.making import Making, Row
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

#: Per status: the visits that are behind and those that are ahead.
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


def make_appointments(making: Making, leads: list[Row]) -> list[Row]:
    """400 appointments: the visits of each lead, then checks and repairs for those who bought."""
    rows = []
    for lead in leads:
        behind, ahead = VISITS[lead["status"]]
        finished = lead["status"] == "won" and making.chance(0.5)
        past = behind + ahead if finished else behind
        rows += [make_appointment(making, lead, kind, past=True) for kind in past]
        rows += [
            make_appointment(making, lead, kind, past=False) for kind in ahead if not finished and making.chance(0.7)
        ]
    customers = [lead for lead in leads if lead["status"] == "won"]
    while len(rows) < COUNT:
        kind = making.random.choice(("Maintenance check", "Repair"))
        rows.append(make_appointment(making, making.random.choice(customers), kind, past=making.chance(0.6)))
    return rows[:COUNT]


def make_appointment(making: Making, lead: Row, kind: str, *, past: bool) -> Row:
    random = making.random
    known = max((making.now - clock.moment(lead["created_at"])).days, 2)
    start = making.working_hour(-random.randint(1, known) if past else random.randint(1, 45))
    if past:
        status = random.choices(("completed", "cancelled", "no_show"), (84, 9, 7))[0]
    else:
        status = random.choices(("scheduled", "confirmed", "cancelled"), (55, 38, 7))[0]
    outcome = random.choice(OUTCOMES[kind]) if status == "completed" else (None, None)
    return making.row(
        booked_at(making, lead, start),
        start if past else making.ago(0, 2),
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


def booked_at(making: Making, lead: Row, start: datetime) -> datetime:
    """After the lead came, before the visit, and not later than today began."""
    earliest = clock.moment(lead["created_at"])
    latest = max(min(start, making.now), earliest)
    return earliest + (latest - earliest) * making.random.random()
