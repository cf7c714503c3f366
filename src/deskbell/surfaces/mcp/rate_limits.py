"""The rate limits of MCP requests, and the headers that report them."""

from __future__ import annotations

from deskbell.core.api import CRM
from deskbell.core.principal import Principal
from deskbell.errors import Problem
from deskbell.foundation.limits import Bucket, Limits
from deskbell.surfaces.http import cors
from deskbell.surfaces.mcp.http_request import McpRequest

#: Headers of ours that web pages may send and read, besides the usual ones.
SENT, EXPOSED = b", Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name", b", Mcp-Session-Id, WWW-Authenticate"


class RateLimits:
    """Counts by key and minute, in the same buckets as the CRM API."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    async def count(self, request: McpRequest, principal: Principal, bucket: Bucket = "read") -> None:
        """Raises `rate_limit_exceeded` for one request too many."""
        request.bucket = bucket
        limit = per_minute(request)
        request.allowance = await self.limits.take(principal.key_id, bucket, limit)
        if not request.allowance.granted:
            raise Problem("rate_limit_exceeded", f"API {bucket} rate limit exceeded ({limit}/min). Try again shortly.")

    async def headers(self, request: McpRequest) -> list[tuple[bytes, bytes]]:
        """The headers of every response: its id, what the key has left, and what a browser needs to let a page read it."""
        key_id = request.principal.key_id if request.principal else ""
        allowance = request.allowance or await self.limits.look(key_id, request.bucket, per_minute(request))
        headers = [
            (b"x-request-id", request.request_id.encode()),
            (b"ratelimit-limit", b"%d" % allowance.limit),
            (b"ratelimit-remaining", b"%d" % allowance.remaining),
            (b"ratelimit-reset", b"%d" % allowance.reset),
        ]
        if origin := request.allowed_origin:
            headers += cors.headers(origin, preflight=request.method == "OPTIONS", sent=SENT, exposed=EXPOSED)
        return headers


def per_minute(request: McpRequest) -> int:
    limits = (request.principal and request.principal.credential) or CRM
    return limits.reads_per_minute if request.bucket == "read" else limits.writes_per_minute
