"""The ASGI dispatcher: from a request to an operation and back, in one dialect. Nothing under its prefix ever answers otherwise.

Order of checks: 401, 404 and 405 of the route, 429, 403, idempotency, 413, 415 and 400, then the operation's own.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from deskbell.core import idempotency
from deskbell.core.api import Api
from deskbell.core.context import ExternalContext, RequestBody
from deskbell.core.operation import Operation, Response
from deskbell.core.principal import Principal
from deskbell.errors import Problem
from deskbell.foundation.db import Database, DatabaseFailure
from deskbell.foundation.limits import Allowance, Bucket, Limits
from deskbell.identity.authentication import Authenticator
from deskbell.surfaces.http import cors, sse
from deskbell.surfaces.http.request import ApiRequest, Receive, Scope, Send, check_media_type, read_body
from deskbell.surfaces.ops.access_log import AccessLog

log = logging.getLogger(__name__)


# Keys of the route tree that no part of a path can be.
PARAMETER, METHODS = "/", "//"


class Dispatcher:
    """Serves a table of operations under one prefix."""

    def __init__(
        self,
        api: Api,
        operations: Sequence[Operation],
        *,
        authenticator: Authenticator,
        limits: Limits,
        database: Database,
        access_log: AccessLog,
        services: Mapping[type, Any] | None = None,
    ) -> None:
        self.api = api
        self.dialect = api.dialect
        self.services = services or {}
        self.authenticator = authenticator
        self.limits = limits
        self.database = database
        self.access_log = access_log
        self.depth = api.prefix.count("/") + 1
        self.tree: dict[str, Any] = {}
        for operation in operations:
            node = self.tree
            for part in operation.path.split("/")[self.depth :]:
                node = node.setdefault(PARAMETER if part.startswith("{") else part, {})
            methods = node.setdefault(METHODS, {})
            methods[operation.method] = operation
            if operation.is_read:
                methods["HEAD"] = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = ApiRequest(scope)
        extra: list[tuple[bytes, bytes]] = []
        try:
            answer = await self.answer(call, scope, receive)
        except sse.Disconnected:
            return
        except Exception as error:
            answer = self.refusal(call, self.problem(call, error), extra)
        status, body, replayed, events = answer
        if call.origin and await self.allows_origin(call):
            extra += cors.headers(call.origin, preflight=call.method == "OPTIONS")
        limit, remaining, reset, _ = call.allowance or await self.allowance(call)
        headers = [
            *(sse.HEADERS if events else plain_headers(body) if status != 204 else ()),
            (b"x-request-id", call.request_id.encode()),
            (b"ratelimit-limit", b"%d" % limit),
            (b"ratelimit-remaining", b"%d" % remaining),
            (b"ratelimit-reset", b"%d" % reset),
        ]
        if replayed:
            headers.append((b"idempotency-replayed", b"true"))
        await send({"type": "http.response.start", "status": status, "headers": headers + extra if extra else headers})
        if events and call.method != "HEAD":
            scope["ending"] = events.end
            problem = partial(self.problem, call)
            await sse.send(events, self.dialect, problem, receive, send, partial(self.revalidate, call))
        else:
            await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else body})
        self.access_log.add(
            call.request_id, call.operation.name if call.operation else "-", call.principal, status, call.started
        )

    async def answer(self, call: ApiRequest, scope: Scope, receive: Receive) -> Response:
        """The way of a request through the checks, in the order above."""
        if call.method == "OPTIONS" and call.origin and await self.authenticator.allows_origin(call.origin):
            return Response(204, b"")
        if len(call.authorization) == 1:
            call.principal = await self.authenticator.authenticate(call.authorization[0])
        principal = call.principal
        if principal is None:
            raise self.dialect.unauthorized()
        operation, path = self.match(scope["path"], call.method)
        call.operation = operation
        bucket, limit = self.bucket(call)
        call.allowance = await self.limits.take(principal.key_id, bucket, limit)
        if not call.allowance.granted:
            raise self.dialect.rate_limited(bucket, limit)
        operation.authorize(principal)
        if operation.is_external:
            return await self.external(call, operation, principal, path, scope, receive)
        if operation.is_read:
            arguments = operation.arguments(path, scope["query_string"], b"")
            return await operation.run(
                self.database, principal, call.channel, arguments, self.dialect.render, request_id=call.request_id
            )
        return await self.write(call, operation, principal, path, scope, receive)

    async def write(
        self,
        call: ApiRequest,
        operation: Operation,
        principal: Principal,
        path: list[str],
        scope: Scope,
        receive: Receive,
    ) -> Response:
        repeatable = None
        key = idempotency.validate_key(call.idempotency_key)
        body = await read_body(call, receive)
        if key is not None:
            request = idempotency.repeatable(
                principal.organization_id, call.method, canonical_path(operation, path), key, body
            )
            earlier = await self.database.read(
                lambda session: idempotency.replay(session, request), principal.organization_id
            )
            if earlier:
                return Response(*earlier, replayed=True)
            repeatable = request
        check_media_type(operation, call)
        arguments = operation.arguments(path, b"", body)
        return await operation.run(
            self.database, principal, call.channel, arguments, self.dialect.render, repeatable, call.request_id
        )

    async def external(
        self,
        call: ApiRequest,
        operation: Operation,
        principal: Principal,
        path: list[Any],
        scope: Scope,
        receive: Receive,
    ) -> Response:
        """An operation that makes its own transactions. One whose body is a command is cancelled when its client disconnects."""
        unread = None
        if operation.from_body:
            body = await read_body(call, receive)
            check_media_type(operation, call)
            arguments = operation.arguments(path, b"", body)
        else:
            arguments = operation.arguments(path, scope["query_string"], b"")
            unread = RequestBody((call.media_type or b"").decode("latin-1"), call.length, receive)
        external = ExternalContext(
            self.database,
            principal,
            call.channel,
            self.services,
            request_id=call.request_id,
            body=unread,
            last_event_id=last_event_id(scope) if operation.is_stream else None,
        )
        work = operation.run_external(external, arguments, self.dialect.render)
        if not operation.from_body:
            return await work
        return await sse.while_connected(work, receive, partial(self.revalidate, call))

    async def revalidate(self, call: ApiRequest) -> None:
        """Refuses a caller whose key was good when the request came and has ended since. A database that is away ends none."""
        with contextlib.suppress(DatabaseFailure):
            principal = await self.authenticator.authenticate(call.authorization[0])
            if principal is None:
                raise self.dialect.unauthorized()
            stream = call.operation is not None and call.operation.is_stream
            if stream and call.principal and principal.scopes != call.principal.scopes:
                raise Problem("insufficient_scope", "The scopes of this API key have changed: connect again")

    async def allows_origin(self, call: ApiRequest) -> bool:
        """Whether a web page may read this answer: one of the key's own origins; without a good key, of anybody's."""
        if call.principal:
            return call.principal.credential is not None and call.origin in call.principal.credential.origins
        try:
            return await self.authenticator.allows_origin(call.origin)
        except DatabaseFailure:
            return False

    def problem(self, call: ApiRequest, error: Exception) -> Problem:
        """What the client is told of what went wrong; what it is not told goes to the log."""
        if isinstance(error, Problem):
            return error
        if isinstance(error, DatabaseFailure):
            log.error("%s: %s", call.request_id, error)
            return self.dialect.database_failure(reads=call.principal is None or call.method in ("GET", "HEAD"))
        log.error("request %s failed", call.request_id, exc_info=error)
        return Problem("internal_error")

    def bucket(self, call: ApiRequest) -> tuple[Bucket, int]:
        """What a request counts as, and its key's limit for that; without a key, the usual one."""
        limits = (call.principal and call.principal.credential) or self.api
        reads = call.method in ("GET", "HEAD")
        return self.api.bucket(reads=reads), limits.reads_per_minute if reads else limits.writes_per_minute

    async def allowance(self, call: ApiRequest) -> Allowance:
        """What the caller has left, for an answer that was given before anything was counted."""
        return await self.limits.look(call.principal.key_id if call.principal else "", *self.bucket(call))

    def match(self, path: str, method: str) -> tuple[Operation, list[Any]]:
        """The operation of a route and the ids in its path; a malformed id becomes one that no record has."""
        node = self.tree
        values: list[str] = []
        for part in path.split("/")[self.depth :]:
            below = node.get(part)
            if below is None:
                below = node.get(PARAMETER) if part else None
                if below is None:
                    raise Problem("not_found", "There is no such route")
                values.append(part)
            node = below
        methods: dict[str, Operation] | None = node.get(METHODS)
        if methods is None:
            raise Problem("not_found", "There is no such route")
        operation = methods.get(method)
        if operation is None:
            problem = Problem("method_not_allowed", f"{method} is not allowed here; use {', '.join(methods)}")
            problem.add_note(", ".join(methods))
            raise problem
        return operation, [read(part) for read, part in zip(operation.path_readers, values, strict=True)]

    def refusal(self, call: ApiRequest, problem: Problem, extra: list[tuple[bytes, bytes]]) -> Response:
        """A problem in this dialect, with the headers that go with its status."""
        if problem.status == 401:
            extra.append((b"www-authenticate", self.dialect.challenge))
        elif problem.status == 405:
            extra.append((b"allow", problem.__notes__[0].encode()))
        elif problem.status == 413:
            extra.append((b"connection", b"close"))
        elif problem.status == 429:
            extra.append(
                (b"retry-after", b"%d" % max(1, (call.allowance.reset if call.allowance else 0) - int(time.time())))
            )
        elif problem.status == 503:
            extra.append((b"retry-after", b"1"))
        return Response(problem.status, self.dialect.envelope(problem))


def last_event_id(scope: Scope) -> str | None:
    """After which event a client that lost its connection resumes a stream (HTML standard, 9.2)."""
    given = [value for name, value in scope["headers"] if name == b"last-event-id"]
    return given[-1].decode("latin-1") if given else None


def canonical_path(operation: Operation, ids: list[str]) -> str:
    """The path of a request with its ids in the one form that is stored."""
    return operation.path.format(**dict(zip(operation.path_parameters, ids, strict=True)))


def plain_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
