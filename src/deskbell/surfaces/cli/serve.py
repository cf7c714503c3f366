"""deskbell serve: the server, in one process or several."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import Any

import click
import msgspec
import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

from deskbell import __version__
from deskbell.app import Deskbell
from deskbell.foundation import databases, sqlite
from deskbell.settings import Settings, pass_on
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import file_of, is_empty, program
from deskbell.surfaces.cli.loopback import address_of
from deskbell.surfaces.http.http_server import uvicorn_config


class AnnouncedServer(uvicorn.Server):
    """Prints what it serves when it is ready. Wakes once a second instead of uvicorn's ten times."""

    TICKS = 10  # of uvicorn's in a second

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self.greeting = greeting
        self.exiting = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self.loop = asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter += self.TICKS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.exiting.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.exiting.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo(self.greeting, err=True)

    def stop_early(self, *_: Any) -> None:
        """Handles a signal before uvicorn does. After its own shutdown uvicorn raises the signal again: nothing is left to do."""
        if not self.started:
            raise SystemExit(0)


@click.command()
@click.option("--host", help="Address to listen on. Default: DESKBELL_HOST, or 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on. Default: DESKBELL_PORT, or 8000. 0 picks a free port.",
)
@click.option("--database", metavar="URL", help="URL of the database. Default: DESKBELL_DATABASE.")
@click.option("--workers", type=click.IntRange(1, 64), help="Number of processes. More than one needs PostgreSQL.")
@click.pass_obj
def serve(settings: Settings, host: str | None, port: int | None, database: str | None, workers: int | None) -> None:
    """Serve the API until Ctrl-C. Creates or upgrades the database first.

    Requests are logged to standard output, one JSON line each; everything else goes to standard error.
    """
    given = {"host": host, "port": port, "database": database, "workers": workers}
    settings = msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with held(settings), listening(settings) as listener:
        databases.prepare(settings.database, migrate=True)
        if settings.workers == 1:
            run(settings, listener)
        else:
            supervise(settings, listener)
    click.echo("Deskbell has stopped. Every acknowledged change is stored.", err=True)


@contextlib.contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Locks an SQLite file for this process. PostgreSQL may be shared by any number."""
    if databases.is_postgres(settings.database):
        yield
        return
    if settings.workers > 1:
        raise click.ClickException(
            "Only one process can serve an SQLite file. For more workers move the data to PostgreSQL with `deskbell copy`, "
            "and set DESKBELL_DATABASE=postgresql://..."
        )
    path = file_of(settings.database)
    with sqlite.exclusive(path):
        is_empty(path)  # refuses a file of another program
        yield


def listening(settings: Settings) -> socket.socket:
    """A bound socket, or an error that says why there is none."""
    try:
        return bound(settings.host, settings.port)
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. Choose another with --port."
        ) from None


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket bound to an address, which other sockets may share if it is `shared`."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


class SocketPerWorker:
    """Stands in for a socket: each worker that unpickles it gets a socket of its own on the port, and Linux spreads connections evenly.

    With one shared socket, the worker that wakes first accepts all waiting connections: one of four had 39 of 64 in a test.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    def __reduce__(self) -> Any:
        return partial(bound, shared=True), self.address


class Supervisor(Multiprocess):
    """Keeps the workers alive, and prints the greeting when the first one is ready."""

    def __init__(self, config: uvicorn.Config, listener: Any, greeting: str) -> None:
        super().__init__(config, [listener])
        self.greeting = greeting

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        if self.greeting and any(worker.is_ready() for worker in self.processes):
            click.echo(self.greeting, err=True)
            self.greeting = ""


def supervise(settings: Settings, listener: socket.socket) -> None:
    """Runs the workers. One that dies is replaced, and a signal lets all of them finish their work."""
    pass_on(settings)
    host, port = listener.getsockname()[:2]
    with contextlib.ExitStack() as stack:
        place: Any = listener
        if sys.platform == "linux":
            listener.close()  # it has shown that the port is free
            stack.enter_context(bound(host, port, shared=True))  # keeps the port while no worker is bound to it
            place = SocketPerWorker((host, port))
        config = uvicorn_config(settings, "deskbell.app:create", factory=True, workers=settings.workers)
        Supervisor(config, place, greeting(settings, port)).run()


def run(settings: Settings, listener: socket.socket) -> None:
    """Serves in this process until a signal."""
    server = AnnouncedServer(
        uvicorn_config(settings, Deskbell(settings)), greeting(settings, listener.getsockname()[1])
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.stop_early)
    try:
        server.run(sockets=[listener])
    except SystemExit as end:  # this is how uvicorn reports that the application did not start
        if end.code:
            raise click.ClickException("Deskbell could not start; see the log above.") from None
        raise


def greeting(settings: Settings, port: int) -> str:
    """What is served and where, and what to do next."""
    with contextlib.closing(databases.command_connection(settings.database)) as connection:
        found = connection.read(lookups.list_organizations)
    address = address_of(settings.host, port)
    count = "1 organization" if len(found) == 1 else f"{len(found)} organizations"
    call = program(settings)
    lines = [
        f"Deskbell {__version__} serves {address}  (Ctrl-C stops it)",
        f"  documentation  {address}/docs",
        f"  database       {databases.redact(settings.database)} ({count})",
    ]
    if not found:
        lines.append(f"  next           {call} org create NAME, or {call} demo")
    else:
        organization = found[0].id if len(found) == 1 else "ORG"
        lines.append(f"  create a key   {call} key create --org {organization} --name NAME")
    return "\n".join(lines)
