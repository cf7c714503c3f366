"""When PostgreSQL is away, falls silent or comes back: bounded answers in their envelope, nothing lost, and healing within two seconds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx2
import pytest
import time_machine

from deskbell.foundation.postgres import connection as postgres_connection
from deskbell.foundation.postgres.limits import PURGE
from tests.desk import Api, Server, eventually, refused, running
from tests.faults.test_crowds import crowd
from tests.faults.workers import AWAY, Load, Workers, unharmed, workers
from tests.mcp_client import Mcp, request
from tests.postgres import Cluster, ask, cluster, fresh_database, stored

RESTARTS = 3
MINUTE = 2_000_000_040  # Unix time at which a minute begins


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A PostgreSQL that these tests may stop."""
    with cluster() as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience with PostgreSQL is a second where it is several."""
    monkeypatch.setattr(postgres_connection, "ANSWER", 1.0)
    monkeypatch.setattr(postgres_connection, "CONNECT", 1.0)


@pytest.fixture
def server(hasty: None, own: Cluster) -> Iterator[Server]:
    with running(fresh_database(own.url)) as server:
        yield server


def test_restarts_under_load_lose_nothing_and_heal_within_two_seconds(own: Cluster) -> None:
    with workers(fresh_database(own.url), 2) as server:
        assert rounds(server, own, RESTARTS) == []


def rounds(server: Workers, own: Cluster, number: int) -> list[str]:
    """Restarts PostgreSQL under load, as after a loss of power; answers everything that was wrong."""
    api, complaints = server.api(server.organization()), []
    for turn in range(number):
        with Load(server, api, f"r{turn}") as load:
            own.restart()
            if (took := load.healed(time.monotonic())) > 2:
                complaints.append(f"restart {turn}: healed after {took:.1f} s")
            load.more()
        complaints += [f"restart {turn}: {answer}" for answer in load.wrong]
        complaints += unharmed(load, stored(server.database)["leads"])
    return complaints


def test_a_silent_server_is_answered_for_and_comes_back(own: Cluster, server: Server, alice: Api) -> None:
    lead = alice.lead()["id"]
    with own.frozen():
        started = time.monotonic()
        answers = crowd(
            12, 2, lambda n: alice.get(f"/leads/{lead}") if n % 2 else alice.post("/leads", {"first_name": "A"})
        )
        assert time.monotonic() - started < 12
        assert {answer.status_code for answer in answers} == {500}
        for answer in answers:
            refused(answer, 500, code_of(answer))
        assert (health(server, "healthz"), health(server, "readyz")) == (200, 503)
    eventually(lambda: alice.get(f"/leads/{lead}").status_code == 200)
    assert health(server, "readyz") == 200
    assert alice.post("/leads", {"first_name": "Ada"}).status_code == 201


def test_an_absent_server_is_told_at_once(own: Cluster, server: Server, alice: Api) -> None:
    lead = alice.lead()["id"]
    own.stop()
    try:
        refused(alice.get(f"/leads/{lead}"), 500, "query_failed")
        answer = alice.put(f"/leads/{lead}", {"city": "Austin"})
        refused(answer, 500, code_of(answer))
        started = time.monotonic()
        crowd(8, 3, lambda number: alice.get("/leads"))
        assert time.monotonic() - started < 2
        assert (health(server, "healthz"), health(server, "readyz")) == (200, 503)
    finally:
        own.start()
    eventually(lambda: alice.get(f"/leads/{lead}").status_code == 200)


def test_mcp_streams_end_quietly_without_a_database(
    own: Cluster, server: Server, alice: Api, caplog: pytest.LogCaptureFixture
) -> None:
    client = Mcp(alice).open()
    try:
        with client.listen() as stream:
            own.stop()
            [open_stream] = server.app.mcp.streams.by_outbox.values()
            server.app.background[0].get_loop().call_soon_threadsafe(open_stream.end)
            stream.read()
        refused(client.send(request("ping")), 500, "query_failed")
    finally:
        own.start()
    eventually(lambda: client.send(request("ping")).status_code == 200)
    assert [record for record in caplog.records if record.exc_info] == []


def code_of(answer: httpx2.Response) -> str:
    """A write fails as a read where not even its key can be looked up, which is believed for half a second."""
    code: str = answer.json()["error"]["code"]
    assert code in AWAY
    return code


def test_a_worker_may_begin_while_the_database_is_away(own: Cluster) -> None:
    with workers(fresh_database(own.url), 2) as server:
        api = server.api(server.organization())
        victim = server.pids()[0]
        own.stop()
        try:
            server.kill_one(victim)
            eventually(lambda: victim not in server.pids() and len(server.pids()) == 2)
            eventually(server.answers, 20)
        finally:
            own.start()
        assert server.process.poll() is None
        with Load(server, api, "after") as load:
            load.more()


def test_waiting_for_a_connection_ends(own: Cluster, server: Server, alice: Api) -> None:
    lead = alice.lead()["id"]
    with held_row(server, lead):
        started = time.monotonic()
        answers = crowd(40, 1, lambda number: alice.put(f"/leads/{lead}", {"city": "Austin"}))
        assert time.monotonic() - started < 10
        for answer in answers:
            refused(
                answer, 500, "create_failed" if answer.json()["error"]["code"] == "create_failed" else "query_failed"
            )
    assert alice.put(f"/leads/{lead}", {"city": "Austin"}).status_code == 200
    assert health(server, "readyz") == 200


class held_row:
    """Somebody else holds a lead's row, and every change of it waits."""

    def __init__(self, server: Server, lead: str) -> None:
        self.server, self.lead = server, lead
        self.taken, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.hold()))

    async def hold(self) -> None:
        connection = await asyncpg.connect(self.server.database)
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM leads WHERE id = $1 FOR UPDATE", self.lead)
            self.taken.set()
            await asyncio.to_thread(self.over.wait)
        await connection.close()

    def __enter__(self) -> None:
        self.thread.start()
        assert self.taken.wait(10)

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()


