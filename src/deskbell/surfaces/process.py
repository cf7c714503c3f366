"""One process: opens the database, creates the slices' services, and serves every surface."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Sequence
from typing import Any

from deskbell.core.api import AGENT, CRM, Api
from deskbell.core.operation import Operation
from deskbell.core.slice import Service, Setup, Slice
from deskbell.core.tools.tool import tools_of
from deskbell.core.workers import Workers
from deskbell.foundation import databases, jobs, schedule
from deskbell.foundation.db import DatabaseFailure, Session
from deskbell.identity.authentication import ApiKeyAuthenticator, ApplicationAuthenticator, Authenticator
from deskbell.settings import Settings
from deskbell.surfaces.docs import site
from deskbell.surfaces.http.dispatcher import Dispatcher
from deskbell.surfaces.http.request import Receive, Scope, Send
from deskbell.surfaces.mcp.catalog import Catalog
from deskbell.surfaces.mcp.http import McpEndpoint
from deskbell.surfaces.mcp.session_clock import SessionClock
from deskbell.surfaces.mcp.sessions import McpSessions
from deskbell.surfaces.ops.access_log import AccessLog

log = logging.getLogger(__name__)

LOG_GRACE = 1.0  # seconds to write out the access log when the process stops


class Process:
    """The ASGI application of one process, made of slices. Lifespan starts and stops it."""

    slices: Sequence[Slice] = ()

    mcp_clock = SessionClock()

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.access_log = AccessLog(sys.stdout.fileno() if settings.access_log else None)
        self.background: list[asyncio.Task[Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        for prefix, dispatcher in self.dispatchers:
            if path.startswith(prefix) or path == prefix[:-1]:
                await dispatcher(scope, receive, send)
                return
        await (self.mcp if path.startswith("/mcp/") or path == "/mcp" else self.pages)(scope, receive, send)

    async def lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Opens the database, creates the slices' services, and begins to serve."""
        gc.freeze()  # objects loaded by now stay for good; scanning them again costs some percent of every request
        gc.set_threshold(10_000, 20, 50)
        self.database = databases.open_database(self.settings.database)
        await self.database.start()
        self.setup = Setup(self.settings, self.database)
        for each in self.slices:
            self.setup.services |= dict(each.services(self.setup)) if each.services else {}
        per_minute = self.settings.agent_requests_per_minute
        agent = AGENT._replace(reads_per_minute=per_minute, writes_per_minute=per_minute)
        self.dispatchers = [
            (CRM.prefix + "/", self.dispatcher(CRM, ApiKeyAuthenticator)),
            (AGENT.prefix + "/", self.dispatcher(agent, ApplicationAuthenticator)),
        ]
        self.mcp = self.mcp_endpoint()
        operations = (self.operations(CRM), self.operations(AGENT))
        self.pages = site.build(*operations, self.database, self.access_log, self.settings)
        self.workers = Workers(self.setup, self.slices)
        await self.begin()
        services = [each for each in self.setup.services.values() if isinstance(each, Service)]
        running = [*(each.run for each in services), self.mcp_sessions.run, self.mcp.streams.run]
        self.background = [*self.workers.start(), *(asyncio.create_task(run()) for run in running)]
        self.access_log.start()

    async def begin(self) -> None:
        """Runs each slice's `start`. On PostgreSQL a process also starts while the database is unavailable; another one has done this."""
        try:
            await self.database.write(self.queue_recurring)
            for each in self.slices:
                if each.start:
                    await each.start(self.setup)
            await self.mcp.announce_tools()
        except DatabaseFailure as failure:
            if self.database.single_process:
                raise
            log.warning("this worker starts without the database: %s", failure)

    async def queue_recurring(self, session: Session) -> None:
        """Schedules recurring jobs. If this is the only process, releases the claims of one that died."""
        if self.database.single_process:
            await jobs.release(session)
        await schedule.ensure(session, [job for each in self.slices for job in each.recurring])

    def operations(self, api: Api) -> list[Operation]:
        """The operations of an API. Tests add some."""
        return [operation for each in self.slices for operation in each.operations if operation.api.name == api.name]

    def dispatcher(self, api: Api, authenticator: type[Authenticator]) -> Dispatcher:
        services = self.setup.services
        keys = services[authenticator]
        return Dispatcher(api, self.operations(api), authenticator=keys, services=services, **self.shared())

    def shared(self) -> dict[str, Any]:
        return {"limits": self.database.limits, "database": self.database, "access_log": self.access_log}

    def mcp_endpoint(self) -> McpEndpoint:
        """`/mcp` and its sessions."""
        settings = self.settings
        self.mcp_sessions = McpSessions(
            self.database,
            most=settings.mcp_sessions,
            most_per_key=settings.mcp_sessions_per_key,
            idle=settings.mcp_idle_seconds,
            clock=self.mcp_clock,
        )
        origins = {part.strip().rstrip("/").lower() for part in settings.mcp_allowed_origins.split(",")} - {""}
        return McpEndpoint(
            self.mcp_catalogs(),
            authenticator=self.setup.service(ApiKeyAuthenticator),
            sessions=self.mcp_sessions,
            origins=frozenset(origins),
            **self.shared(),
        )

    def mcp_catalogs(self) -> dict[str, Catalog]:
        """The tools that MCP serves, by path. Tests replace them."""
        tools = tools_of(self.operations(CRM))
        reading = {name: tool for name, tool in tools.items() if tool.operation.is_read}
        return {"/mcp": Catalog(tools), "/mcp/readonly": Catalog(reading)}

    async def stop(self) -> None:
        """Waits for running jobs, closes the services, then the database."""
        await self.workers.stop(self.settings.drain_seconds / 2)
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        for each in (*self.setup.services.values(), self.mcp_sessions):
            if isinstance(each, Service):
                await each.close()
        await self.database.stop()
        self.access_log.stop(LOG_GRACE)
