"""Rate limits: two buckets per key and minute, exact, and told on every answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import time_machine

from tests.desk import Api, Server, refused

NOW = 2_000_000_020  # forty seconds before the end of its minute
RESET = 2_000_000_040


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """The clock stands still, so that a minute does not end within a test."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def usual(alice: Api) -> Api:
    """A key with the usual limits."""
    return alice.server.api(alice.organization_id, reads=60, writes=30)


def told(answer: httpx2.Response) -> tuple[int, ...]:
    return tuple(int(answer.headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


def test_sixty_reads_pass_and_the_next_does_not(usual: Api) -> None:
    for left in reversed(range(60)):
        answer = usual.get("/org")
        assert (answer.status_code, told(answer)) == (200, (60, left, RESET))
    for _ in range(3):
        answer = usual.get("/org")
        refused(answer, 429, "rate_limit_exceeded")
        assert answer.json()["error"]["message"] == "API read rate limit exceeded (60/min). Try again shortly."
        assert (told(answer), answer.headers["Retry-After"]) == ((60, 0, RESET), "20")


def test_thirty_writes_pass_and_the_next_does_nothing(usual: Api) -> None:
    for left in reversed(range(30)):
        answer = usual.post("/leads", {"first_name": "Maria"})
        assert (answer.status_code, told(answer)) == (201, (30, left, RESET))
    for answer in (usual.post("/leads", {"first_name": "x"}), usual.put("/leads/x", {}), usual.delete("/leads/x")):
        refused(answer, 429, "rate_limit_exceeded")
        assert answer.json()["error"]["message"] == "API write rate limit exceeded (30/min). Try again shortly."
        assert (told(answer), answer.headers["Retry-After"]) == ((30, 0, RESET), "20")
    assert usual.get("/leads").json()["meta"]["total"] == 30


def test_the_two_buckets_are_apart(usual: Api) -> None:
    for _ in range(60):
        usual.get("/org")
    assert usual.get("/org").status_code == 429
    assert told(usual.post("/leads", {"first_name": "Maria"})) == (30, 29, RESET)


def test_two_keys_of_one_organization_are_apart(usual: Api, server: Server) -> None:
    for _ in range(61):
        usual.get("/org")
    other = server.api(usual.organization_id, reads=60, writes=30)
    assert told(other.get("/org")) == (60, 59, RESET)


def test_the_next_minute_begins_anew(usual: Api) -> None:
    for _ in range(61):
        last = usual.get("/org")
    assert last.status_code == 429
    with time_machine.travel(RESET - 0.001, tick=False):
        assert usual.get("/org").headers["Retry-After"] == "1"
    with time_machine.travel(RESET, tick=False):
        answer = usual.get("/org")
        assert (answer.status_code, told(answer)) == (200, (60, 59, RESET + 60))


def test_a_key_may_have_limits_of_its_own(alice: Api, server: Server) -> None:
    slow = server.api(alice.organization_id, reads=2, writes=1)
    assert [slow.get("/org").status_code for _ in range(3)] == [200, 200, 429]
    assert "(2/min)" in slow.get("/org").json()["error"]["message"]
    assert [slow.post("/leads", {"first_name": "x"}).status_code for _ in range(2)] == [201, 429]


def test_head_counts_as_a_read_and_patch_as_a_write(usual: Api) -> None:
    assert told(usual.http.head("/org")) == (60, 59, RESET)
    assert told(usual.get("/org")) == (60, 58, RESET)
    assert told(usual.http.patch("/org"))[0] == 30
    assert told(usual.http.options("/org"))[0] == 30


def test_what_was_let_in_counts_even_when_it_is_refused_later(alice: Api) -> None:
    scoped = alice.server.api(alice.organization_id, scopes=["tasks:read"], reads=60, writes=30)
    for answer in (scoped.get("/leads"), scoped.get("/tasks", limit=0), scoped.get("/tasks/x")):
        assert answer.status_code in (400, 403, 404)
    assert told(scoped.get("/tasks")) == (60, 56, RESET)


def test_unknown_routes_and_wrong_methods_do_not_count(usual: Api) -> None:
    assert told(usual.get("/nowhere")) == (60, 60, RESET)
    assert told(usual.http.patch("/org")) == (30, 30, RESET)
    assert told(usual.get("/org")) == (60, 59, RESET)


def test_a_failed_authentication_counts_against_no_key(usual: Api) -> None:
    for _ in range(70):
        answer = usual.http.get("/org", headers={"Authorization": f"Bearer {usual.key}x"})
        assert (answer.status_code, told(answer)) == (401, (60, 60, RESET))
    assert told(usual.get("/org")) == (60, 59, RESET)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/leads", 200), ("GET", "/nowhere", 404), ("GET", "", 404), ("GET", "/leads/x", 404), ("PATCH", "/leads", 405),
     ("GET", "/leads?page=0", 400), ("POST", "/leads", 400), ("DELETE", "/leads/x", 404), ("OPTIONS", "/leads", 405)],
)  # fmt: skip
def test_every_answer_tells_the_limits(usual: Api, method: str, path: str, status: int) -> None:
    answer = usual.http.request(method, usual.server.url + "/api/v1" + path)
    assert (answer.status_code, told(answer)[0]) == (status, 60 if method == "GET" else 30)
    assert not [name for name in answer.headers if name.lower().startswith("x-ratelimit")]
    assert "retry-after" not in answer.headers


def test_the_limit_is_exact_when_many_ask_at_once(usual: Api) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: usual.get("/org").status_code, range(120)))
        writes = list(pool.map(lambda _: usual.post("/leads", {"first_name": "x"}).status_code, range(60)))
    assert (statuses.count(200), statuses.count(429)) == (60, 60)
    assert (writes.count(201), writes.count(429)) == (30, 30)
