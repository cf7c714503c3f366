"""Whoever cannot show a good key learns nothing: every operation answers every bad credential alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

import pytest

from deskbell.app import OPERATIONS
from deskbell.foundation import clock
from deskbell.identity.api_keys import new_key, revoke_key
from tests.desk import Api
from tests.promises.world import World, exchange

REFUSAL = (
    b'{"error":{"code":"unauthorized","message":"Missing, invalid or expired API key. '
    b'Send `Authorization: Bearer brk_...` with an active key","retryable":false}}'
)

Headers = list[bytes]
BAD: dict[str, Callable[[Api], Headers]] = {
    "no header": lambda api: [],
    "an empty header": lambda api: [b""],
    "the scheme alone": lambda api: [b"Bearer"],
    "the scheme and a space": lambda api: [b"Bearer "],
    "the key alone": lambda api: [good(api)],
    "the wrong scheme": lambda api: [b"Basic " + good(api)],
    "a scheme that begins like the right one": lambda api: [b"Bearers " + good(api)],
    "no space after the scheme": lambda api: [b"Bearer" + good(api)],
    "a tab after the scheme": lambda api: [b"Bearer\t" + good(api)],
    "a lower-case scheme and garbage": lambda api: [b"bearer garbage"],
    "an unknown key of the right form": lambda api: [b"Bearer " + new_key().encode()],
    "one character less": lambda api: [b"Bearer " + good(api)[:-1]],
    "one character more": lambda api: [b"Bearer " + good(api) + b"0"],
    "one character changed": lambda api: [b"Bearer " + good(api)[:-1] + (b"1" if good(api)[-1:] == b"0" else b"0")],
    "upper-case digits": lambda api: [b"Bearer brk_" + good(api)[4:].upper()],
    "an upper-case prefix": lambda api: [b"Bearer BRK_" + good(api)[4:]],
    "the key of another product": lambda api: [b"Bearer brs_live_" + good(api)[4:36]],
    "a key in quotes": lambda api: [b'Bearer "' + good(api) + b'"'],
    "the key twice in one header": lambda api: [b"Bearer " + good(api) + b" " + good(api)],
    "the key twice with a comma": lambda api: [b"Bearer " + good(api) + b", Bearer " + good(api)],
    "two headers with the same good key": lambda api: [b"Bearer " + good(api)] * 2,
    "a good header and an empty one": lambda api: [b"Bearer " + good(api), b""],
    "a percent-encoded line break": lambda api: [b"Bearer " + good(api) + b"%0d%0a"],
    "an escaped NUL": lambda api: [b"Bearer " + good(api) + b"\\x00"],
    "bytes that are not ASCII": lambda api: [b"Bearer brk_\xff\xfe" + good(api)[6:]],
    "digits of another script": lambda api: [b"Bearer brk_" + "\u0663".encode() * 24],
    "a header of 64 KiB": lambda api: [b"Bearer " + b"a" * 65_536],
    "the hash of the key": lambda api: [b"Bearer brk_" + sha256(good(api)).hexdigest()[:48].encode()],
    "an expired key": lambda api: [key(api, expires_at=clock.seconds_from_now(-1))],
    "a revoked key": lambda api: [revoked(api)],
}


def good(api: Api) -> bytes:
    return api.key.encode()


def key(api: Api, **options: object) -> bytes:
    return b"Bearer " + good(api.server.api(api.organization_id, **options))  # type: ignore[arg-type]


def revoked(api: Api) -> bytes:
    other = api.server.api(api.organization_id)
    api.do(lambda ctx: revoke_key(ctx, other.key_id))
    return b"Bearer " + good(other)


@pytest.fixture
def world(alice: Api) -> World:
    return World(alice)


@pytest.mark.parametrize("bad", BAD)
def test_every_operation_refuses(world: World, bad: str) -> None:
    headers = BAD[bad](world.api)
    for operation in OPERATIONS:
        assert_refused(world, operation, headers)


@pytest.mark.parametrize("elsewhere", ["query", "cookie", "other header"])
def test_a_key_counts_nowhere_but_in_its_header(world: World, elsewhere: str) -> None:
    text = world.api.key
    query = f"?api_key={text}&access_token={text}&authorization=Bearer%20{text}" if elsewhere == "query" else ""
    extra = {
        "query": "",
        "cookie": f"Cookie: authorization=Bearer {text}; api_key={text}\r\n",
        "other header": f"X-API-Key: {text}\r\nProxy-Authorization: Bearer {text}\r\n",
    }
    for operation in OPERATIONS:
        assert_refused(world, operation, [], query, extra[elsewhere].encode())


def test_a_good_key_passes_whatever_the_spelling_of_its_scheme(world: World) -> None:
    for scheme in (b"Bearer ", b"bearer ", b"BEARER  "):
        answer = exchange(world.api.server.port, "GET", "/api/v1/org", [scheme + good(world.api) + b"  "])
        assert answer.status == 200


def test_refusals_count_against_no_key(alice: Api) -> None:
    few = alice.server.api(alice.organization_id, reads=2)
    for _ in range(5):
        exchange(alice.server.port, "GET", "/api/v1/org", [good(few), b"Bearer " + good(few)])
    answer = few.get("/org")
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (200, "1")


def assert_refused(world: World, operation, headers: Headers, query: str = "", extra: bytes = b"") -> None:  # type: ignore[no-untyped-def]
    path = world.path(operation) + query
    began = time.time()
    answer = exchange(world.api.server.port, operation.method, path, headers, world.body(operation), extra)
    allowance = "60" if operation.is_read else "30"
    assert (answer.status, answer.body) == (401, REFUSAL), operation.name
    assert answer.headers["www-authenticate"] == 'Bearer realm="brightly"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["ratelimit-limit"] == answer.headers["ratelimit-remaining"] == allowance
    assert began - 1 <= int(answer.headers["ratelimit-reset"]) <= time.time() + 61
    assert len(answer.headers["x-request-id"]) >= 16
