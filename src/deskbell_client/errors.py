"""What can go wrong, as exceptions. Which class says what to do about it; `code` says what happened, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx2
import msgspec

from deskbell_client.fixes import FIXES

ERRORS_PAGE = "/docs/errors"


class DeskError(Exception):
    """A request that did not succeed. `code`, `message` and `retryable` are the server's word, `fix` says what to do about it.

    `status` is None when no answer came. `request_id` finds the request in the server's log. `retry_after` is in seconds,
    None when the server named no time. What was worth retrying has been retried already.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "unknown",
        status: int | None = None,
        retryable: bool = False,
        fix: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retryable = retryable
        self.fix = fix
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.code}: {self.message}{where} {self.fix}".rstrip()


class Unauthorized(DeskError):
    """The API key is missing, wrong, inactive or expired (401)."""


class Forbidden(DeskError):
    """The key is good but may not do this (403)."""


class NotFound(DeskError):
    """There is no such record in your organization (404)."""


class Invalid(DeskError):
    """The request itself is wrong: correct it before sending it again (400, 405, 413, 415)."""


class Conflict(DeskError):
    """It collides with what is there: a duplicate, or an idempotency key in use (409)."""


class ComplianceBlocked(DeskError):
    """The law or the person forbids the text. Do not try again (422 `compliance_blocked`)."""


class RateLimited(DeskError):
    """The key's requests of this minute are used up; `retry_after` says for how many seconds (429)."""


class ServerError(DeskError):
    """The server failed (500 and above)."""


class ConnectionFailed(DeskError):
    """No answer came: the server could not be reached, or the connection broke or timed out."""


class UnreadableAnswer(DeskError):
    """Something answered, but not as Deskbell does. Often the base URL leads to another service."""


class Refusal(msgspec.Struct):
    """The server's error object."""

    code: str
    message: str
    retryable: bool


class Envelope(msgspec.Struct):
    error: Refusal


_BY_STATUS: dict[int, type[DeskError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}
_envelope = msgspec.json.Decoder(Envelope)


def from_answer(status: int, headers: Mapping[str, str], body: bytes, now: float) -> DeskError:
    """The error that an answer other than 2xx stands for. `now` is Unix time, for a `Retry-After` that is a date."""
    try:
        refusal = _envelope.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        worth_it = status == 429 or status >= 500
        refusal = Refusal(f"http_{status}", f"The answer has status {status} and no error object.", worth_it)
    return kind(status, refusal.code)(
        refusal.message,
        code=refusal.code,
        status=status,
        retryable=refusal.retryable,
        fix=FIXES.get(refusal.code, f"See {ERRORS_PAGE} on the server, and whether the base URL leads to it."),
        request_id=headers.get("x-request-id"),
        retry_after=seconds(headers.get("retry-after"), now),
    )


def from_stream(envelope: bytes) -> DeskError:
    """The error that ended a stream of events."""
    refusal = _envelope.decode(envelope).error
    status = {"unauthorized": 401, "insufficient_scope": 403}.get(refusal.code, 500)
    return kind(status, refusal.code)(
        refusal.message, code=refusal.code, retryable=refusal.retryable, fix=FIXES.get(refusal.code, "")
    )


def kind(status: int, code: str) -> type[DeskError]:
    if code == "compliance_blocked":
        return ComplianceBlocked
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, Invalid if status >= 400 else UnreadableAnswer)


def seconds(retry_after: str | None, now: float) -> float | None:
    """A `Retry-After` header in seconds: it is a number of them, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return None


def no_answer(failure: httpx2.RequestError) -> DeskError:
    """What a failure on the way means. A broken encoding came with an answer, everything else without one."""
    reason = str(failure) or type(failure).__name__
    if not isinstance(failure, httpx2.TransportError):
        return unreadable(None, None, reason)
    return ConnectionFailed(
        f"No answer from {failure.request.url.netloc.decode()}: {reason}.",
        code="connection_failed",
        retryable=True,
        fix="Check that the server runs (`deskbell serve`) and that the base URL is right.",
    )


def unreadable(status: int | None, request_id: str | None, reason: str) -> UnreadableAnswer:
    return UnreadableAnswer(
        f"The answer could not be read: {reason}.",
        code="unreadable_answer",
        status=status,
        request_id=request_id,
        fix="Check that the base URL leads to a Deskbell server, and that this client is not older than the server.",
    )
