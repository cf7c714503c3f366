"""`GET /api/v1/leads/{id}` on Deskbell's own file, by hand and with nothing else: the most that this server and database can give."""

from __future__ import annotations

import os
import re
import time
from hashlib import sha256
from typing import Any

import apsw
import msgspec

encode = msgspec.json.Encoder().encode
is_key = re.compile(rb"Bearer (brk_[0-9a-f]{48})\Z").match
is_id = re.compile(r"/api/v1/leads/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\Z").match

LEAD = """
SELECT l.id, l.organization_id, first_name, last_name, l.phone, email, company, address_street, city, state, zip, status, temperature,
  source, lead_score, notes, tags, custom_fields, s.opted_out_at IS NOT NULL, s.on_dnc_at IS NOT NULL, archived_at, l.created_at, l.updated_at
FROM leads l LEFT JOIN suppressions s ON s.organization_id = l.organization_id AND s.number_hash = l.number_hash
WHERE l.organization_id = ? AND l.id = ? AND l.archived_at IS NULL"""
KEY = "SELECT organization_id, id, scopes, reads_per_minute FROM api_keys WHERE key_hash = ? AND active = 1"
FIELDS = (
    "id organization_id first_name last_name phone email company address_street city state zip status temperature source "
    "lead_score notes tags custom_fields sms_opted_out on_dnc_list archived_at created_at updated_at"
)
Lead: Any = msgspec.defstruct("Lead", FIELDS.split(" "))
Raw = msgspec.Raw

database = apsw.Connection(os.environ["DESKBELL_FILE"], flags=apsw.SQLITE_OPEN_READWRITE)
database.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # or the join is prepared anew for each id
database.execute("PRAGMA cache_size=-16384")
keys: dict[bytes, tuple[float, Any]] = {}
used: dict[tuple[int, str], int] = {}
lines: list[Any] = []
written = 0.0


def caller_of(header: bytes | None) -> Any:
    """The key's row, believed for half a second; None for a key that is malformed or unknown."""
    kept = keys.get(header or b"")
    if kept and kept[0] > time.monotonic():
        return kept[1]
    match = is_key(header or b"")
    row = match and database.execute(KEY, (sha256(match[1]).hexdigest(),)).fetchone()
    if row:
        row = (*row[:2], frozenset(msgspec.json.decode(row[2])), row[3])
        keys[header or b""] = (time.monotonic() + 0.5, row)
    return row


def lead_of(organization_id: str, path: str) -> bytes | None:
    match = is_id(path)
    row = match and database.execute(LEAD, (organization_id, match[1])).fetchone()
    if not row:
        return None
    *plain, tags, custom_fields, opted_out, on_dnc, archived_at, created_at, updated_at = row
    moments = (archived_at, created_at[:19] + "Z", updated_at[:19] + "Z")
    lead = Lead(*plain, Raw(tags), Raw(custom_fields), opted_out == 1, on_dnc == 1, *moments)
    return b'{"data":' + encode(lead) + b"}"


def answer(path: str, header: bytes | None) -> tuple[int, bytes, tuple[int, int, int]]:
    """Status, body, and the allowance: limit, remaining, reset."""
    window = int(time.time()) // 60
    caller = caller_of(header)
    if not caller:
        return 401, b'{"error":{"code":"unauthorized"}}', (60, 60, window * 60 + 60)
    organization_id, key_id, scopes, limit = caller
    count = used[window, key_id] = used.get((window, key_id), 0) + 1
    allowance = (limit, max(limit - count, 0), window * 60 + 60)
    if count > limit:
        return 429, b'{"error":{"code":"rate_limit_exceeded"}}', allowance
    if scopes and "leads:read" not in scopes:
        return 403, b'{"error":{"code":"insufficient_scope"}}', allowance
    body = lead_of(organization_id, path)
    return (200, body, allowance) if body else (404, b'{"error":{"code":"not_found"}}', allowance)


def note(request_id: bytes, path: str, status: int, took: float) -> None:
    """The access log, in bulk as ours is."""
    global written
    lines.append((time.time(), request_id, path, status, took))
    if time.monotonic() - written > 0.2:
        written = time.monotonic()
        os.write(1, b"".join(encode(line) + b"\n" for line in lines))
        lines.clear()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    started = time.perf_counter()
    header = request_id = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            header = value
        elif name == b"x-request-id":
            request_id = value
    status, body, (limit, remaining, reset) = answer(scope["path"], header)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id or os.urandom(8).hex().encode()),
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % reset),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    note(headers[2][1], scope["path"], status, time.perf_counter() - started)
