"""Compliance: suppressions and the gate. Suppressions belong to numbers, so merging two leads changes nothing."""

from deskbell.compliance import store
from deskbell.compliance.suppressions import erase_number
from deskbell.core.context import Context
from deskbell.core.slice import DataSubject, Slice


async def erase(ctx: Context, subject: DataSubject) -> None:
    """Deletes the numbers and keeps their hashes, which opt-outs need."""
    for number in sorted(subject.numbers):
        await erase_number(ctx, number)


COMPLIANCE = Slice("compliance", personal=[store.suppressions], erase=erase)
