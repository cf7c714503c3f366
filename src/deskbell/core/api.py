"""The HTTP APIs, one row each: prefix, dialect, body decoder and rate-limit buckets. To add an API, add a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import msgspec

from deskbell.errors import Problem
from deskbell.foundation import clock, json
from deskbell.foundation.limits import Bucket
from deskbell.foundation.pagination import Rows

DENIED = "You do not have access to this resource"

_encode = msgspec.json.Encoder().encode


def phrase(status: int) -> str:
    """The reason phrase of a status. That of 413 differs between versions of Python."""
    return "Payload Too Large" if status == 413 else HTTPStatus(status).phrase


class Dialect(Protocol):
    """How one API renders results and errors."""

    challenge: bytes

    @staticmethod
    def rate_limited(bucket: Bucket, limit: int) -> Problem: ...

    @staticmethod
    def render(result: Any) -> bytes: ...

    @staticmethod
    def envelope(problem: Problem) -> bytes: ...

    @staticmethod
    def unauthorized() -> Problem: ...

    @staticmethod
    def database_failure(*, reads: bool) -> Problem: ...


class Api(NamedTuple):
    """One API. `decoder` builds the decoder of a command type; `buckets` are the rate-limit buckets of reads and of writes.

    `reads_per_minute` and `writes_per_minute` are the limits in the headers of a request without a valid key. Who may call is
    decided by the authenticator that the application assigns to the API of this name.
    """

    name: str
    prefix: str
    dialect: Dialect
    decoder: Callable[[type], Callable[[bytes], Any]]
    buckets: tuple[Bucket, Bucket]
    reads_per_minute: int
    writes_per_minute: int

    def bucket(self, *, reads: bool) -> Bucket:
        return self.buckets[0 if reads else 1]

    def has(self, path: str) -> bool:
        """Whether a path lies under this API's prefix."""
        return path == self.prefix or path.startswith(self.prefix + "/")


class CrmDialect:
    """`/api/v1`: `{"data"}`, `{"data","meta"}`, `{"error":{"code","message","retryable"}}`, snake_case, whole seconds."""

    challenge: bytes = b'Bearer realm="brightly"'

    @staticmethod
    def rate_limited(bucket: Bucket, limit: int) -> Problem:
        return Problem("rate_limit_exceeded", f"API {bucket} rate limit exceeded ({limit}/min). Try again shortly.")

    @staticmethod
    def render(result: Any) -> bytes:
        if isinstance(result, Rows):
            return b'{"data":' + _encode(result.rows) + b',"meta":' + _encode(result.meta) + b"}"
        return b'{"data":' + _encode(result) + b"}"

    @staticmethod
    def envelope(problem: Problem) -> bytes:
        return _encode({"error": {"code": problem.code, "message": problem.message, "retryable": problem.retryable}})

    @staticmethod
    def unauthorized() -> Problem:
        return Problem(
            "unauthorized",
            "Missing, invalid or expired API key. Send `Authorization: Bearer brk_...` with an active key",
        )

    @staticmethod
    def database_failure(*, reads: bool) -> Problem:
        return Problem("query_failed" if reads else "create_failed")


class AgentDialect:
    """`/v1`: bare objects and `{"error","message","timestamp"}` with the reason phrase, camelCase, milliseconds."""

    challenge: bytes = b"Bearer"

    @staticmethod
    def rate_limited(bucket: Bucket, limit: int) -> Problem:
        return Problem("rate_limit_exceeded", f"Rate limit exceeded ({limit}/min). Try again shortly.")

    @staticmethod
    def render(result: Any) -> bytes:
        return _encode(result)

    @staticmethod
    def envelope(problem: Problem) -> bytes:
        message = DENIED if problem.code == "insufficient_scope" else problem.message
        return _encode({"error": phrase(problem.status), "message": message, "timestamp": f"{clock.now()[:23]}Z"})

    @staticmethod
    def unauthorized() -> Problem:
        return Problem("unauthorized", "Invalid or revoked API key")

    @staticmethod
    def database_failure(*, reads: bool) -> Problem:
        return Problem("query_failed", "The service is temporarily unavailable", status=503)


CRM = Api("crm", "/api/v1", CrmDialect(), json.decoder, ("read", "write"), 60, 30)
AGENT = Api("agent", "/v1", AgentDialect(), partial(json.decoder, missing_first=True), ("any", "any"), 60, 60)
APIS = (CRM, AGENT)


def api_of(path: str) -> Api:
    """The API that a route belongs to."""
    return next(api for api in APIS if api.has(path))
