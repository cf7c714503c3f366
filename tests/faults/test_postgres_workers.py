"""Many workers are one Deskbell: what one acknowledges all keep, limits and revocations hold in all, and one that dies harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deskbell.compliance import suppressions
from deskbell.foundation.jobs import enqueue
from deskbell.foundation.postgres import database
from deskbell.foundation.postgres.database import PostgresDatabase
from deskbell.identity import api_keys
from tests.desk import PATIENCE, Api, eventually
from tests.faults.process import request
from tests.faults.test_crowds import crowd, in_progress
from tests.faults.workers import Load, Workers, behind, unharmed, workers
from tests.postgres import ask, fresh_database, stored
from tests.team import colleague

FOUR = 4


@pytest.fixture(scope="module")
def server(postgres_url: str) -> Iterator[Workers]:
    """Four workers for the tests of this module."""
    with workers(fresh_database(postgres_url), FOUR) as running:
        yield running


def test_no_worker_takes_most_of_the_connections(server: Workers) -> None:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(contextlib.closing(server.connection())) for _ in range(64)]
        shares = Counter(behind(connection) for connection in taken)
    assert len(shares) == FOUR
    assert max(shares.values()) < 32


def test_sixty_one_reads_from_eight_clients_over_four_workers_give_sixty(alice: Api, server: Workers) -> None:
    minutes = None
    while minutes is None or len(minutes) > 1:  # the minute turned in between
        few = server.api(alice.organization_id, reads=60)
        minutes = {time.time() // 60}
        answers = everywhere(server, few, 61, each=2)
        minutes.add(time.time() // 60)
    assert Counter(status for status, _ in answers) == {200: 60, 429: 1}


def test_two_hundred_creates_of_one_phone_have_one_winner(alice: Api) -> None:
    phone = {"first_name": "Ada", "phone": "+15125550123"}
    codes = Counter(answer.status_code for answer in crowd(20, 10, lambda number: fresh(alice, phone)))
    assert codes == {201: 1, 409: 199}
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_twenty_parallel_repeats_have_one_effect(alice: Api) -> None:
    body = {"first_name": "Ada", "phone": "+15125550111"}
    answers = crowd(20, 1, lambda number: fresh(alice, body, Idempotency_Key="once"))
    answers = [answer for answer in answers if not in_progress(answer)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_parallel_changes_of_different_fields_all_stay(alice: Api) -> None:
    for round in range(10):
        lead = alice.lead()["id"]
        changes = [{"first_name": f"Ada {round}"}, {"email": f"ada{round}@example.com"}, {"last_name": "King"}]
        changes += [{"phone": f"+1512555{round:04}"}]
        crowd(4, 1, lambda number: alice.put(f"/leads/{lead}", changes[number]))  # noqa: B023
        found = alice.get(f"/leads/{lead}").json()["data"]
        assert [found[name] for change in changes for name in change] == [v for each in changes for v in each.values()]


@pytest.mark.parametrize("ending", ["revoked", "person removed"])
def test_an_ended_key_is_dead_on_every_worker_within_a_second(alice: Api, server: Workers, ending: str) -> None:
    revoked = colleague(alice, "member")
    assert {status for status, _ in everywhere(server, revoked, 8, each=1)} == {200}
    with server.each() as taken:
        if ending == "revoked":
            alice.do(lambda ctx: api_keys.revoke_key(ctx, revoked.key_id))
        else:
            assert alice.delete(f"/people/{revoked.person_id}").status_code == 200
        moment = time.monotonic()
        last_pass = moment
        while time.monotonic() < moment + 1.5:
            for connection in taken:
                asked = time.monotonic()
                if read(connection, revoked)[0] == 200:
                    last_pass = asked
        assert last_pass < moment + 1


def test_workers_tell_each_other_of_jobs_in_bulk(server: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "TOGETHER", 0.5)
    heard = asyncio.run(told_of(server.database, 100))
    assert 1 <= heard <= 50


async def told_of(url: str, jobs: int) -> int:
    """How often a worker is told of so many jobs that another one gets at once."""
    here, there = PostgresDatabase(url), PostgresDatabase(url)
    listening, over = asyncio.Event(), asyncio.Event()
    told: list[None] = []
    there.on_change("jobs", lambda: told.append(None) or listening.set())
    there.on_broadcast(lambda news: over.set())
    await asyncio.gather(here.start(), there.start(), listening.wait())  # it is told once when it begins to listen
    later = partial(enqueue, kind="none", payload={}, delay=3600)
    await asyncio.gather(*(here.write(later) for _ in range(jobs)))
    await here.spread_now()
    await here.broadcast("over")
    await over.wait()
    await asyncio.gather(here.stop(), there.stop())
    return len(told) - 1


def test_a_stream_of_any_worker_hears_what_another_one_and_a_command_write(alice: Api, server: Workers) -> None:
    with server.each() as taken:
        streams = [following(connection, alice) for connection in taken]
        for write in (lambda: alice.lead(), lambda: alice.do(lambda ctx: suppressions.opt_out(ctx, "+15125550123"))):
            write()
            written = time.monotonic()
            heard = [next(line for line in stream if line.startswith(b"event:")) for stream in streams]
            assert len(set(heard)) == 1
            assert time.monotonic() - written < 1
    assert len(streams) == FOUR


def following(connection: Any, api: Api) -> Iterator[bytes]:
    """The lines of an event stream that is open on a connection."""
    connection.request("GET", "/api/v1/events/stream", headers={"Authorization": f"Bearer {api.key}"})
    stream = connection.getresponse()
    assert (stream.status, stream.readline()[:8]) == (200, b": after ")
    return iter(stream.readline, b"")


def test_texts_of_all_workers_reach_the_carrier_once_each(alice: Api, server: Workers) -> None:
    leads = [alice.lead(phone=f"+151255502{number:02}")["id"] for number in range(40)]
    crowd(8, 5, lambda number: fresh(alice, {"body": "Hello"}, f"/conversations/{leads[number]}/messages"))
    eventually(lambda: all(status(alice, lead) == "delivered" for lead in leads))
    ours = [row for row in stored(server.database)["simulated_texts"] if alice.organization_id in row]
    assert len(ours) == 40
    assert len({row[3] for row in ours}) == 40


def test_a_killed_worker_is_replaced_and_nobody_else_is_harmed(alice: Api, server: Workers) -> None:
    with Load(server, alice, "kill") as load:
        before = set(server.pids())
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        load.more(40)
        eventually(lambda: victim not in server.pids() and len(server.pids()) == FOUR)
        eventually(server.all_answer)
        load.more(40)
    assert before - set(server.pids()) == {victim}
    assert load.wrong == []
    assert set(load.answers) <= {"201", "lost"}
    assert load.answers["lost"] <= len(load.threads)
    assert unharmed(load, stored(server.database)["leads"]) == []


def test_the_jobs_of_a_killed_worker_are_taken_over_once(postgres_url: str, tmp_path: Path) -> None:
    url = fresh_database(postgres_url)
    with workers(url, 2, lease="2", dies=str(tmp_path / "died")) as server:
        api = server.api(server.organization())
        leads = [api.lead(phone=f"+151255503{number:02}")["id"] for number in range(12)]
        for lead in leads:
            eventually(lambda: said(api, lead))  # noqa: B023
        eventually(lambda: all(status(api, lead) == "delivered" for lead in leads))
        assert (tmp_path / "died").exists()
        assert Counter(row[3] for row in stored(url)["simulated_texts"]).most_common(1)[0][1] == 1
        eventually(lambda: not ask(url, "SELECT FROM jobs WHERE interval_seconds IS NULL"))


def test_a_signal_lets_all_workers_finish(postgres_url: str) -> None:
    url = fresh_database(postgres_url)
    with workers(url, 3) as server:
        api = server.api(server.organization())
        pids = server.pids()
        with Load(server, api, "drain") as load:
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        assert load.wrong == []
        assert unharmed(load, stored(url)["leads"]) == []


def fresh(api: Api, body: Any, path: str = "/leads", **headers: str) -> Any:
    """A POST on a connection of its own, which any worker may take."""
    return api.post(path, body, Connection="close", **headers)


def read(connection: Any, api: Api) -> tuple[int, bytes]:
    return request(connection, "GET", "/api/v1/org", Authorization=f"Bearer {api.key}")


def everywhere(server: Workers, api: Api, times: int, each: int) -> list[tuple[int, bytes]]:
    """What `times` reads answer that are sent at once over `each` connections to every worker."""
    turns, lock = iter(range(times)), threading.Lock()

    def client(connection: Any) -> list[tuple[int, bytes]]:
        answers = []
        while True:
            with lock:
                if next(turns, None) is None:
                    return answers
            answers.append(read(connection, api))

    with contextlib.ExitStack() as stack:
        taken = [connection for _ in range(each) for connection in stack.enter_context(server.each())]
        assert len(taken) == each * server.count
        with ThreadPoolExecutor(len(taken)) as pool:
            return [answer for answers in pool.map(client, taken) for answer in answers]


def said(api: Api, lead: str) -> bool:
    """Whether a text was accepted, now or at an earlier try; the worker that is asked may be dying."""
    with contextlib.suppress(Exception):
        answer = api.post(f"/conversations/{lead}/messages", {"body": "Hello"}, Idempotency_Key=lead)
        return answer.status_code == 201
    return False


def status(api: Api, lead: str) -> str | None:
    with contextlib.suppress(Exception):
        found: str = json.loads(api.get(f"/conversations/{lead}").content)["data"][-1]["status"]
        return found
    return None


def test_workers_do_not_outlive_their_supervisor(postgres_url: str) -> None:
    with workers(fresh_database(postgres_url), 2) as orphaned:
        pids = orphaned.pids()
        assert len(pids) == 2
        orphaned.process.kill()
        orphaned.process.wait()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
