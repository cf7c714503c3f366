"""What an operator's tools ask: liveness, readiness, metrics."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx2
import pytest

from deskbell.errors import CATALOGUE
from deskbell.settings import Settings
from tests.desk import PATIENCE, Api, Server, running

TOKEN = "a-token-for-tests"


def get(server: Server, path: str, **headers: str) -> httpx2.Response:
    return httpx2.get(server.url + path, headers=headers, trust_env=False, timeout=PATIENCE)


def metrics(server: Server) -> dict[str, float]:
    """Every sample of the page by its name with labels."""
    lines = [line for line in get(server, "/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(number) for name, number in (line.rsplit(" ", 1) for line in lines)}


@contextlib.contextmanager
def opened(server: Server) -> Iterator[apsw.Connection]:
    """The server's file by the server's own SQLite: a second library in one process would not see the first one's locks."""
    connection = apsw.Connection(server.path)
    connection.set_busy_timeout(60_000)
    try:
        yield connection
    finally:
        connection.close()


def test_a_running_server_is_alive_and_ready(server: Server) -> None:
    assert get(server, "/healthz").json() == {"status": "ok"}
    ready = get(server, "/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")


def test_a_schema_from_the_future_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as server:
        with opened(server) as connection:
            connection.execute("INSERT INTO migrations VALUES (9999, 'future', '')")
        answer = get(server, "/readyz")
        assert answer.status_code == 503
        assert "schema version 9999" in answer.json()["reason"]
        assert get(server, "/healthz").status_code == 200


def test_a_database_that_cannot_be_read_is_not_ready_and_its_cause_stays_private(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as server:
        with opened(server) as connection:
            connection.execute("ALTER TABLE migrations RENAME TO secret")
        answer = get(server, "/readyz")
        assert answer.status_code == 503
        assert "no such table" not in answer.text
        assert get(server, "/healthz").status_code == 200


def test_requests_are_counted_by_operation_and_status(server: Server, alice: Api) -> None:
    name = 'deskbell_requests_total{operation="leads.list",status="200"}'
    refused = name.replace("200", "400")
    before = metrics(server)
    for limit in (1, 2, 0):
        alice.get("/leads", limit=limit)
    after = metrics(server)
    assert after[name] == before.get(name, 0) + 2
    assert after[refused] == before.get(refused, 0) + 1
    number = 'deskbell_request_seconds_count{operation="leads.list"}'
    assert after[number] == before.get(number, 0) + 3
    taken = number.replace("count", "sum")
    assert after[taken] > before.get(taken, 0)


def test_the_process_the_jobs_and_the_database_are_measured(server: Server, alice: Api) -> None:
    found = metrics(server)
    assert 10_000_000 < found["process_resident_memory_bytes"] < 10_000_000_000
    assert found["process_start_time_seconds"] > 1_700_000_000
    assert found["deskbell_database_bytes"] >= 4096
    assert {'deskbell_jobs{state="waiting"}', 'deskbell_jobs{state="failed"}'} <= set(found)


def test_no_label_holds_what_a_client_made_up(server: Server, alice: Api) -> None:
    alice.get("/made-up-route")
    lead = alice.lead()
    alice.get(f"/leads/{lead['id']}")
    text = get(server, "/metrics").text
    assert "made-up-route" not in text
    assert lead["id"] not in text
    assert re.search(r'deskbell_requests_total{operation="-",status="404"} \d+', text)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
def test_a_proxy_on_the_same_machine_does_not_open_metrics_to_the_world(server: Server, header: str) -> None:
    answer = get(server, "/metrics", **{header: "203.0.113.9"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"
    assert "DESKBELL_METRICS_TOKEN" in CATALOGUE["forbidden"].fix


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("desk") / "desk.db"
    with running(path, Settings(access_log=False, metrics_token=TOKEN)) as server:
        yield server


def test_with_a_token_set_everybody_needs_it(guarded: Server) -> None:
    answer = get(guarded, "/metrics")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    for wrong in (f"Bearer {TOKEN}x", f"bearer{TOKEN}", TOKEN, f"Basic {TOKEN}", "Bearer \xe9"):
        assert get(guarded, "/metrics", Authorization=wrong.encode("latin-1")).status_code == 401  # type: ignore[arg-type]
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    answer = get(guarded, "/metrics", Authorization=f"Bearer {TOKEN}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert get(guarded, "/metrics", Authorization=f"Bearer {TOKEN}", **proxied).status_code == 200
