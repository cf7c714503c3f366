"""The data that every benchmark runs on: one organization of 100,000 leads and one of 10,000, alike in Deskbell's file and the reference's.

The same on every run. Made once and kept in build/bench until anything that it depends on changes.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import reference_fastapi as reference
from sqlalchemy import create_engine, insert

from deskbell.foundation import contact, migrations, sqlite
from deskbell.foundation.sqlite import search
from deskbell.leads import rules
from deskbell.organizations import rules as organizations

HERE = Path(__file__).parent
KEPT = HERE.parent / "build" / "bench"
SINCE = datetime(2025, 1, 1)
LARGE, MEDIUM = 100_000, 10_000  # leads of the two organizations
PLENTY = 2**31 - 1  # requests per minute
SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "ke",
    "li",
    "mo",
    "nu",
    "pa",
    "re",
    "si",
    "to",
    "vu",
    "wa",
    "ze",
    "ji",
    "lo",
    "ma",
]
STATUSES = ["new", "contacted"]  # half each: 5,000 of the medium organization's leads
TEMPERATURES = ["cold", "warm", "hot", None]


class Tenant(NamedTuple):
    """An organization of the benchmark: its id, its key in plain text, the ids of its leads in order of creation."""

    id: str
    key: str
    leads: list[str]


class Data(NamedTuple):
    deskbell: Path
    reference: Path
    large: Tenant
    medium: Tenant


def fixed_uuid(*parts: Any) -> str:
    """A UUIDv7-like id that is the same on every run: its order is the order of `parts[-1]`."""
    value = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:16])
    value = value & ((1 << 80) - 1) | 0x0194_0000_0000 + parts[-1] << 80
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62))


def tenant(name: str, size: int) -> Tenant:
    key = "brk_" + hashlib.sha256(name.encode()).hexdigest()[:48]
    return Tenant(fixed_uuid("organization", name, 0), key, [fixed_uuid(name, number) for number in range(size)])


def people(owner: Tenant) -> Iterator[dict[str, Any]]:
    """The leads of an organization, as records of the API without the flags."""
    chance = random.Random(owner.id)
    given = [f"{a}{b}n".capitalize() for a in SYLLABLES for b in SYLLABLES]
    family = [f"{a}{b}{c}s".capitalize() for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES[:2]]
    for number, id in enumerate(owner.leads):
        first, last = chance.choice(given), chance.choice(family)
        moment = SINCE + timedelta(seconds=number * 300, microseconds=chance.randrange(1_000_000))
        yield {
            "organization_id": owner.id,
            "id": id,
            "first_name": first,
            "last_name": last,
            "phone": f"+1512{2_000_000 + number:07d}",
            "email": f"{first}.{last}.{number}@example.com".lower(),
            "company": f"{last} Homes" if number % 3 == 0 else None,
            "address_street": f"{number % 900 + 100} {family[number % 800]} Street",
            "city": "Austin",
            "state": "TX",
            "zip": f"{78700 + number % 60}",
            "status": STATUSES[number % 2],
            "temperature": TEMPERATURES[chance.randrange(4)],
            "source": "website",
            "lead_score": chance.randrange(101),
            "notes": "Asked for an estimate of a new roof; call after five." if number % 4 == 0 else None,
            "tags": ["roof", "estimate"],
            "custom_fields": {"roof_age": number % 40},
            "archived_at": None,
            "created_at": moment,
            "updated_at": moment,
        }


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds") + "Z"


def deskbell_row(lead: dict[str, Any]) -> dict[str, Any]:
    return lead | {
        "number_hash": contact.number_hash(lead["organization_id"], lead["phone"]),
        "email_key": lead["email"],
        "first_name_key": rules.folded(lead["first_name"]),
        "last_name_key": rules.folded(lead["last_name"]),
        "search_text": rules.search_text(lead["first_name"], lead["last_name"], lead["email"], lead["phone"]),
        "tags": msgspec.json.encode(lead["tags"]).decode(),
        "custom_fields": msgspec.json.encode(lead["custom_fields"]).decode(),
        "created_at": text(lead["created_at"]),
        "updated_at": text(lead["updated_at"]),
    }


def organization(owner: Tenant) -> dict[str, Any]:
    return {
        "id": owner.id,
        "name": "Acme Roofing",
        "business_hours": "{}",
        "payment_status": "active",
        "plan_tier": "starter",
        "ai_name": "Sarah",
        "ai_tone": "friendly_professional",
        "timezone": "America/Chicago",
        "country": "US",
        "created_at": text(SINCE),
        "updated_at": text(SINCE),
    }


def key_of(owner: Tenant) -> dict[str, Any]:
    return {
        "organization_id": owner.id,
        "id": fixed_uuid("key", owner.id, 0),
        "key_hash": hashlib.sha256(owner.key.encode()).hexdigest(),
        "active": 1,
        "reads_per_minute": PLENTY,
        "writes_per_minute": PLENTY,
    }


def suppressions(owner: Tenant) -> Iterator[dict[str, Any]]:
    """Every fortieth number has opted out."""
    for lead in islice(people(owner), 0, None, 40):
        yield {"organization_id": owner.id, "phone": lead["phone"], "opted_out_at": SINCE, "on_dnc_at": None}


def add(connection: apsw.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join(f':{name}' for name in first)})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)


def fill_deskbell(path: Path, tenants: list[Tenant]) -> None:
    sqlite.prepare(str(path), migrate=True)
    connection = sqlite.connect(str(path))
    connection.execute("PRAGMA synchronous=OFF; PRAGMA cache_size=-200000")
    with connection:
        for owner in tenants:
            key = {"name": "bench", "prefix": owner.key[:12], "scopes": "[]", "created_at": text(SINCE)}
            add(connection, "organizations", iter([organization(owner)]))
            add(connection, "api_keys", iter([key_of(owner) | key]))
            add(connection, "leads", map(deskbell_row, people(owner)))
            hashed = (
                row | {"number_hash": contact.number_hash(owner.id, row["phone"]), "opted_out_at": text(SINCE)}
                for row in suppressions(owner)
            )
            add(connection, "suppressions", hashed)
        search.sync_search_index(connection)
    connection.close()


def typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its ids as the ORM wants them."""
    return {name: uuid.UUID(value) if name in ("id", "organization_id") else value for name, value in row.items()}


