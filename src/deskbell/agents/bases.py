"""The knowledge bases that agents can be linked to."""

from __future__ import annotations

from deskbell.operation import Context


async def names_of_bases(ctx: Context, ids: list[str]) -> dict[str, str]:
    """The names of those that exist, by id. There are none before knowledge bases can be made."""
    return {}
