"""deskbell serve: one process that holds the file and answers."""

from __future__ import annotations

import logging
import math
import signal
import socket
import sys
from typing import Any

import click
import msgspec
import uvicorn

from deskbell import __version__
from deskbell.app import Deskbell
from deskbell.foundation import sqlite
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.addresses import address_of
from deskbell.surfaces.cli.database import file_of, is_empty, program

BACKLOG = 2048


class Server(uvicorn.Server):
    """Says what it serves as soon as it does."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self.greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo(self.greeting, err=True)

    def stop_early(self, *_: Any) -> None:
        """A signal before uvicorn listens for it. Afterwards uvicorn repeats the one that it has obeyed: nothing is left to do."""
        if not self.started:
            raise SystemExit(0)


@click.command()
@click.option("--host", help="Address to listen on; by default DESKBELL_HOST or 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="By default DESKBELL_PORT or 8000; 0 takes a free one.")
@click.option("--database", metavar="URL", help="Where the data is; by default DESKBELL_DATABASE.")
@click.pass_obj
def serve(settings: Settings, host: str | None, port: int | None, database: str | None) -> None:
    """Serve the API until Ctrl-C. Creates or upgrades the database first.

    Requests are logged to standard output, one JSON line each; everything else goes to standard error.
    """
    given = {"host": host, "port": port, "database": database}
    settings = msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})
    path = file_of(settings.database)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with sqlite.exclusive(path), listening(settings) as listener:
        is_empty(path)  # refuses a file of somebody else's
        sqlite.prepare(path, migrate=True)
        run(settings, path, listener)
    click.echo("Deskbell has stopped. Everything that was acknowledged is stored.", err=True)


def listening(settings: Settings) -> socket.socket:
    """A bound socket, or a clear word on why there is none."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise click.ClickException(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. Choose another with --port."
        ) from None
    return listener


def run(settings: Settings, path: str, listener: socket.socket) -> None:
    """Serves until a signal; then gives requests half of the drain time and jobs the other half."""
    config = uvicorn.Config(
        Deskbell(settings),
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds / 2),
    )
    server = Server(config, greeting(settings, path, listener.getsockname()[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.stop_early)
    try:
        server.run(sockets=[listener])
    except SystemExit as end:  # uvicorn's way to say that the application did not start
        if end.code:
            raise click.ClickException("Deskbell could not start; the log above says why.") from None
        raise


def greeting(settings: Settings, path: str, port: int) -> str:
    """What is served and where, and the next thing to do."""
    held = sqlite.Guest(path)
    found = held.read(lookups.list_organizations)
    held.close()
    address = address_of(settings.host, port)
    count = "1 organization" if len(found) == 1 else f"{len(found)} organizations"
    call = program(settings)
    lines = [
        f"Deskbell {__version__} serves {address}  (Ctrl-C stops it)",
        f"  documentation  {address}/docs",
        f"  database       {settings.database} ({count})",
    ]
    if not found:
        lines.append(f"  next           {call} org create NAME, or {call} demo")
    else:
        organization = found[0].id if len(found) == 1 else "ORG"
        lines.append(f"  make a key     {call} key create --org {organization} --name NAME")
    return "\n".join(lines)
