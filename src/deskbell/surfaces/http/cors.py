"""The headers by which a browser lets web pages of another origin use an API (Fetch standard, CORS protocol)."""

from __future__ import annotations

MAX_AGE = 600  # seconds that a browser may cache the response to a preflight
_exposed = b"X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After"


def headers(origin: str, *, preflight: bool, sent: bytes = b"", exposed: bytes = b"") -> list[tuple[bytes, bytes]]:
    """The headers for an allowed origin. Cookies are never allowed: the key is the only credential.

    `sent` and `exposed` add to the usual headers that pages may send and read, each with a comma before it.
    """
    found = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
    if preflight:
        return [
            *found,
            (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
            (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-Id" + sent),
            (b"access-control-max-age", b"%d" % MAX_AGE),
        ]
    return [*found, (b"access-control-expose-headers", _exposed + exposed)]
