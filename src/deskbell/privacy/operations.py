"""Erases a person permanently: content and identity are deleted, the number's opt-out stays as a hash."""

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


class RemainingSuppressions(NamedTuple):
    """Which suppressions of an erased person's numbers stay in force, stored by hash."""

    opt_out: bool
    dnc_entry: bool


async def erase_lead(ctx: Context, lead_id: str, slices: Sequence[Slice]) -> RemainingSuppressions:
    """Erases a lead, archived or not, in every slice. Appointments, tasks and events stay without text. Raises `not_found`."""
    by_slice = [await each.numbers(ctx, lead_id) for each in slices if each.numbers]
    subject = DataSubject(lead_id, frozenset(number for numbers in by_slice for number in numbers))
    statuses = [await suppression_status(ctx, number) for number in subject.numbers]
    for each in slices:
        if each.erase:
            await each.erase(ctx, subject)
    await record(ctx, "lead.erased", lead_id, lead_id=lead_id)
    return RemainingSuppressions(any(each.opted_out_at for each in statuses), any(each.on_dnc_at for each in statuses))


async def carry_over(session: Session, entries: list[Erasure], *, slices: Sequence[Slice]) -> int:
    """Repeats the erasures of a replaced database in a restored one. Returns how many; skips leads that it lacks."""
    carried = 0
    for entry in entries:
        try:
            await erase_lead(await operator_context(session, entry.organization_id), entry.id, slices)
        except Problem:  # unknown, or already erased
            continue
        carried += 1
    return carried
