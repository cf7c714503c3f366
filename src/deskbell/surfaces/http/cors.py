"""What a browser must be told before web pages of another origin may use an API (Fetch standard, CORS protocol)."""

from __future__ import annotations

KEPT = 600  # seconds that a browser may remember a preflight's answer
_exposed = b"X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After"


def headers(origin: str, *, preflight: bool, sent: bytes = b"", seen: bytes = b"") -> list[tuple[bytes, bytes]]:
    """For an origin that is listed. Cookies are never allowed: the key is the only credential.

    `sent` and `seen` name headers besides the usual ones, of requests and answers, each behind a comma.
    """
    found = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
    if preflight:
        return [
            *found,
            (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
            (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-Id" + sent),
            (b"access-control-max-age", b"%d" % KEPT),
        ]
    return [*found, (b"access-control-expose-headers", _exposed + seen)]
