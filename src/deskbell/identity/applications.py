"""What can be done with applications and their keys. All of it is the operator's, by the CLI."""

from __future__ import annotations

from collections.abc import Sequence

from deskbell.core.context import Context
from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import NO_ID, new_id
from deskbell.identity import application_keys
from deskbell.identity import rules as identity_rules
from deskbell.identity import store as identity_store
from deskbell.identity.api_keys import key_hash
from deskbell.identity.model import Application, ApplicationKey, ApplicationKeyRevocation, ApplicationType
from deskbell.organizations import rules


async def create_application(
    ctx: Context, name: str, type: ApplicationType, origins: Sequence[str] = ()
) -> Application:
    """A program that may use the agent API as far as its type goes. It has no key yet."""
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "type": type,
        "created_at": ctx.now,
    }
    await ctx.db.run(insert(identity_store.applications, row))
    await set_origins(ctx.db, row["id"], origins)
    return await get_application(ctx.db, row["id"])


async def get_application(session: Session, id: str) -> Application:
    found = await session.one(identity_store.application_row(id))
    if found is None:
        raise Problem("not_found", f"No application has the id {id}")
    return found


async def list_applications(ctx: Context) -> list[Application]:
    """Every application of the organization, revoked ones too, oldest first."""
    return await ctx.db.all(identity_store.applications_of(ctx.organization_id))


async def origins_of(session: Session, application: Application) -> list[str]:
    """The origins of the web pages that may call with the application's keys."""
    return await session.all(identity_store.origins_of(application.organization_id, application.id))


async def set_origins(session: Session, id: str, origins: Sequence[str]) -> Application:
    """Replaces the origins of the web pages that may call with the application's keys. None is the start."""
    application = await get_application(session, id)
    checked = sorted({identity_rules.validate_origin(origin) for origin in origins})
    await session.run(identity_store.drop_origins(application.organization_id, id))
    for origin in checked:
        row = {"organization_id": application.organization_id, "application_id": id, "origin": origin}
        await session.run(insert(identity_store.application_origins, row))
    return application


async def revoke_application(session: Session, id: str) -> Application:
    """Ends an application and all its keys, for good; holds within a second in a running server."""
    application = await get_application(session, id)
    if application.revoked_at:
        return application
    moment = clock.now()
    await session.run(update(identity_store.applications, {"id": id}, {"revoked_at": moment}))
    await session.run(identity_store.revoke_application_keys(application.organization_id, id, moment))
    await session.run(identity_store.drop_origins(application.organization_id, id))
    return await get_application(session, id)


async def create_application_key(session: Session, application_id: str, name: str = "") -> tuple[ApplicationKey, str]:
    """A new key of an application and, this once, its plaintext."""
    application = await get_application(session, application_id)
    if application.revoked_at:
        raise Problem("not_found", f"The application {application_id} is revoked; create another one")
    plaintext = application_keys.new_key()
    row = {
        "organization_id": application.organization_id,
        "id": new_id(),
        "application_id": application_id,
        "name": name,
        "key_hash": key_hash(plaintext),
        "shown": application_keys.masked(plaintext),
        "created_at": clock.now(),
    }
    await session.run(insert(identity_store.application_keys, row))
    return await get_application_key(session, str(row["id"])), plaintext


async def get_application_key(session: Session, id: str) -> ApplicationKey:
    found = await session.one(identity_store.application_key_row(id))
    if found is None:
        raise Problem("not_found", f"No application's key has the id {id}")
    return found


async def list_application_keys(session: Session, application_id: str) -> list[ApplicationKey]:
    """Every key of an application, revoked ones too."""
    application = await get_application(session, application_id)
    return await session.all(identity_store.keys_of_application(application.organization_id, application_id))


async def revoke_application_key(session: Session, id: str) -> ApplicationKey:
    """Ends a key for good; holds within a second in a running server."""
    if not (await get_application_key(session, id)).revoked_at:
        await session.run(update(identity_store.application_keys, {"id": id}, {"revoked_at": clock.now()}))
    return await get_application_key(session, id)


async def key_ends_after(
    session: Session, last: ApplicationKeyRevocation | None, most: int
) -> list[ApplicationKeyRevocation]:
    """Revoked keys of all organizations, behind `last`."""
    return await session.all(identity_store.application_key_ends_after(last.id if last else NO_ID, most))


async def carry_over_key_ends(session: Session, entries: list[ApplicationKeyRevocation]) -> int:
    """Ends the keys of an earlier state that a later one has revoked. How many changed."""
    return sum([await session.run(identity_store.end_application_key(end.id, end.revoked_at)) for end in entries])


async def ends_after(
    session: Session, last: ApplicationKeyRevocation | None, most: int
) -> list[ApplicationKeyRevocation]:
    """Revoked applications of all organizations, behind `last`."""
    return await session.all(identity_store.application_ends_after(last.id if last else NO_ID, most))


async def carry_over_ends(session: Session, entries: list[ApplicationKeyRevocation]) -> int:
    """Ends the applications of an earlier state that a later one has revoked. How many changed."""
    alive = [end.id for end in entries if await session.one(identity_store.live_application(end.id))]
    for id in alive:
        await revoke_application(session, id)
    return len(alive)
