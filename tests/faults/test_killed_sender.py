"""A process that dies while it sends: the text goes out once, and its job is taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from deskbell.conversations.carriers.simulator import SLOW
from tests.desk import Api, eventually
from tests.faults.process import Process, process


def test_a_text_that_the_carrier_took_before_the_crash_is_not_sent_again(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db", flaw="dies") as server:
        api = server.api(server.organization())
        lead = text(api, "+15125550123")
        eventually(lambda: server.process.poll() is not None)
        assert (ledger(server), status(server, lead)) == (1, "sending")
        server.flaw = ""
        server.start()
        eventually(lambda: status(server, lead) == "delivered")
        assert ledger(server) == 1
        assert jobs(server) == 0


def test_a_text_that_the_carrier_had_not_taken_is_sent_once_after_the_restart(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db") as server:
        api = server.api(server.organization())
        lead = text(api, SLOW)
        eventually(lambda: status(server, lead) == "sending")
        server.kill()
        assert ledger(server) == 0
        server.start()
        eventually(lambda: status(server, lead) == "delivered")
        assert ledger(server) == 1
        assert jobs(server) == 0


def text(api: Api, phone: str) -> str:
    lead: str = api.lead(phone=phone)["id"]
    assert api.post(f"/conversations/{lead}/messages", {"body": "Hello"}).status_code == 201
    return lead


def ledger(server: Process) -> Any:
    """How often the carrier was given a text."""
    return look(server, "SELECT count(*) FROM simulated_texts")


def jobs(server: Process) -> Any:
    return look(server, "SELECT count(*) FROM jobs WHERE interval_seconds IS NULL")


def status(server: Process, lead: str) -> Any:
    return look(server, "SELECT status FROM messages WHERE lead_id = ?", lead)


def look(server: Process, sql: str, *values: str) -> Any:
    connection = apsw.Connection(server.path)
    connection.set_busy_timeout(60_000)
    try:
        return connection.execute(sql, values).get
    finally:
        connection.close()
