"""The carrier that ships with Deskbell: it accepts every text, stores it in a ledger, and reports delivery shortly after.

Magic numbers simulate failures: `+15005550001` cannot be reached, `...02` is a landline, `...03` has sent STOP to the carrier,
for `...04` the carrier is down, for `...05` it is slow. The ledger stands for the carrier's own database: it is written before
`send` returns, in transactions of its own. It has a row for every call of `send`; one with a reference that it has already is
`repeated`, and no second text goes out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Column, Delete, Select, Table, Text, delete, select

from deskbell.conversations.carriers.base import Accepted, OutboundText, OutcomeUnknown, Refused, Unavailable
from deskbell.foundation import clock, jobs
from deskbell.foundation.db import ID, TIMESTAMP, Database, Session, command, insert, query, schema
from deskbell.foundation.ids import new_id

UNREACHABLE, LANDLINE, OPTED_OUT, DOWN, SLOW = (f"+1500555000{last}" for last in range(1, 6))
DELIVERY = 0.5  # seconds from acceptance to the delivery report
SLOWNESS = 5.0  # seconds that `send` takes for the slow number
REPORT = "simulator.report"

ledger = Table(
    "simulated_texts",
    schema,
    Column("id", ID, primary_key=True),
    Column("organization_id", ID, nullable=False),
    Column("reference", Text, nullable=False, index=True),
    Column("recipient", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
)


@query(str)
def accepted_id(reference: str) -> Select[Any]:
    """The carrier's id of the text that was accepted with this reference."""
    return select(ledger.c.id).where(ledger.c.reference == reference, ledger.c.status != "repeated")


@command
def erase_recipient(organization_id: str, recipient: str) -> Delete:
    return delete(ledger).where(ledger.c.organization_id == organization_id, ledger.c.recipient == recipient)


@command
def erase_reference(organization_id: str, reference: str) -> Delete:
    return delete(ledger).where(ledger.c.organization_id == organization_id, ledger.c.reference == reference)


class Simulator:
    """A carrier that only stores texts in its ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.in_flight: set[str] = set()

    async def send(self, text: OutboundText) -> Accepted:
        self.in_flight.add(text.reference)
        try:
            if text.recipient == SLOW:
                await asyncio.sleep(SLOWNESS)
            if text.recipient == LANDLINE:
                raise Refused("landline")
            if text.recipient == OPTED_OUT:
                raise Refused("opted_out", opted_out=True)
            if text.recipient == DOWN:
                raise Unavailable("the simulated carrier is down")
            return await self.database.write(lambda session: self.accept(session, text))
        finally:
            self.in_flight.discard(text.reference)

    async def accept(self, session: Session, text: OutboundText) -> Accepted:
        earlier = await session.one(accepted_id(text.reference))
        id, status = new_id(), "undelivered" if text.recipient == UNREACHABLE else "delivered"
        status = "repeated" if earlier else status
        row = {
            "id": id,
            "organization_id": text.organization_id,
            "reference": text.reference,
            "recipient": text.recipient,
            "body": text.body,
        }
        await session.run(insert(ledger, {**row, "status": status, "created_at": clock.now()}))
        if earlier:
            return Accepted(earlier)
        report = {"message_id": text.reference, "carrier_id": id, "status": status}
        await jobs.enqueue(session, REPORT, report, organization_id=text.organization_id, delay=DELIVERY)
        return Accepted(id)

    async def find(self, text: OutboundText) -> Accepted | None:
        if text.reference in self.in_flight:
            raise OutcomeUnknown
        carrier_id = await self.database.read(lambda session: session.one(accepted_id(text.reference)))
        return None if carrier_id is None else Accepted(carrier_id)

    async def erase(self, organization_id: str, reference: str) -> None:
        await self.database.write(lambda session: session.run(erase_reference(organization_id, reference)))
