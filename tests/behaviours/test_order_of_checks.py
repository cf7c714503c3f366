"""A request with several faults is told the first of them: 401, route, 429, 403, idempotency, 413/415/400, 404, 409/422."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.behaviours.wire import exchange, head
from tests.desk import Api, refused

NOBODY = "00000000-0000-7000-8000-000000000000"
HUGE = b'"' + b"x" * 1_100_000 + b'"'


@pytest.fixture
def spent(alice: Api) -> Api:
    """A key that may only read tasks, and has no request left."""
    api = alice.server.api(alice.organization_id, scopes=["tasks:read"], reads=1, writes=1)
    for answer in (api.get("/tasks"), api.post("/leads", {})):
        assert answer.headers["ratelimit-remaining"] == "0"
    return api


@pytest.fixture
def scoped(alice: Api) -> Api:
    return alice.server.api(alice.organization_id, scopes=["tasks:read"])


def faulty(api: Api, method: str, path: str, content: bytes = b"{", **headers: str) -> httpx2.Response:
    """A request whose body is not JSON and whose idempotency key is malformed."""
    sent = {
        "Content-Type": "text/plain",
        "Idempotency-Key": "a b",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    return api.http.request(method, path, content=content, headers=sent)


@pytest.mark.parametrize("path", ["/leads", "/nowhere", "/leads/x/y/z", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_first_who_calls(spent: Api, path: str, method: str) -> None:
    url = spent.server.url + "/api/v1" + path
    refused(faulty(spent, method, url, HUGE[:9], Authorization="Bearer x"), 401, "unauthorized")


def test_then_the_route_even_for_a_key_that_is_spent(spent: Api) -> None:
    refused(faulty(spent, "POST", "/nowhere"), 404, "not_found")
    refused(faulty(spent, "PATCH", "/leads"), 405, "method_not_allowed")


def test_then_the_rate_limit_even_without_the_scope(spent: Api) -> None:
    refused(faulty(spent, "POST", "/leads"), 429, "rate_limit_exceeded")
    refused(spent.get("/leads", limit=0), 429, "rate_limit_exceeded")


def test_then_the_scope_even_of_a_request_that_makes_no_sense(scoped: Api) -> None:
    refused(faulty(scoped, "POST", "/leads"), 403, "insufficient_scope")
    refused(faulty(scoped, "PUT", f"/leads/{NOBODY}"), 403, "insufficient_scope")
    refused(scoped.get("/leads", limit=0), 403, "insufficient_scope")
    oversized = exchange(scoped.server, head(scoped, "POST", "/leads", "Content-Length: 10737418240"))
    refused(oversized, 403, "insufficient_scope")


def test_then_the_idempotency_key(alice: Api) -> None:
    refused(faulty(alice, "POST", "/leads"), 400, "validation_error", "`Idempotency-Key`")
    declared = head(alice, "POST", "/leads", "Content-Length: 10737418240", "Idempotency-Key: a b")
    refused(exchange(alice.server, declared), 400, "validation_error", "`Idempotency-Key`")
    alice.post("/leads", {"first_name": "x"}, Idempotency_Key="k")
    refused(faulty(alice, "POST", "/leads", Idempotency_Key="k"), 409, "idempotency_mismatch")


def test_then_the_body_even_of_a_record_that_is_not_there(alice: Api) -> None:
    for path in (f"/leads/{NOBODY}", "/leads/no-uuid", f"/appointments/{NOBODY}", f"/tasks/{NOBODY}"):
        refused(alice.http.put(path, content=HUGE), 413, "payload_too_large")
        refused(alice.http.put(path, content=b"{}", headers={"Content-Type": "text/plain"}), 415, "validation_error")
        refused(alice.http.put(path, content=b"{"), 400, "validation_error")
        refused(alice.put(path, {}), 400, "validation_error")
        refused(alice.put(path, {"notes": 5, "description": 5}), 400, "validation_error")
        refused(alice.put(path, {"notes": "x", "description": "x"}), 404, "not_found")


def test_then_the_record_even_if_the_change_would_collide(alice: Api) -> None:
    alice.lead(phone="+15125550123")
    refused(alice.put(f"/leads/{NOBODY}", {"phone": "+15125550123"}), 404, "not_found")


def test_a_bad_query_is_told_before_the_record(alice: Api) -> None:
    refused(alice.get(f"/conversations/{NOBODY}", limit=0), 400, "validation_error", "`limit`")


@pytest.mark.parametrize("body", [{"lead_id": "x"}, {"start_time": "x"}, {"status": "x"}])
def test_a_bad_field_is_told_before_another_organizations_lead(alice: Api, charlie: Api, body: Any) -> None:
    times = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
    answer = alice.post("/appointments", {"lead_id": charlie.lead()["id"], **times, **body})
    refused(answer, 400, "validation_error", f"`{next(iter(body))}`")
