"""Kill, start, look: rounds of SIGKILL under write load, and what must be true after each."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from deskbell.foundation.sqlite import connect
from tests.desk import PATIENCE, Api
from tests.faults.process import Process, request

CLIENTS = 6


class Load:
    """Clients that create leads as fast as they are answered, each create with an Idempotency-Key, until the server dies."""

    def __init__(self, server: Process, api: Api, seed: str) -> None:
        self.server, self.api, self.seed = server, api, seed
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.first = threading.Event()
        self.threads = [threading.Thread(target=self.create, args=(number,)) for number in range(CLIENTS)]

    def create(self, client: int) -> None:
        connection = self.server.connection()
        headers = {"Authorization": f"Bearer {self.api.key}", "Content-Type": "application/json"}
        with contextlib.suppress(OSError, http.client.HTTPException):
            for number in range(100_000):
                name = f"{self.seed}-{client}-{number}"
                body = {"first_name": name, "email": f"{name}@example.com", "notes": name * 20, "tags": [name]}
                status, answer = request(connection, "POST", "/api/v1/leads", body, Idempotency_Key=name, **headers)
                assert status == 201, answer
                self.acknowledged[name] = json.loads(answer)["data"]
                self.first.set()
        connection.close()


def run(server: Process, api: Api, rounds: int, seed: int = 0) -> Iterator[str]:
    """Kills the server at random moments of its work, `rounds` times; tells everything that was wrong afterwards."""
    chance = random.Random(seed)
    for number in range(rounds):
        load = Load(server, api, f"r{number}")
        for thread in load.threads:
            thread.start()
        assert load.first.wait(PATIENCE), "the server does not answer"
        threading.Event().wait(chance.uniform(0, 0.15))
        server.kill()
        for thread in load.threads:
            thread.join()
        yield from [f"round {number}: {complaint}" for complaint in look(Path(server.path), load.acknowledged)]
        server.start()


def look(path: Path, acknowledged: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with a file after a kill: unsound, an acknowledged lead missing or not whole, half of a unit."""
    connection = connect(str(path))
    complaints = []
    if (verdict := connection.execute("PRAGMA integrity_check").get) != "ok":
        complaints.append(f"integrity: {verdict}")
    for name, lead in acknowledged.items():
        found = stored(connection, name)
        if found is None:
            complaints.append(f"{name} was acknowledged and is gone")
        elif found != [lead["id"], name, f"{name}@example.com", name * 20, [name]]:
            complaints.append(f"{name} is not whole: {found}")
    leads = connection.execute("SELECT count(*) FROM leads").get
    answers = connection.execute("SELECT count(*) FROM answers").get
    if leads != answers:
        complaints.append(f"{leads} leads, but {answers} idempotency records")
    connection.close()
    return complaints


def stored(connection: apsw.Connection, name: str) -> list[Any] | None:
    sql = "SELECT id, first_name, email, notes, tags FROM leads WHERE email_key = ? AND organization_id = (SELECT id FROM organizations)"
    row = connection.execute(sql, (f"{name}@example.com",)).fetchone()
    return None if row is None else [*row[:4], json.loads(row[4])]
