"""What can be done with applications and their keys. All of it is the operator's, by the CLI."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deskbell.core.context import Context, operator_context
from deskbell.core.events import record
from deskbell.errors import Problem
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import NO_ID, new_id
from deskbell.identity import application_keys, store
from deskbell.identity.api_keys import key_hash
from deskbell.identity.lookups import lock_team
from deskbell.identity.model import (
    Application,
    ApplicationDetails,
    ApplicationKey,
    ApplicationKeyRevocation,
    ApplicationType,
)
from deskbell.identity.rules import validate_origin
from deskbell.organizations import rules


async def create_application(
    ctx: Context, name: str, type: ApplicationType, origins: Sequence[str] = ()
) -> Application:
    """A program that may use the agent API as far as its type goes. It has no key yet."""
    await lock_team(ctx)
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "type": type,
        "created_at": ctx.now,
    }
    await ctx.db.run(insert(store.applications, row))
    await put_origins(ctx, row["id"], origins)
    await record(ctx, "application.created", row["id"], after=await get_details(ctx, row["id"]))
    return await get_application(ctx, row["id"])


async def get_application(ctx: Context, id: str) -> Application:
    found = await ctx.db.one(store.application_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", f"No application has the id {id}")
    return found


async def get_details(ctx: Context, id: str) -> ApplicationDetails:
    application = await get_application(ctx, id)
    keys = [key.shown for key in await list_application_keys(ctx, id) if not key.revoked_at]
    return ApplicationDetails(**msgspec.structs.asdict(application), origins=await origins_of(ctx, id), keys=keys)


async def list_applications(ctx: Context) -> list[Application]:
    """Every application of the organization, revoked ones too, oldest first."""
    return await ctx.db.all(store.applications_of(ctx.organization_id))


async def origins_of(ctx: Context, id: str) -> list[str]:
    """The origins of the web pages that may call with the application's keys."""
    return await ctx.db.all(store.origins_of(ctx.organization_id, id))


async def set_origins(ctx: Context, id: str, origins: Sequence[str]) -> Application:
    """Replaces the origins of the web pages that may call with the application's keys. None is the start."""
    await lock_team(ctx)
    before = await get_details(ctx, id)
    await put_origins(ctx, id, origins)
    await record(ctx, "application.updated", id, before=before, after=await get_details(ctx, id))
    return await get_application(ctx, id)


async def put_origins(ctx: Context, id: str, origins: Sequence[str]) -> None:
    checked = sorted({validate_origin(origin) for origin in origins})
    await ctx.db.run(store.drop_origins(ctx.organization_id, id))
    for origin in checked:
        row = {"organization_id": ctx.organization_id, "application_id": id, "origin": origin}
        await ctx.db.run(insert(store.application_origins, row))


async def revoke_application(ctx: Context, id: str) -> Application:
    """Ends an application and all its keys, for good; holds within a second in a running server."""
    await lock_team(ctx)
    application = await get_application(ctx, id)
    if application.revoked_at:
        return application
    before, moment = await get_details(ctx, id), ctx.now
    key = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.applications, key, {"revoked_at": moment}))
    await ctx.db.run(store.revoke_application_keys(ctx.organization_id, id, moment))
    await ctx.db.run(store.drop_origins(ctx.organization_id, id))
    await record(ctx, "application.revoked", id, before=before, after=await get_details(ctx, id))
    return await get_application(ctx, id)


async def create_application_key(ctx: Context, application_id: str, name: str = "") -> tuple[ApplicationKey, str]:
    """A new key of an application and, this once, its plaintext."""
    await lock_team(ctx)
    before = await get_details(ctx, application_id)
    if before.revoked_at:
        raise Problem("not_found", f"The application {application_id} is revoked; create another one")
    plaintext = application_keys.new_key()
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "application_id": application_id,
        "name": name,
        "key_hash": key_hash(plaintext),
        "shown": application_keys.masked(plaintext),
        "created_at": ctx.now,
    }
    await ctx.db.run(insert(store.application_keys, row))
    await record(
        ctx, "application.updated", application_id, before=before, after=await get_details(ctx, application_id)
    )
    return await get_application_key(ctx, str(row["id"])), plaintext


async def get_application_key(ctx: Context, id: str) -> ApplicationKey:
    found = await ctx.db.one(store.application_key_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", f"No application's key has the id {id}")
    return found


async def list_application_keys(ctx: Context, application_id: str) -> list[ApplicationKey]:
    """Every key of an application, revoked ones too."""
    await get_application(ctx, application_id)
    return await ctx.db.all(store.keys_of_application(ctx.organization_id, application_id))


async def revoke_application_key(ctx: Context, id: str) -> ApplicationKey:
    """Ends a key for good; holds within a second in a running server."""
    await lock_team(ctx)
    key = await get_application_key(ctx, id)
    if key.revoked_at:
        return key
    before = await get_details(ctx, key.application_id)
    own = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.application_keys, own, {"revoked_at": ctx.now}))
    await record(ctx, "application.updated", before.id, before=before, after=await get_details(ctx, before.id))
    return await get_application_key(ctx, id)


async def key_ends_after(
    session: Session, last: ApplicationKeyRevocation | None, most: int
) -> list[ApplicationKeyRevocation]:
    """Revoked keys of all organizations, behind `last`."""
    return await session.all(store.application_key_ends_after(last.id if last else NO_ID, most))


async def carry_over_key_ends(session: Session, entries: list[ApplicationKeyRevocation]) -> int:
    """Ends the keys of an earlier state that a later one has revoked. How many changed."""
    ended = 0
    for end in entries:
        if organization_id := await session.one(store.organization_of_application_key(end.id)):
            ctx = await operator_context(session, organization_id)
            if not (await get_application_key(ctx, end.id)).revoked_at:
                await revoke_application_key(ctx, end.id)
                ended += 1
    return ended


async def ends_after(
    session: Session, last: ApplicationKeyRevocation | None, most: int
) -> list[ApplicationKeyRevocation]:
    """Revoked applications of all organizations, behind `last`."""
    return await session.all(store.application_ends_after(last.id if last else NO_ID, most))


async def carry_over_ends(session: Session, entries: list[ApplicationKeyRevocation]) -> int:
    """Ends the applications of an earlier state that a later one has revoked. How many changed."""
    ended = 0
    for end in entries:
        if organization_id := await session.one(store.organization_of_application(end.id)):
            ctx = await operator_context(session, organization_id)
            if not (await get_application(ctx, end.id)).revoked_at:
                await revoke_application(ctx, end.id)
                ended += 1
    return ended
