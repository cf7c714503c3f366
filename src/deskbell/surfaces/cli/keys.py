"""deskbell key: the API keys of an organization."""

from __future__ import annotations

from typing import Any

import click
import msgspec
from msgspec import UNSET

from deskbell.core.scopes import SCOPES
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Session
from deskbell.identity import api_keys
from deskbell.identity.model import READS_PER_MINUTE, WRITES_PER_MINUTE, ApiKey
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table

COLUMNS = ("id", "name", "prefix", "scopes", "active", "expires_at", "last_used_at")
Limit = click.IntRange(1, 2**31 - 1)


NEVER = Instant("")


class Moment(click.ParamType[Instant]):
    """ISO 8601; UTC where there is no offset. The word `never` is NEVER."""

    name = "ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        if value == "never":
            return NEVER
        try:
            return Instant.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


scope_option = click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(SCOPES)),
    help="May be repeated. Without any, the key has full access.",
)
expires_option = click.option("--expires", type=Moment(), help="When the key expires, in ISO 8601, or `never`.")


@click.group()
def key() -> None:
    """Create, list, update and revoke API keys. Changes reach a running server within a second."""


@key.command()
@click.option("--org", "organization", metavar="ORG", required=True)
@click.option("--name", required=True, help="What the key is for.")
@scope_option
@click.option("--reads", type=Limit, default=READS_PER_MINUTE, show_default=True, help="Reads per minute.")
@click.option("--writes", type=Limit, default=WRITES_PER_MINUTE, show_default=True, help="Writes per minute.")
@expires_option
@click.option("--person", metavar="PERSON_ID", help="The person whom the key belongs to: it is limited to their role.")
@as_json
@click.pass_obj
def create(
    settings: Settings,
    organization: str,
    name: str,
    scopes: tuple[str, ...],
    reads: int,
    writes: int,
    expires: Instant | None,
    person: str | None,
    as_json: bool,
) -> None:
    """Create a key and print it. It cannot be printed again."""

    async def unit(session: Session) -> tuple[ApiKey, str]:
        ctx = await lookups.context(session, organization)
        limits: dict[str, Any] = {"reads": reads, "writes": writes, "expires_at": expires or None, "person_id": person}
        return await api_keys.create_key(ctx, name, scopes=list(scopes), **limits)

    made, plaintext = write(settings, unit)
    if as_json:
        show_json({**msgspec.structs.asdict(made), "key": plaintext})
    else:
        show_record(made, key=plaintext)
        click.echo("\nKeep the key now: it cannot be shown again.")


@key.command(name="list")
@click.option("--org", "organization", metavar="ORG", required=True)
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List an organization's keys, including revoked ones. Only the first characters of each key are shown."""

    async def unit(session: Session) -> list[ApiKey]:
        return await lookups.list_keys(session, (await lookups.find_organization(session, organization)).id)

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, COLUMNS, nothing="This organization has no keys yet.")


@key.command()
@click.argument("key_id")
@scope_option
@click.option("--full-access", is_flag=True, help="Remove all scopes, so that the key has full access.")
@click.option("--reads", type=Limit, help="Reads per minute.")
@click.option("--writes", type=Limit, help="Writes per minute.")
@expires_option
@as_json
@click.pass_obj
def update(
    settings: Settings,
    key_id: str,
    scopes: tuple[str, ...],
    full_access: bool,
    reads: int | None,
    writes: int | None,
    expires: Instant | None,
    as_json: bool,
) -> None:
    """Change a key's scopes, limits or expiry. Given scopes replace the present ones."""
    if full_access and scopes:
        raise click.UsageError("Give either --scope or --full-access.")
    wanted = [] if full_access else list(scopes) or None
    if wanted is None and reads is None and writes is None and expires is None:
        raise click.UsageError("Nothing to change: give at least one option.")
    id = lookups.id_of("API key", key_id)
    expires_at = UNSET if expires is None else expires or None

    async def unit(session: Session) -> ApiKey:
        ctx = await lookups.context_of_key(session, id)
        return await api_keys.update_key(ctx, id, scopes=wanted, reads=reads, writes=writes, expires_at=expires_at)

    show(write(settings, unit), as_json)


@key.command()
@click.argument("key_id")
@as_json
@click.pass_obj
def revoke(settings: Settings, key_id: str, as_json: bool) -> None:
    """Revoke a key. A running server refuses it within a second."""
    id = lookups.id_of("API key", key_id)

    async def unit(session: Session) -> ApiKey:
        return await api_keys.revoke_key(await lookups.context_of_key(session, id), id)

    show(write(settings, unit), as_json)


def show(key: ApiKey, as_json: bool) -> None:
    if as_json:
        show_json(key)
    else:
        show_record(key)
