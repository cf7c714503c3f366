"""`deskbell jobs`: what runs in the background, what has failed, and what an operator does about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from deskbell.app import JOB_KINDS, SLICES
from deskbell.foundation import clock, databases, jobs
from deskbell.foundation.db import insert
from deskbell.foundation.ids import new_id
from tests.desk import Api, Server, eventually, running
from tests.surfaces.test_cli import Desk

RECURRING = {job.name for each in SLICES for job in each.recurring}
BROKEN = "Traceback (most recent call last):\n  ...\nZeroDivisionError: division by zero\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.business()
    return desk


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "deskbell.db") as server:
        yield server


def add(desk: Desk, kind: str, **columns: Any) -> str:
    """A job, as it lies in the queue."""
    now = clock.now()
    row = {"id": new_id(), "kind": kind, "payload": "{}", "attempts": 0, "queue": "", "partition": "any"}
    row |= {"due_at": now, "created_at": now, **columns}
    connection = databases.command_connection(f"sqlite:///{desk.folder / 'deskbell.db'}")
    connection.write(lambda session: session.run(insert(jobs.jobs, row)))
    connection.close()
    return str(row["id"])


def test_jobs_are_listed_with_their_state(desk: Desk) -> None:
    assert "There are no jobs" in desk.run("jobs", "list")
    later, held = clock.seconds_from_now(3600), clock.seconds_from_now(50)
    failed = add(desk, "texts.send", failed_at=clock.now(), attempts=8, error=BROKEN)
    waiting = add(desk, "texts.send", due_at=later)
    busy = add(desk, "texts.send", claim="a", due_at=held, attempts=1)
    recurring = add(desk, "answers.purge", due_at=later, interval_seconds=3600)
    gone = add(desk, "faxes.send", due_at=later)
    states = {job["id"]: job["state"] for job in desk.json("jobs", "list")}
    assert states == {
        failed: "failed",
        waiting: "waiting",
        busy: "running",
        recurring: "recurring",
        gone: "unknown",
    }
    [only] = desk.json("jobs", "list", "--failed")
    assert (only["id"], only["attempts"], only["error"]) == (failed, 8, "ZeroDivisionError: division by zero")
    told = desk.run("jobs", "list", "--failed")
    assert failed in told
    assert waiting not in told
    assert "Traceback" not in told


def test_a_failed_text_that_is_retried_is_sent_by_the_running_server(server: Server, alice: Api, desk: Desk) -> None:
    lead = alice.lead(phone="+15125550123")["id"]
    with apsw.Connection(server.path) as connection:  # so that the text cannot be sent yet
        connection.execute(
            "CREATE TRIGGER broken BEFORE UPDATE OF status ON messages BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert alice.post(f"/conversations/{lead}/messages", {"body": "Hello"}).status_code == 201
    [job] = eventually(lambda: desk.json("jobs", "list", "--failed"))
    assert job["kind"] == "texts.send"
    with apsw.Connection(server.path) as connection:
        connection.execute("DROP TRIGGER broken")
    assert f"due now: texts.send {job['id']}" in desk.run("jobs", "retry", job["id"])
    messages = f"/conversations/{lead}"
    eventually(lambda: "delivered" in alice.get(messages).text)
    assert desk.json("jobs", "list", "--failed") == []


def test_all_failed_jobs_are_retried_but_those_that_a_newer_one_replaces(desk: Desk) -> None:
    failure = {"failed_at": clock.now(), "error": BROKEN, "attempts": 3}
    alone = add(desk, "texts.send", **failure)
    replaced = add(desk, "knowledge.index", unique_key="knowledge.index 7", **failure)
    newer = add(desk, "knowledge.index", unique_key="knowledge.index 7")
    told = desk.run("jobs", "retry", "--all-failed")
    assert f"due now: texts.send {alone}" in told
    assert f"skipped: knowledge.index {replaced}" in told
    states = {job["id"]: (job["state"], job["attempts"]) for job in desk.json("jobs", "list")}
    assert states == {alone: ("waiting", 0), replaced: ("failed", 3), newer: ("waiting", 0)}
    assert "give the id" in desk.complaint("jobs", "retry", status=2).lower()


def test_a_job_is_dropped_and_named(desk: Desk) -> None:
    id = add(desk, "texts.send", failed_at=clock.now(), error=BROKEN)
    told = desk.run("jobs", "drop", id)
    assert told == f"dropped: texts.send {id} (ZeroDivisionError: division by zero)\n"
    assert desk.json("jobs", "list") == []
    assert id in desk.complaint("jobs", "drop", id)


def test_a_job_that_runs_is_neither_retried_nor_dropped(desk: Desk) -> None:
    id = add(desk, "texts.send", claim="a", due_at=clock.seconds_from_now(50))
    for act in ("retry", "drop"):
        assert "runs at present" in desk.complaint("jobs", act, id)
    assert [job["id"] for job in desk.json("jobs", "list")] == [id]


def test_the_doctor_names_what_failed_and_what_nobody_can_do(desk: Desk) -> None:
    failed = add(desk, "texts.send", failed_at=clock.now(), error=BROKEN)
    gone = add(desk, "faxes.send")
    tidy = add(desk, "answers.purge", interval_seconds=3600, error=BROKEN)
    wrong = [each for each in desk.json("doctor", status=1) if each["state"] == "wrong"]
    assert [each["subject"] for each in wrong] == ["jobs"] * 3
    told = [f"{each['found']} {each['fix']}" for each in wrong]
    assert failed in told[0]
    assert "deskbell jobs retry" in told[0]
    assert "answers.purge failed: ZeroDivisionError" in told[1]
    assert f"deskbell jobs retry {tidy}" in told[1]
    assert f"faxes.send {gone}" in told[2]
    assert "deskbell jobs drop" in told[2]


def test_every_kind_that_a_server_can_do_is_known_to_the_commands(server: Server) -> None:
    kinds = {kind for worker in server.app.workers.workers.values() for kind in worker.handlers}
    assert kinds == JOB_KINDS - {"knowledge.settle"}  # which only PostgreSQL needs
    assert kinds >= RECURRING


def test_recurring_jobs_are_there_once_a_server_has_started(server: Server, desk: Desk) -> None:
    found = eventually(lambda: [job for job in desk.json("jobs", "list") if job["last_run"]])
    assert {job["kind"] for job in found} <= RECURRING
    assert {job["state"] for job in found} == {"recurring"}
