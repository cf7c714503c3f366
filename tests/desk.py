"""A real Deskbell for tests: real sockets, a real file, the simulator as carrier. Nothing here reaches beyond this machine."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from msgspec.structs import replace

from deskbell.app import Deskbell
from deskbell.core.context import Context, operator_context
from deskbell.errors import CATALOGUE
from deskbell.foundation import databases
from deskbell.foundation.db import Session
from deskbell.identity import api_keys
from deskbell.organizations import operations as organizations
from deskbell.settings import Settings
from deskbell.surfaces.http.http_server import uvicorn_config

USUAL = Settings(access_log=False, embedder="none")
FIRST, LAST = 10_000, 32_000  # ports below those that systems lend to whoever connects
PORTS = itertools.chain(range(FIRST + os.getpid() * 89 % (LAST - FIRST), LAST), itertools.cycle(range(FIRST, LAST)))
OURS: list[socket.socket] = []  # what keeps the ports that were given to this process from every other one
PATIENCE = 60.0  # seconds with what works, on a machine that is slow and busy
KEPT = httpx2.Limits(keepalive_expiry=2)  # sooner than the server hangs up, which a request may cross
SOON = 1.0  # seconds until a change of a key must be seen
PLENTY = 1_000_000  # requests per minute, for tests that are not about limits
atexit.register(lambda: [keeper.close() for keeper in OURS])


class Api:
    """A client of the CRM API with one key. Answers are httpx2 responses; nothing is raised for an error status."""

    def __init__(
        self, server: Server, organization_id: str, key: str, key_id: str, person_id: str | None = None
    ) -> None:
        self.server = server
        self.organization_id = organization_id
        self.key = key
        self.key_id = key_id
        self.person_id = person_id
        self.http = httpx2.Client(
            base_url=server.url + "/api/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE,
            limits=KEPT,
            trust_env=False,
            verify=False,  # plain HTTP; reading certificates costs more than most tests
        )
        server.clients.append(self.http)

    def get(self, path: str, **params: Any) -> httpx2.Response:
        return self.http.get(path, params=params)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self.http.post(path, json={} if body is None else body, headers=named(headers))

    def put(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self.http.put(path, json={} if body is None else body, headers=named(headers))

    def delete(self, path: str, **headers: str) -> httpx2.Response:
        return self.http.delete(path, headers=named(headers))

    def lead(self, **fields: Any) -> dict[str, Any]:
        """A new lead, created by the API."""
        answer = self.post("/leads", {"first_name": "Maria", **fields})
        assert answer.status_code == 201, answer.text
        lead: dict[str, Any] = answer.json()["data"]
        return lead

    def do(self, act: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
        """Something that only the operator can do, in this organization."""
        return self.server.acting(self.organization_id, act)


def named(headers: dict[str, str]) -> dict[str, str]:
    """Header names from keyword arguments: `Idempotency_Key="k"` becomes `Idempotency-Key: k`."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Server:
    """A Deskbell in a thread of this process, on a free port of the loopback interface. `place` is a file or a database URL."""

    def __init__(
        self, place: Path | str, settings: Settings | None = None, application: type[Deskbell] = Deskbell
    ) -> None:
        self.application = application
        self.database = place if isinstance(place, str) else f"sqlite:///{place}"
        self.path = self.database.removeprefix("sqlite:///")
        databases.prepare(self.database, migrate=True)
        self.settings = replace(settings or USUAL, database=self.database)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clients: list[httpx2.Client] = []

    def start(self) -> None:
        self.app = self.application(self.settings)
        config = uvicorn_config(self.settings, self.app, host="127.0.0.1", port=self.port, log_level="error")
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.uvicorn.serve()), daemon=True)
        self.thread.start()
        eventually(lambda: self.uvicorn.started or not self.thread.is_alive())
        assert self.uvicorn.started, "the server did not start"

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.uvicorn.should_exit = True
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the server did not stop"

    def do(self, work: Callable[[Session], Coroutine[Any, Any, Any]]) -> Any:
        """A transaction as a command of the CLI would run it, beside the server."""
        connection = databases.command_connection(self.database)
        try:
            return connection.write(work)
        finally:
            connection.close()

    def acting(self, organization_id: str, act: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
        """Something that only the operator can do, in one organization."""

        async def unit(session: Session) -> Any:
            return await act(await operator_context(session, organization_id))

        return self.do(unit)

    def organization(self, name: str = "Acme Roofing", **options: Any) -> str:
        created = self.do(lambda session: organizations.create_organization(session, name, **options))
        return str(created.id)

    def api(
        self,
        organization_id: str,
        *,
        scopes: list[str] | None = None,
        reads: int = PLENTY,
        writes: int = PLENTY,
        **options: Any,
    ) -> Api:
        """A client with a fresh key."""

        async def unit(session: Session) -> Any:
            ctx = await operator_context(session, organization_id)
            return await api_keys.create_key(ctx, "test", scopes=scopes or [], reads=reads, writes=writes, **options)

        key, plaintext = self.do(unit)
        return Api(self, organization_id, plaintext, key.id, options.get("person_id"))


def refused(answer: httpx2.Response, status: int, code: str, *words: str) -> None:
    """Fails unless the answer is exactly this refusal of the CRM API, with the headers of every answer and these words in its message."""
    assert answer.headers["content-type"] == "application/json", answer.text
    message = answer.json().get("error", {}).get("message", "")
    error = {"code": code, "message": message, "retryable": CATALOGUE[code].retryable}
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert all(word in message for word in words), f"{words} in {message!r}"
    assert {"x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(answer.headers)


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Looks again and again until the condition holds, and answers what it gave; fails after `seconds`."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if found := condition():
            return found
        pause.wait(0.02)
    raise AssertionError(f"it did not come true within {seconds} s")


def free_port() -> int:
    """A port that nothing listens on and that stays ours. A socket keeps it: it cannot be bound again but by who reuses addresses, as servers do."""
    for port in itertools.islice(PORTS, LAST - FIRST):
        keeper = socket.socket()
        try:
            keeper.bind(("127.0.0.1", port))
        except OSError:
            keeper.close()
            continue
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        OURS.append(keeper)
        return port
    raise AssertionError("no port is free")


@contextlib.contextmanager
def running(
    place: Path | str, settings: Settings | None = None, application: type[Deskbell] = Deskbell
) -> Iterator[Server]:
    """A server that runs for the length of a block."""
    server = Server(place, settings, application)
    server.start()
    try:
        yield server
    finally:
        server.stop()