def reference_row(lead: dict[str, Any]) -> dict[str, Any]:
    keys = {
        "email_key": lead["email"],
        "first_name_key": lead["first_name"].casefold(),
        "last_name_key": lead["last_name"].casefold(),
    }
    return typed(lead | keys)


def fill_reference(path: Path, tenants: list[Tenant]) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        reference.Base.metadata.create_all(connection)
        for owner in tenants:
            key = key_of(owner) | {"scopes": [], "active": True, "expires_at": None}
            row = {name: organization(owner)[name] for name in ("id", "name", "country")}
            connection.execute(insert(reference.Organization), typed(row))
            connection.execute(insert(reference.ApiKey), typed(key))
            leads = map(reference_row, people(owner))
            while rows := list(islice(leads, 5000)):
                connection.execute(insert(reference.Lead), rows)
            connection.execute(insert(reference.Suppression), [typed(row) for row in suppressions(owner)])
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    engine.dispose()


def version() -> str:
    """Changes when the files would."""
    parts = [
        Path(module).read_bytes() for module in (__file__, reference.__file__, rules.__file__, organizations.__file__)
    ]
    parts += [statement.encode() for step in migrations.steps() for statement in step.statements("sqlite")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def data() -> Data:
    """The files, made if they are not there. Benchmarks that write work on copies: see `copy`."""
    tenants = [tenant("large", LARGE), tenant("medium", MEDIUM)]
    folder = KEPT / version()
    if not folder.exists():
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as made:
            fill_deskbell(Path(made, "deskbell.db"), tenants)
            fill_reference(Path(made, "reference.db"), tenants)
            os.rename(made, folder)
            os.mkdir(made)
    return Data(folder / "deskbell.db", folder / "reference.db", *tenants)


if __name__ == "__main__":
    print(data().deskbell.parent)
