"""The error catalogue: every code a client can meet, what it means and how to fix it. One row per code; nothing else defines an error."""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """One row of the catalogue. `fix` is printed in the documentation and by the client; `retryable` is the server's word on retrying."""

    status: int
    retryable: bool
    summary: str
    fix: str


CATALOGUE: Final[dict[str, Entry]] = {
    "unauthorized": Entry(
        401,
        False,
        "The API key is missing, malformed, unknown, inactive or expired.",
        "Send exactly one header `Authorization: Bearer brk_...` and check that the key is right, active and not expired.",
    ),
    "payment_required": Entry(
        402,
        False,
        "The organization's wallet is empty, or a monthly budget is used up.",
        "Add credits (`deskbell credits add`), raise the budget (`deskbell credits budget`), or wait for the next month.",
    ),
    "insufficient_scope": Entry(
        403,
        False,
        "The key is good but lacks the scope that this operation needs.",
        "Add the scope to the key (`deskbell key update`) or make a key that has it.",
    ),
    "session_mismatch": Entry(
        403,
        False,
        "The MCP session was opened with another API key.",
        "Open a new session with the key that you are sending.",
    ),
    "origin_not_allowed": Entry(
        403,
        False,
        "A web page of another origin asked for MCP.",
        "Name the page's origin in `DESKBELL_MCP_ALLOWED_ORIGINS`, or connect without a browser.",
    ),
    "forbidden": Entry(
        403,
        False,
        "The page is for the machine that the server runs on, and the request came from elsewhere or through a proxy.",
        "Ask from that machine, or set `DESKBELL_METRICS_TOKEN` and send it as the bearer token.",
    ),
    "validation_error": Entry(
        400,
        False,
        "The body, a query parameter or a header is not valid. The message names it.",
        "Correct the named field; the reference lists types, limits and allowed values.",
    ),
    "not_found": Entry(
        404,
        False,
        "There is no such resource in your organization, or no such route.",
        "Check the path and the UUID, and that the record belongs to the key's organization and is not archived.",
    ),
    "lead_not_found": Entry(
        404,
        False,
        "The `lead_id` of an appointment is not a lead of your organization.",
        "Look the lead up with `GET /api/v1/leads/{id}` first.",
    ),
    "method_not_allowed": Entry(
        405,
        False,
        "The route exists, but not with this method.",
        "Use one of the methods in the `Allow` header. Updates are PUT with a partial body.",
    ),
    "duplicate": Entry(
        409,
        False,
        "Another lead of your organization has this phone number or e-mail address.",
        "Search for the existing lead and update it instead.",
    ),
    "idempotency_mismatch": Entry(
        409,
        False,
        "This `Idempotency-Key` was used within the last 24 hours with a different body.",
        "Use a new key for a new request; repeat a request with exactly the same body.",
    ),
    "idempotency_in_progress": Entry(
        409,
        True,
        "The first request with this `Idempotency-Key` is still running.",
        "Wait a moment and send the same request again.",
    ),
    "payload_too_large": Entry(
        413,
        False,
        "The body is larger than 1 MiB.",
        "Send less at once; put large content elsewhere and refer to it.",
    ),
    "compliance_blocked": Entry(
        422,
        False,
        "The number has opted out of texts or is on the do-not-call list. Nothing was sent.",
        "Read `sms_opted_out` and `on_dnc_list` before sending. Only the person can opt in again, by texting START.",
    ),
    "rate_limit_exceeded": Entry(
        429,
        True,
        "The key has used up its requests of this minute.",
        "Wait for the seconds in `Retry-After`, then retry with exponential backoff and jitter.",
    ),
    "query_failed": Entry(
        500,
        True,
        "The database could not be read.",
        "Retry. If it persists, read the server's log for the request id.",
    ),
    "create_failed": Entry(
        500,
        True,
        "The database could not be written. Nothing was saved.",
        "Retry the same body. If it persists, check free disk space and read the server's log for the request id.",
    ),
    "internal_error": Entry(
        500,
        True,
        "Something unforeseen went wrong on the server.",
        "Retry. If it persists, report the `X-Request-Id` with the server's log.",
    ),
    "no_session": Entry(
        400,
        False,
        "The MCP request names no live session.",
        "Send `initialize` by POST first, then the `mcp-session-id` header of its answer.",
    ),
    "conversation_busy": Entry(
        409,
        True,
        "The conversation is answering another message.",
        "Send one message at a time: wait for the reply, then send the next one.",
    ),
    "model_unavailable": Entry(
        503,
        True,
        "The language model gave no answer. Nothing was saved or charged.",
        "Retry after the seconds in `Retry-After`. If it persists, the server's log says what the model's endpoint answered.",
    ),
    "too_many_sessions": Entry(
        503,
        True,
        "1,000 MCP sessions are open already.",
        "Close unused sessions with `DELETE /mcp`, or wait: idle ones end after 30 minutes.",
    ),
}


class Problem(Exception):
    """A refusal or failure that the caller is told about. Raised once, by whoever notices; each surface words it in its own dialect.

    `message` is safe to show: it never holds a cause, a key or another organization's data. `status` overrides the catalogue's
    where one code is answered with two statuses (an unsupported media type is a validation error with 415).
    """

    def __init__(self, code: str, message: str | None = None, *, status: int | None = None) -> None:
        entry = CATALOGUE[code]
        super().__init__(message or entry.summary)
        self.code = code
        self.message = message or entry.summary
        self.status = status or entry.status
        self.retryable = entry.retryable


def invalid(field: str, complaint: str) -> Problem:
    """A `validation_error` that names its field: "`email` must be an e-mail address"."""
    return Problem("validation_error", f"`{field}` {complaint}")
