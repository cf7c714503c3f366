"""deskbell app: programs that use the agent API, and their keys."""

from __future__ import annotations

from typing import Any, get_args

import click
import msgspec

from deskbell.core.context import Context
from deskbell.foundation.db import Session
from deskbell.identity import applications
from deskbell.identity.model import Application, ApplicationKey, ApplicationType
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import program, read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table

COLUMNS = ("id", "application_id", "name", "shown", "revoked_at", "last_used_at")
origin_option = click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Origin of web pages that may call, such as https://example.com. May be repeated.",
)
app_option = click.option("--app", "application", metavar="APP", required=True)


@click.group()
def app() -> None:
    """Manage the applications that call the agent API (/v1), and their keys. APP is the id of an application."""


@app.command()
@click.option("--org", "organization", metavar="ORG", required=True)
@click.option("--name", required=True, help="The application's name.")
@click.option(
    "--type",
    "type_",
    type=click.Choice(get_args(ApplicationType)),
    required=True,
    help="A backend-service may do everything; the others may only use agents.",
)
@origin_option
@as_json
@click.pass_obj
def create(
    settings: Settings, organization: str, name: str, type_: ApplicationType, origins: tuple[str, ...], as_json: bool
) -> None:
    """Create an application."""

    async def unit(session: Session) -> dict[str, Any]:
        ctx = await lookups.context(session, organization)
        return await described(ctx, await applications.create_application(ctx, name, type_, origins))

    made = write(settings, unit)
    show(made, as_json)
    if not as_json:
        click.echo(f"\nCreate a key: {program(settings)} app key create --app {made['id']}")


@app.command(name="list")
@click.option("--org", "organization", metavar="ORG", required=True)
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List an organization's applications, including revoked ones."""

    async def unit(session: Session) -> list[Application]:
        return await applications.list_applications(await lookups.context(session, organization))

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "name", "type", "revoked_at"), nothing="This organization has no applications yet.")


@app.command()
@click.argument("application", metavar="APP")
@origin_option
@click.option("--no-origins", is_flag=True, help="Remove all origins.")
@as_json
@click.pass_obj
def update(settings: Settings, application: str, origins: tuple[str, ...], no_origins: bool, as_json: bool) -> None:
    """Replace the origins of the web pages that may call."""
    if bool(origins) == no_origins:
        raise click.UsageError("Give either --origin or --no-origins.")
    id = lookups.id_of("application", application)

    async def unit(session: Session) -> dict[str, Any]:
        ctx = await lookups.context_of_application(session, id)
        return await described(ctx, await applications.set_origins(ctx, id, origins))

    show(write(settings, unit), as_json)


@app.command()
@click.argument("application", metavar="APP")
@as_json
@click.pass_obj
def revoke(settings: Settings, application: str, as_json: bool) -> None:
    """Revoke an application and all its keys. This cannot be undone; a running server refuses them within a second."""
    id = lookups.id_of("application", application)

    async def unit(session: Session) -> dict[str, Any]:
        ctx = await lookups.context_of_application(session, id)
        return await described(ctx, await applications.revoke_application(ctx, id))

    show(write(settings, unit), as_json)


@app.group()
def key() -> None:
    """Create, list and revoke an application's keys. Changes reach a running server within a second."""


@key.command(name="create")
@app_option
@click.option("--name", default="", help="What the key is for.")
@as_json
@click.pass_obj
def create_key(settings: Settings, application: str, name: str, as_json: bool) -> None:
    """Create a key and print it. It cannot be printed again."""
    id = lookups.id_of("application", application)

    async def unit(session: Session) -> tuple[ApplicationKey, str]:
        return await applications.create_application_key(await lookups.context_of_application(session, id), id, name)

    made, plaintext = write(settings, unit)
    if as_json:
        show_json({**msgspec.structs.asdict(made), "key": plaintext})
    else:
        show_record(made, key=plaintext)
        click.echo("\nSave the key now: it cannot be shown again.")


@key.command(name="list")
@app_option
@as_json
@click.pass_obj
def list_keys(settings: Settings, application: str, as_json: bool) -> None:
    """List an application's keys, including revoked ones. Only the last characters of each key are shown."""
    id = lookups.id_of("application", application)

    async def unit(session: Session) -> list[ApplicationKey]:
        return await applications.list_application_keys(await lookups.context_of_application(session, id), id)

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, COLUMNS, nothing="This application has no keys yet.")


@key.command(name="revoke")
@click.argument("key_id")
@as_json
@click.pass_obj
def revoke_key(settings: Settings, key_id: str, as_json: bool) -> None:
    """Revoke a key. This cannot be undone; a running server refuses it within a second."""
    id = lookups.id_of("application's key", key_id)

    async def unit(session: Session) -> ApplicationKey:
        return await applications.revoke_application_key(await lookups.context_of_application_key(session, id), id)

    ended = write(settings, unit)
    if as_json:
        show_json(ended)
    else:
        show_record(ended)


async def described(ctx: Context, application: Application) -> dict[str, Any]:
    """An application with its origins."""
    return {**msgspec.structs.asdict(application), "origins": await applications.origins_of(ctx, application.id)}


def show(application: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(application)
    else:
        show_record(msgspec.convert(application, Application), origins=" ".join(application["origins"]))
