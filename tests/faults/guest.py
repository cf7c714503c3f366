"""A command that writes while a server runs: `python -m tests.faults.guest FILE ORGANIZATION COUNT [silent]`.

Creates that many leads, each in a transaction of its own, and prints the seconds that each one took as a JSON list. A silent
command does not raise the epoch: the control that shows what the epoch is for.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from deskbell.core.context import operator_context
from deskbell.foundation.sqlite import SqliteCommandDatabase, drive
from deskbell.leads.model import NewLead
from deskbell.leads.operations import create_lead


def main(path: str, organization_id: str, count: str, manner: str = "") -> None:
    database = SqliteCommandDatabase(path)
    write = silently if manner == "silent" else aloud
    took = []
    for _ in range(int(count)):
        started = time.perf_counter()
        write(database, lambda session: create(session, organization_id))
        took.append(time.perf_counter() - started)
    drive(database.stop())
    print(json.dumps(took))


async def create(session: Any, organization_id: str) -> None:
    await create_lead(await operator_context(session, organization_id), NewLead(first_name="Guest"))


def aloud(database: SqliteCommandDatabase, work: Any) -> None:
    drive(database.write(work))


def silently(database: SqliteCommandDatabase, work: Any) -> None:
    database.session.connection.execute("BEGIN IMMEDIATE")
    drive(work(database.session))
    database.session.connection.execute("COMMIT")


if __name__ == "__main__":
    main(*sys.argv[1:])