def test_a_change_of_the_schema_by_another_node_is_not_noticed(server: Server, alice: Api) -> None:
    lead = alice.lead(notes="Call after six")["id"]
    assert alice.get(f"/leads/{lead}").status_code == 200
    ask(server.database, "ALTER TABLE leads ALTER COLUMN notes TYPE varchar")
    answers = crowd(8, 2, lambda number: alice.get(f"/leads/{lead}"))
    assert {answer.status_code for answer in answers} == {200}


def test_old_rate_windows_are_forgotten(server: Server, alice: Api) -> None:
    alice.get("/org")
    ask(server.database, "UPDATE rate_windows SET moment = moment - 5")
    ask(server.database, "INSERT INTO rate_windows SELECT 'present', extract(epoch FROM now())::bigint / 60, 1")
    ask(server.database, PURGE, int(time.time()) // 60 - 1)
    assert [row[0] for row in ask(server.database, "SELECT place FROM rate_windows")] == ["present"]


def test_a_node_whose_clock_is_behind_counts_in_the_same_minute(server: Server, alice: Api) -> None:
    few = server.api(alice.organization_id, reads=60)
    for moment, left in ((MINUTE + 1, 59), (MINUTE - 1, 58), (MINUTE + 2, 57), (MINUTE - 1, 56), (MINUTE + 61, 59)):
        with time_machine.travel(moment, tick=False):
            assert few.get("/org").headers["RateLimit-Remaining"] == str(left)


def test_without_the_driver_a_clear_word_says_what_to_install() -> None:
    program = "import sys; sys.modules['asyncpg'] = None; from deskbell.surfaces.cli import main; main()"
    command = [sys.executable, "-c", program, "--database", "postgresql://nobody@localhost/x", "org", "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "pip install 'deskbell[postgres]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_many_nodes_may_migrate_at_once(own: Cluster) -> None:
    url = fresh_database(own.url)
    command = [sys.executable, "-m", "deskbell", "--database", url, "migrate"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    numbers = [row[0] for row in ask(url, "SELECT number FROM migrations ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))


def health(server: Server, path: str) -> int:
    return httpx2.get(f"{server.url}/{path}", trust_env=False, timeout=10).status_code
