"""Erasing a person for good: content and identity go, the number's opt-out stays as a hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deskbell.compliance.suppressions import suppression_status
from deskbell.core.context import Context, operator_context
from deskbell.core.events import record
from deskbell.core.slice import DataSubject, Slice
from deskbell.errors import Problem
from deskbell.foundation.db import Session
from deskbell.leads.model import Erasure


class Kept(NamedTuple):
    """What still stands against texting a number of an erased person, kept by the number's hash."""

    opt_out: bool
    dnc_entry: bool


async def erase_lead(ctx: Context, lead_id: str, slices: Sequence[Slice]) -> Kept:
    """Erases what every slice knows of a lead, archived or not. Appointments, tasks and events stay as facts without words."""
    found = [await each.numbers(ctx, lead_id) for each in slices if each.numbers]
    subject = DataSubject(lead_id, frozenset(number for numbers in found for number in numbers))
    against = [await suppression_status(ctx, number) for number in subject.numbers]
    for each in slices:
        if each.erase:
            await each.erase(ctx, subject)
    await record(ctx, "lead.erased", lead_id, lead_id=lead_id)
    return Kept(any(each.opted_out_at for each in against), any(each.on_dnc_at for each in against))


async def carry_over(session: Session, entries: list[Erasure], *, slices: Sequence[Slice]) -> int:
    """Erases in an earlier state whom a later one had erased. How many; leads that it lacks are left out."""
    carried = 0
    for entry in entries:
        try:
            await erase_lead(await operator_context(session, entry.organization_id), entry.id, slices)
        except Problem:  # not there, or erased already
            continue
        carried += 1
    return carried
