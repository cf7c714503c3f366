"""The two ways in which Deskbell speaks HTTP, chosen by path prefix: the CRM API's and the agent API's, errors side by side."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.limits import Bucket
from deskbell.foundation.pagination import Page

DENIED = "You do not have access to this resource"

_encode = msgspec.json.Encoder().encode


def phrase(status: int) -> str:
    """A status in words; 413 has other ones in each version of Python."""
    return "Payload Too Large" if status == 413 else HTTPStatus(status).phrase


class Dialect(Protocol):
    """How one API words what operations answer. The limits are a keyless caller's."""

    prefix: str
    challenge: bytes
    reads_per_minute: int
    writes_per_minute: int

    @staticmethod
    def bucket(*, reads: bool) -> Bucket: ...

    @staticmethod
    def exhausted(bucket: Bucket, limit: int) -> Problem: ...

    @staticmethod
    def render(result: Any) -> bytes: ...

    @staticmethod
    def envelope(problem: Problem) -> bytes: ...

    @staticmethod
    def unauthorized() -> Problem: ...

    @staticmethod
    def database_failure(*, reads: bool) -> Problem: ...


class Crm:
    """`/api/v1`: `{"data"}`, `{"data","meta"}`, `{"error":{"code","message","retryable"}}`, snake_case, whole seconds."""

    prefix: str = "/api/v1"
    challenge: bytes = b'Bearer realm="brightly"'
    reads_per_minute: int = 60
    writes_per_minute: int = 30

    @staticmethod
    def bucket(*, reads: bool) -> Bucket:
        return "read" if reads else "write"

    @staticmethod
    def exhausted(bucket: Bucket, limit: int) -> Problem:
        return Problem("rate_limit_exceeded", f"API {bucket} rate limit exceeded ({limit}/min). Try again shortly.")

    @staticmethod
    def render(result: Any) -> bytes:
        if isinstance(result, Page):
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


class Agent:
    """`/v1`: bare objects and `{"error","message","timestamp"}` with the reason phrase, camelCase, milliseconds."""

    prefix: str = "/v1"
    challenge: bytes = b"Bearer"

    def __init__(self, requests_per_minute: int) -> None:
        self.reads_per_minute = self.writes_per_minute = requests_per_minute

    @staticmethod
    def bucket(*, reads: bool) -> Bucket:
        return "any"

    @staticmethod
    def exhausted(bucket: Bucket, limit: int) -> Problem:
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
