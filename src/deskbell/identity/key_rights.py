"""Who may make and revoke which API keys: nobody hands on more than they have."""

from __future__ import annotations

from collections.abc import Sequence

from deskbell.core.context import Context
from deskbell.core.scopes import ROLE_SCOPES
from deskbell.errors import Problem, invalid
from deskbell.foundation.clock import Instant
from deskbell.identity.lookups import get_person, require_owner


def reaches_all(ctx: Context) -> bool:
    """Whether the one who acts sees and revokes every key of the organization: an owner, an admin, and the operator's keys."""
    return ctx.principal.role in (None, "owner", "admin")


async def check_person(ctx: Context, person_id: str | None) -> None:
    """Refuses a key for a person whose rights the one who acts could not use anyway."""
    if person_id is None:
        return
    person = await get_person(ctx, person_id)
    if person_id == ctx.principal.person_id:
        return
    if not reaches_all(ctx) or "people:write" not in ctx.principal.scopes:
        raise Problem("insufficient_scope", "Only an owner or admin makes API keys for other people")
    if person.role == "owner":
        await require_owner(ctx)


def check_scopes(ctx: Context, scopes: Sequence[str], *, own: bool) -> None:
    """Refuses scopes that the one who acts lacks. An empty list is everything; for `own` keys that is everything within one's role."""
    principal = ctx.principal
    lacking = next((scope for scope in scopes if scope not in principal.scopes), None)
    if lacking is not None:
        raise Problem("insufficient_scope", f"A key cannot be given the scope '{lacking}', which yours lacks")
    whole_role = own and principal.role is not None and principal.scopes == ROLE_SCOPES[principal.role]
    if not scopes and not (principal.scopes.everything or whole_role):
        raise Problem("insufficient_scope", "A key cannot be given full access, which yours lacks: name its `scopes`")


def bounded_expiry(ctx: Context, wanted: Instant | None) -> Instant | None:
    """When a new key expires: not after the one that makes it, and with it where nothing else is wanted."""
    limit = ctx.principal.credential.expires_at if ctx.principal.credential else None
    if limit is None or wanted is None:
        return wanted if limit is None else Instant(limit)
    if wanted > limit:
        raise invalid("expires_at", "must not be later than the expiry of the key that makes it")
    return wanted
