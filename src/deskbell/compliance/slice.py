"""Compliance: what stands against texting a number. It belongs to the number, so merging two leads changes nothing."""

from deskbell.compliance import store
from deskbell.compliance.suppressions import erase_number
from deskbell.core.context import Context
from deskbell.core.slice import DataSubject, Slice


async def erase(ctx: Context, subject: DataSubject) -> None:
    """Leaves of each number only the hash that an opt-out needs."""
    for number in sorted(subject.numbers):
        await erase_number(ctx, number)


COMPLIANCE = Slice("compliance", personal=[store.suppressions], erase=erase)
