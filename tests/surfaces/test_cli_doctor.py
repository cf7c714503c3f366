"""`deskbell doctor`: what is wrong, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deskbell.foundation import clock, databases, jobs
from deskbell.foundation.db import Session, insert
from deskbell.foundation.ids import new_id
from tests.surfaces.test_cli import Desk


def test_a_healthy_desk_passes_and_a_failed_job_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert "there is no database at deskbell.db" in desk.done("doctor", status=1).stdout
    desk.business()
    told = desk.run("doctor")
    assert "WRONG" not in told
    assert "never used: brk_" in told
    connection = databases.command_connection(f"sqlite:///{tmp_path / 'deskbell.db'}")
    connection.write(fail_a_job)
    connection.close()
    (wrong,) = [each for each in desk.json("doctor", status=1) if each["state"] == "wrong"]
    assert (wrong["subject"], wrong["found"]) == ("jobs", "1 failed")
    assert "ZeroDivisionError: division by zero" in wrong["fix"]


async def fail_a_job(session: Session) -> None:
    row: dict[str, Any] = {"id": new_id(), "kind": "texts.send", "payload": "{}", "attempts": 1}
    error = "Traceback (most recent call last):\n  ...\nZeroDivisionError: division by zero\n"
    moments = dict.fromkeys(("due_at", "failed_at", "created_at"), clock.now())
    await session.run(insert(jobs.jobs, {**row, **moments, "error": error}))
