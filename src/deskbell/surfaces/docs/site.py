"""Everything outside the two APIs: health, metrics, and the reference as JSON, HTML and plain text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from deskbell.core.api import CRM
from deskbell.core.operation import Operation
from deskbell.errors import Problem
from deskbell.foundation.db import Database
from deskbell.settings import Settings
from deskbell.surfaces.docs.reference import AgentReference, Reference
from deskbell.surfaces.http.request import Receive, Scope, Send, request_id
from deskbell.surfaces.ops.access_log import AccessLog
from deskbell.surfaces.ops.health import Health

_security_headers = [
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
     b"form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
]  # fmt: skip


class SecuredPages:
    """An application whose responses forbid scripts, frames and foreign content. Logged under their path, or `-` for unknown ones."""

    def __init__(self, routes: list[Route], refusals: dict[Any, Any], access_log: AccessLog) -> None:
        self.inner = Starlette(routes=routes, exception_handlers=refusals)
        self.paths = {route.path for route in routes}
        self.access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, id, path = time.perf_counter(), request_id(scope), scope["path"]
        status = 0

        async def send_secured(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_security_headers, (b"x-request-id", id.encode())]
            await send(message)

        try:
            await self.inner(scope, receive, send_secured)
        finally:
            self.access_log.add(id, path if path in self.paths else "-", None, status, started)


def build(
    operations: Sequence[Operation],
    agent_operations: Sequence[Operation],
    database: Database,
    access_log: AccessLog,
    settings: Settings,
) -> SecuredPages:
    """The application for all other paths. A page is rendered when it is first asked for."""
    reference, of_agents = Reference(operations), AgentReference(agent_operations)
    health = Health(database, access_log, settings.metrics_token)
    routes = [
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        Route("/metrics", health.metrics),
        Route("/", home),
        page("/docs", reference.page),
        page("/docs/errors", reference.error_page),
        page("/docs/style.css", reference.style, "text/css"),
        page("/docs/agents", of_agents.page),
        page("/llms.txt", lambda: reference.for_models(of_agents.sections()), "text/plain"),
        page("/openapi-agents.json", of_agents.document, "application/json"),
        page("/openapi.json", reference.document, "application/json"),
    ]
    refusals: dict[Any, Any] = {404: unknown, 405: wrong_method, 500: failed}
    return SecuredPages(routes, refusals, access_log)


async def home(request: Request) -> Response:
    return RedirectResponse("/docs")


def page(path: str, render: Callable[[], str], kind: str = "text/html") -> Route:
    """A route to a text that never changes while the process runs."""
    text = cache(render)

    async def show(request: Request) -> Response:
        return Response(text(), media_type=kind)

    return Route(path, show)


def refused(problem: Problem, headers: Any = None) -> Response:
    return Response(CRM.dialect.envelope(problem), problem.status, headers, "application/json")


async def unknown(request: Request, error: Exception) -> Response:
    return refused(Problem("not_found", "There is no such page. The reference is at /docs"))


async def wrong_method(request: Request, error: Exception) -> Response:
    return refused(Problem("method_not_allowed"), getattr(error, "headers", None))


async def failed(request: Request, error: Exception) -> Response:
    return refused(Problem("internal_error"))
