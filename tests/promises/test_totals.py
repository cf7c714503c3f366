"""The total of a list is exact, whoever writes: this server, or a command in another process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from deskbell.core.context import operator_context
from deskbell.foundation import sqlite
from deskbell.foundation.db import Session
from deskbell.foundation.sqlite import SqliteDatabase, session
from deskbell.leads.model import NewLead
from deskbell.leads.operations import create_lead
from deskbell.leads.store import lead_list
from deskbell.organizations.operations import create_organization
from tests.desk import Api
from tests.faults.process import ROOT

GUEST = 250  # leads that the other process writes


@pytest.mark.parametrize("own_writes", [False, True], ids=["reads alone", "with writes of its own"])
def test_totals_are_exact_while_another_process_writes(alice: Api, own_writes: bool) -> None:
    looked, wrong = watch(alice, "", lambda: alice.lead() if own_writes else None)
    assert looked > 100
    assert wrong == []


def test_control_without_the_epoch_totals_go_wrong(alice: Api) -> None:
    assert watch(alice, "silent", lambda: None)[1] != []


def watch(api: Api, manner: str, act: Callable[[], Any]) -> tuple[int, list[Any]]:
    """Looks at the list while a guest adds leads: how often, and what was not between the counts before and after."""
    api.lead()
    counter = apsw.Connection(api.server.path, flags=apsw.SQLITE_OPEN_READONLY)
    sql = "SELECT count(*) FROM leads WHERE organization_id = ?"
    count = lambda: counter.execute(sql, (api.organization_id,)).get  # noqa: E731
    looked, wrong = 0, []
    with guest(api, manner) as process:
        while process.poll() is None:
            before, answer = count(), api.get("/leads", limit=1).json()
            after, total = count(), answer["meta"]["total"]
            looked += 1
            if not before <= total <= after:
                wrong.append((before, total, after))
            act()
    counter.close()
    assert process.returncode == 0
    return looked, wrong


def guest(api: Api, manner: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.guest", api.server.path, api.organization_id, str(GUEST)]
    return subprocess.Popen([*command, *manner.split()], cwd=ROOT, stdout=subprocess.DEVNULL)


def test_a_thread_that_reads_for_the_first_time_believes_no_old_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long lists are read on threads whose connection is new at first: it cannot tell what was written before."""
    monkeypatch.setattr(session, "COUNTED_INLINE", 0)
    path = str(tmp_path / "deskbell.db")
    sqlite.prepare(path, migrate=True)

    async def scenario() -> list[int]:
        database = SqliteDatabase(path)
        made = await database.write(lambda session: create_organization(session, "Acme"))

        async def add(session: Session) -> Any:
            return await create_lead(await operator_context(session, made.id), NewLead(first_name="Ada"))

        await database.write(add, made.id)
        page = lambda session: session.page(listed(made.id), 1, 50)  # noqa: E731
        first = await database.read(page, made.id)
        other = sqlite.SqliteCommandDatabase(path)
        await other.write(add)
        await other.stop()
        rows, total = await asyncio.to_thread(database.read_on_thread, page, made.id)
        database.close()
        return [first[1], len(rows), total]

    assert asyncio.run(scenario()) == [1, 2, 2]


def listed(organization_id: str) -> Any:
    return lead_list(organization_id, indexed=False, sort_by="created_at", descending=True)
