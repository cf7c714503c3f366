"""The demo's leads, and the suppressions of some of their numbers."""

from __future__ import annotations

from deskbell.demo import words
from deskbell.demo.builder import ORGANIZATION, DemoBuilder, Row
from deskbell.foundation import clock
from deskbell.foundation.contact import number_hash

#: By status: the number of leads, their possible temperatures, and the range of their scores.
STATUSES = {
    "new": (44, ("hot", "warm", "cold", None), (10, 70)),
    "contacted": (42, ("hot", "warm", "cold"), (25, 70)),
    "inspection_scheduled": (28, ("hot", "warm"), (50, 85)),
    "estimate_sent": (38, ("hot", "hot", "warm"), (60, 97)),
    "won": (52, ("warm", "hot"), (70, 100)),
    "lost": (24, ("cold",), (0, 35)),
    "nurture": (12, ("cold", "warm"), (15, 45)),
}
SPARE_AREA = "361"
OPTED_OUT, DO_NOT_CALL = 9, 6
AGES = {
    "new": (0.6, 9),
    "contacted": (3, 30),
    "inspection_scheduled": (3, 21),
    "estimate_sent": (8, 60),
}  # days since they were created


def make_leads(builder: DemoBuilder) -> list[Row]:
    """240 leads; the loader adds the derived columns."""
    random = builder.random
    numbers = {
        area: random.sample(range(1, 100), 99) for area in [*{area: 1 for area, _, _ in words.PLACES}, SPARE_AREA]
    }
    names = random.sample([(first, last) for first in words.FIRST for last in words.LAST], 240)
    statuses = [status for status, (count, _, _) in STATUSES.items() for _ in range(count)]
    return [make_lead(builder, status, *name, numbers) for status, name in zip(statuses, names, strict=True)]


def make_lead(builder: DemoBuilder, status: str, first: str, last: str, numbers: dict[str, list[int]]) -> Row:
    random = builder.random
    area, city, zips = random.choice(words.PLACES)
    area = area if numbers[area] else SPARE_AREA
    email = f"{first}.{last}@example.{random.choice(('com', 'org', 'net'))}".lower()
    _, temperatures, scores = STATUSES[status]
    created = builder.ago(*AGES.get(status, (30, 400)))
    company = random.choice(words.COMPANIES) if builder.chance(0.12) else None
    storm = builder.chance(0.45)
    return builder.row(
        created,
        builder.ago(0, 20),
        first_name=first,
        last_name=last,
        phone=None if builder.chance(0.04) else f"+1{area}55501{numbers[area].pop():02}",
        email=None if builder.chance(0.15) else email,
        company=company,
        address_street=f"{random.randint(100, 9899)} {random.choice(words.STREETS)}",
        city=city,
        state="TX",
        zip=random.choice(zips),
        status=status,
        temperature=random.choice(temperatures),
        source=random.choices(("website", "referral", "manual", "api", "import", "other"), (40, 22, 14, 12, 8, 4))[0],
        lead_score=random.randint(*scores),
        notes=random.choice(words.NOTES[status]) if builder.chance(0.8) else None,
        tags=tags(builder, storm, company is not None),
        custom_fields=details(builder, storm, company is not None),
    )


def tags(builder: DemoBuilder, storm: bool, business: bool) -> list[str]:
    chosen = (
        ["hail-damage", "insurance"]
        if storm
        else [builder.random.choice(("leak", "aging-roof", "pre-sale", "new-owner"))]
    )
    chosen += ["commercial"] if business else []
    return chosen + [tag for tag in ("gutters", "financing", "solar") if builder.chance(0.12)]


def details(builder: DemoBuilder, storm: bool, business: bool) -> Row:
    random = builder.random
    fields: Row = {
        "property_type": "commercial" if business else random.choice(("house", "house", "townhouse", "duplex")),
        "roof_type": "flat TPO" if business and builder.chance(0.6) else random.choice(words.ROOFS),
        "roof_age_years": random.randint(3, 28),
        "roof_squares": random.randint(60, 240) if business else random.randint(14, 52),
        "stories": random.choice((1, 1, 2, 2, 3)),
    }
    if storm:
        fields["insurance_claim"] = f"CLM-{builder.today.year}-{random.randint(10000, 99999)}"
        fields["deductible_usd"] = random.choice((1000, 1500, 2500, 5000))
    return fields


def make_suppressions(builder: DemoBuilder, leads: list[Row]) -> list[Row]:
    """Numbers that have opted out, then numbers on the do-not-call list. Hot leads have none."""
    reachable = [lead for lead in leads if lead["phone"] and lead["status"] in ("contacted", "lost", "nurture")]
    rows = []
    for index, lead in enumerate(builder.random.sample(reachable, OPTED_OUT + DO_NOT_CALL)):
        since = clock.of(builder.ago(1, 3))
        opted_out = index < OPTED_OUT
        rows.append(
            {
                "organization_id": ORGANIZATION,
                "number_hash": number_hash(ORGANIZATION, lead["phone"]),
                "phone": lead["phone"],
                "opted_out_at": since if opted_out else None,
                "on_dnc_at": None if opted_out else since,
            }
        )
    return rows
