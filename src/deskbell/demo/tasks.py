"""The demo's tasks, open and completed."""

from __future__ import annotations

from datetime import timedelta

from deskbell.demo.builder import DemoBuilder, Row
from deskbell.foundation import clock
from deskbell.tasks.rules import PRIORITY_RANK

COUNT = 150

#: Titles by the lead's status; {first}, {street} and {claim} are replaced by the lead's.
TITLES = {
    "new": ["Call {first} about {street}", "Check the storm report for {street}"],
    "contacted": ["Text {first} two times for an inspection", "Call {first} again after 5 pm"],
    "inspection_scheduled": ["Print the roof measurements for {street}", "Confirm the inspection with {first}"],
    "estimate_sent": [
        "Follow up on {first}'s estimate",
        "Send {first} the financing link",
        "Call the adjuster about {claim}",
    ],
    "won": [
        "Order shingles and underlayment for {street}",
        "Pull the permit for {street}",
        "Upload the completion photos of {street}",
        "Send {first} the warranty papers",
        "Ask {first} for a review",
    ],
    "lost": ["Ask {first} what made the difference"],
    "nurture": ["Check in with {first} in spring"],
}
OFFICE = [
    "Renew the liability insurance certificate",
    "Order yard signs",
    "Service the dump trailer",
    "Update the price list for class 4 shingles",
    "Plan the crews for next week",
]
DESCRIPTIONS = [
    None,
    None,
    "Photos are in the lead's folder.",
    "Best reached before noon.",
    "Mind the HOA's list of colors.",
]


def make_tasks(builder: DemoBuilder, leads: list[Row], team: list[Row]) -> list[Row]:
    """150 tasks, a few of them without a lead."""
    busy = [lead for lead in leads if lead["status"] != "nurture"]
    about: list[Row | None] = [None] * len(OFFICE) + list(builder.random.sample(busy, COUNT - len(OFFICE)))
    return [make_task(builder, lead, index, team) for index, lead in enumerate(about)]


def make_task(builder: DemoBuilder, lead: Row | None, index: int, team: list[Row]) -> Row:
    random = builder.random
    lead_created = builder.ago(1, 30) if lead is None else clock.moment(lead["created_at"])
    created = lead_created + (builder.now - lead_created) * random.random()
    status = random.choices(("open", "in_progress", "completed", "cancelled"), (50, 14, 30, 6))[0]
    priority = random.choices(list(PRIORITY_RANK), (20, 45, 25, 10))[0]
    by_ai = builder.chance(0.2)
    due = builder.working_hour(random.randint(-10, -1) if status == "completed" else random.randint(-3, 21))
    return builder.row(
        created,
        created + timedelta(hours=random.randint(0, 72)),
        contact_id=None if lead is None else lead["id"],
        title=OFFICE[index] if lead is None else title(builder, lead),
        description=random.choice(DESCRIPTIONS),
        priority=priority,
        priority_rank=PRIORITY_RANK[priority],
        status=status,
        due_date=None if builder.chance(0.1) else clock.of(due),
        assigned_to_user_id=None if builder.chance(0.15) else random.choice(team)["id"],
        created_by_user_id=None if by_ai else random.choice(team)["id"],
        created_by_ai=by_ai,
    )


def title(builder: DemoBuilder, lead: Row) -> str:
    claim = lead["custom_fields"].get("insurance_claim")
    choices = [each for each in TITLES[lead["status"]] if claim or "{claim}" not in each]
    return builder.random.choice(choices).format(first=lead["first_name"], street=lead["address_street"], claim=claim)
