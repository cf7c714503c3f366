"""What every answer has in common: request ids, headers, HEAD, Allow, and errors in the envelope of the path."""

from __future__ import annotations

import re

import httpx2
import pytest

from tests.desk import PATIENCE, Api, Server, refused

ROUTES = {
    "/leads": "GET, POST, HEAD",
    "/leads/x": "GET, PUT, DELETE, HEAD",
    "/appointments": "GET, POST, HEAD",
    "/appointments/x": "GET, PUT, DELETE, HEAD",
    "/tasks": "GET, POST, HEAD",
    "/tasks/x": "GET, PUT, DELETE, HEAD",
    "/conversations": "GET, HEAD",
    "/conversations/x": "GET, HEAD",
    "/conversations/x/messages": "POST",
    "/org": "GET, HEAD",
}


@pytest.mark.parametrize(("path", "allowed"), ROUTES.items())
def test_a_wrong_method_is_told_the_right_ones(alice: Api, path: str, allowed: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = alice.http.request(method, path)
        if method in allowed.split(", "):
            assert answer.status_code != 405
            continue
        assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, set(allowed.split(", ")))
        if method != "HEAD":
            refused(answer, 405, "method_not_allowed", method)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nowhere", "/lead", "/leads/x/y", "/LEADS", "//leads", "/leads//x", "/org/x", "/organization", "/conversations/x/y",
     "/conversations/x/messages/y", "/%6Ceads/x/y", "/{}", "/leads/x/{}", "/../v1/agents", "/leads/..%2f..%2forg", "/mcp"],
)  # fmt: skip
def test_an_unknown_route_is_not_found(alice: Api, path: str) -> None:
    answer = alice.http.get(alice.server.url + "/api/v1" + path)
    if answer.request.url.path.startswith("/api/v1"):
        refused(answer, 404, "not_found")


def test_an_encoded_path_is_the_same_path(alice: Api) -> None:
    assert alice.http.get("/%6Ceads").json() == alice.get("/leads").json()


@pytest.mark.parametrize("path", ["/leads", "/leads?limit=0", "/leads/x", "/org", "/conversations", "/nowhere"])
def test_head_is_get_without_the_body(alice: Api, path: str) -> None:
    alice.lead()
    got, head = alice.http.get(path), alice.http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    for name in ("content-type", "content-length", "ratelimit-limit"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("given", ["abc", "A_b-9", "x" * 64, "0"])
def test_a_request_keeps_the_id_that_its_caller_gave(alice: Api, given: str) -> None:
    for path in ("/leads", "/nowhere", "/leads?page=0"):
        assert alice.http.get(path, headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    keyless = {"X-Request-Id": given, "Authorization": "x"}
    assert alice.http.get("/leads", headers=keyless).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a.b", "a/b", "é".encode(), "a\tb"])
def test_a_malformed_request_id_is_replaced(alice: Api, given: str | bytes) -> None:
    made = alice.http.get("/leads", headers={"X-Request-Id": given}).headers["X-Request-Id"]  # type: ignore[dict-item]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", made)
    assert made != given


def test_each_request_has_an_id_of_its_own(alice: Api) -> None:
    made = {alice.get("/org").headers["X-Request-Id"] for _ in range(20)}
    assert len(made) == 20


def test_errors_have_exactly_three_members(alice: Api) -> None:
    for answer in (alice.get("/nowhere"), alice.get("/leads", page=0), alice.post("/leads", {})):
        assert list(answer.json()) == ["error"]
        assert list(answer.json()["error"]) == ["code", "message", "retryable"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/agents", "/v1/nowhere", "/v1/chat"])
def test_the_agent_api_answers_in_its_own_envelope(alice: Api, server: Server, method: str, path: str) -> None:
    for key in ("", f"Bearer {alice.key}", "Bearer brs_live_0123456789abcdefghijklmnopqrstuv"):
        answer = httpx2.request(
            method, server.url + path, headers={"Authorization": key}, trust_env=False, timeout=PATIENCE, verify=False
        )
        body = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert (body["error"], body["message"]) == ("Unauthorized", "Invalid or revoked API key")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
        assert set(body) == {"error", "message", "timestamp"}


def test_a_content_type_may_carry_a_charset(alice: Api) -> None:
    for kind in (
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=UTF-8",
        "application/vnd.api+json",
    ):
        answer = alice.http.post("/leads", content=b'{"first_name": "Maria"}', headers={"Content-Type": kind})
        assert answer.status_code == 201, answer.text
