"""The error catalogue: every error code that clients can receive, what it means and how to fix it. One row per code; no other code exists.

Its texts contain no figures, because limits are settings or differ by operation. The message of an error has the figure that applies.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """One row of the catalogue. `fix` is shown by the documentation and the client; `retryable` says whether the same request may succeed later."""

    status: int
    retryable: bool
    summary: str
    fix: str


CATALOGUE: Final[dict[str, Entry]] = {
    "unauthorized": Entry(
        401,
        False,
        "The API key is missing, malformed, unknown, inactive or expired.",
        "Send exactly one header `Authorization: Bearer KEY`. Check that the key is correct, active, not expired, and one for this API.",
    ),
    "payment_required": Entry(
        402,
        False,
        "The organization's credits or a monthly budget do not cover this request.",
        "Add credits (`deskbell credits add`), raise the budget (`deskbell credits budget`), or wait for the next month.",
    ),
    "insufficient_scope": Entry(
        403,
        False,
        "The key is valid but may not call this operation: it lacks the scope, or its person's role or its application's type does not allow it.",
        "Use a key that has the scope, or add it (`deskbell key update`). Under `/v1` the application's type decides.",
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
        "A web page from another origin tried to use MCP.",
        "Add the page's origin to `DESKBELL_MCP_ALLOWED_ORIGINS`, or connect from outside a browser.",
    ),
    "forbidden": Entry(
        403,
        False,
        "This page is only for the machine that the server runs on, and the request came from another machine or through a proxy.",
        "Request it on that machine, or set `DESKBELL_METRICS_TOKEN` and send it as the bearer token.",
    ),
    "validation_error": Entry(
        400,
        False,
        "The body, a query parameter or a header is not valid. The message says which.",
        "Correct what the message names. The reference lists types, limits and allowed values.",
    ),
    "not_found": Entry(
        404,
        False,
        "There is no such record in your organization, or no such route.",
        "Check the path and the id, and that the record belongs to the key's organization and is not archived.",
    ),
    "lead_not_found": Entry(
        404,
        False,
        "The given `lead_id` is not a lead of your organization, or the lead is archived.",
        "Check the id with `GET /api/v1/leads/{id}` first.",
    ),
    "method_not_allowed": Entry(
        405,
        False,
        "The route exists, but not for this method.",
        "Use one of the methods in the `Allow` header. Updates are PUT with a partial body.",
    ),
    "duplicate": Entry(
        409,
        False,
        "A record with a value that must be unique exists already, for example another lead with the same phone number. "
        "The message says which value.",
        "Find the existing record and update it instead of creating another one.",
    ),
    "owner_required": Entry(
        409,
        False,
        "The change would leave the organization without an owner.",
        "Make somebody else the owner first (`PUT /api/v1/people/{id}` with `role`); the former owner becomes an admin.",
    ),
    "idempotency_mismatch": Entry(
        409,
        False,
        "This `Idempotency-Key` was used before, for a request with a different body.",
        "Use a new key for each new request, and repeat a request with exactly the same body.",
    ),
    "idempotency_in_progress": Entry(
        409,
        True,
        "The first request with this `Idempotency-Key` is still running.",
        "Wait a moment, then send the same request again.",
    ),
    "payload_too_large": Entry(
        413,
        False,
        "The body, or a part of it, is larger than this operation accepts. The message names the limit.",
        "Send less in one request, or store large content elsewhere and refer to it.",
    ),
    "compliance_blocked": Entry(
        422,
        False,
        "The number has opted out of texts or is on the do-not-call list. Nothing was sent.",
        "Check `sms_opted_out` and `on_dnc_list` before sending. Only the person can take back an opt-out, by texting START.",
    ),
    "rate_limit_exceeded": Entry(
        429,
        True,
        "The key has used up its requests for this minute.",
        "Wait for the seconds in `Retry-After`, then retry with exponential backoff and jitter.",
    ),
    "query_failed": Entry(
        500,
        True,
        "The database could not be read.",
        "Retry. If it keeps failing, look up the `X-Request-Id` in the server's log.",
    ),
    "create_failed": Entry(
        500,
        True,
        "The database could not be written. Nothing was saved.",
        "Retry with the same body. If it keeps failing, check the free disk space and look up the `X-Request-Id` in the server's log.",
    ),
    "internal_error": Entry(
        500,
        True,
        "Something unexpected went wrong on the server.",
        "Retry. If it keeps failing, report the `X-Request-Id` together with the server's log.",
    ),
    "no_session": Entry(
        400,
        False,
        "The MCP request does not belong to an open session.",
        "Send `initialize` by POST first, then the `mcp-session-id` header of its response with every request.",
    ),
    "conversation_busy": Entry(
        409,
        True,
        "The agent is still answering another message of this conversation.",
        "Send one message at a time: wait for the reply, then send the next one.",
    ),
    "model_unavailable": Entry(
        503,
        True,
        "The language model did not answer. Nothing was saved or charged.",
        "Retry after the seconds in `Retry-After`. If it keeps failing, the server's log shows what the model's endpoint answered.",
    ),
    "too_many_sessions": Entry(
        503,
        True,
        "As many MCP sessions are open as the server, or this API key, may have.",
        "Close unused sessions with `DELETE /mcp`, or wait until idle ones have ended.",
    ),
}


class Problem(Exception):
    """A refusal or failure that is reported to the caller. Raised where it is detected; each surface renders it in its own form.

    `message` is shown to clients: it never contains a cause, a key or another organization's data. `status` overrides the
    catalogue's status for a code with two statuses (an unsupported media type is a validation error with 415).
    """

    def __init__(self, code: str, message: str | None = None, *, status: int | None = None) -> None:
        entry = CATALOGUE[code]
        super().__init__(message or entry.summary)
        self.code = code
        self.message = message or entry.summary
        self.status = status or entry.status
        self.retryable = entry.retryable


class Refusal(Problem):
    """A Problem that does not roll back: what the transaction wrote before it is committed, such as why a text was blocked."""


def too_large(what: str, limit: int) -> Problem:
    """A `payload_too_large` that names its limit (bytes): "The body is larger than 1 MiB"."""
    return Problem("payload_too_large", f"{what} is larger than {limit / 2**20:g} MiB")


def invalid(field: str, message: str) -> Problem:
    """A `validation_error` that names its field: "`email` must be an e-mail address"."""
    return Problem("validation_error", f"`{field}` {message}")
