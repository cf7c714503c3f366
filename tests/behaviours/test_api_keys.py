"""API keys: their form, their end, and changes that hold within a second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import time_machine

from deskbell.foundation import clock
from deskbell.identity import api_keys
from tests.desk import Api, Server, eventually, refused, running
from tests.postgres import stored


def change(api: Api, **changes: Any) -> None:
    api.do(lambda ctx: api_keys.update_key(ctx, api.key_id, **changes))


def test_a_key_has_the_documented_form(alice: Api) -> None:
    assert re.fullmatch(r"brk_[0-9a-f]{48}", alice.key)
    assert crc32(bytes.fromhex(alice.key[4:44])) == int(alice.key[44:], 16)


def test_only_the_hash_of_a_key_is_stored(alice: Api) -> None:
    [row] = [row for row in stored(alice.server.database)["api_keys"] if alice.key_id in row]
    assert alice.key not in repr(row)
    assert alice.key[:16] not in repr(row)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic {key}", "{key}", "Bearer {key}0", "Bearer {short}", "Bearer {upper}", "Bearer {key} x",
     "Bearer brs_live_0123456789abcdef0123456789abcdef", "Bearer brk_" + "0" * 48, "Token {key}", "Bearer {key},Bearer {key}",
     "Bearer\t{key}", "Bearer {gap}"],
)  # fmt: skip
def test_anything_else_is_unauthorized(alice: Api, header: str) -> None:
    key = alice.key
    value = header.format(key=key, short=key[:-1], upper=key.upper(), gap=key[:20] + " " + key[20:])
    for method, path in (
        ("GET", "/leads"),
        ("POST", "/leads"),
        ("GET", "/nowhere"),
        ("PATCH", "/org"),
        ("DELETE", "/leads/x"),
    ):
        answer = alice.http.request(method, path, headers={"Authorization": value})
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="brightly"'
        bucket = 60 if method == "GET" else 30
        assert answer.headers["ratelimit-limit"] == answer.headers["ratelimit-remaining"] == str(bucket)


def test_a_header_of_at_most_100_bytes_is_looked_at(alice: Api) -> None:
    for spaces, status in ((1, 200), (100 - 6 - 52, 200), (100 - 6 - 51, 401), (60_000, 401)):
        answer = alice.http.get("/org", headers={"Authorization": "Bearer" + " " * spaces + alice.key})
        assert answer.status_code == status, spaces


def test_all_refusals_are_alike(alice: Api, server: Server) -> None:
    revoked = server.api(alice.organization_id)
    alice.do(lambda ctx: api_keys.revoke_key(ctx, revoked.key_id))
    expired = server.api(alice.organization_id, expires_at=clock.seconds_from_now(-1))
    unknown = alice.http.get("/leads", headers={"Authorization": "Bearer brk_" + "a" * 48})
    missing = alice.http.get("/leads", headers={"Authorization": ""})
    answers = [unknown, missing, revoked.get("/leads"), expired.get("/leads")]
    assert len({answer.content for answer in answers}) == 1


def test_the_word_bearer_may_be_in_any_case(alice: Api) -> None:
    assert alice.http.get("/leads", headers={"Authorization": f"bearer {alice.key}"}).status_code == 200


def test_a_revoked_key_ends_within_a_second(alice: Api, server: Server) -> None:
    assert alice.get("/leads").status_code == 200
    alice.do(lambda ctx: api_keys.revoke_key(ctx, alice.key_id))
    eventually(lambda: alice.get("/leads").status_code == 401, seconds=1)
    refused(alice.post("/leads", {"first_name": "x"}), 401, "unauthorized")


def test_a_key_that_expires_ends_on_time(alice: Api, server: Server) -> None:
    with time_machine.travel("2040-01-02T03:00:00Z", tick=False) as now:
        short = server.api(alice.organization_id, expires_at=clock.seconds_from_now(60))
        now.shift(59.999)
        assert short.get("/leads").status_code == 200
        now.shift(0.001)
        assert short.get("/leads").status_code == 401


def test_an_expiry_in_the_past_is_accepted_and_kills_at_once(alice: Api) -> None:
    assert alice.get("/leads").status_code == 200
    change(alice, expires_at=clock.seconds_from_now(-60))
    eventually(lambda: alice.get("/leads").status_code == 401, seconds=1)


def test_changed_scopes_hold_within_a_second(alice: Api) -> None:
    assert alice.get("/leads").status_code == 200
    change(alice, scopes=["tasks:read"])
    eventually(lambda: alice.get("/leads").status_code == 403, seconds=1)
    change(alice, scopes=["leads:read"])
    eventually(lambda: alice.get("/leads").status_code == 200, seconds=1)
    change(alice, scopes=[])
    eventually(lambda: alice.get("/tasks").status_code == 200, seconds=1)


def test_changed_limits_hold_within_a_second(alice: Api) -> None:
    change(alice, reads=77, writes=33)
    eventually(lambda: alice.get("/leads").headers["ratelimit-limit"] == "77", seconds=1)
    assert alice.post("/leads", {}).headers["ratelimit-limit"] == "33"


def test_each_key_sees_its_own_organization_only(alice: Api, bob: Api, charlie: Api) -> None:
    lead = alice.lead()
    assert bob.get(f"/leads/{lead['id']}").json()["data"] == lead
    refused(charlie.get(f"/leads/{lead['id']}"), 404, "not_found")


def test_when_a_key_was_last_used_is_noted_but_not_at_every_request(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as server:
        used, unused = (server.api(server.organization()) for _ in range(2))
        for _ in range(5):
            used.get("/org")

        def last_used(api: Api) -> str | None:
            return str(api.do(lambda ctx: api_keys.get_key(ctx, api.key_id)).last_used_at or "")

        assert last_used(used) == ""
    assert last_used(used) > "2026"
    assert last_used(unused) == ""
