"""A client that repeats its write until it hears an answer has written once, whatever the server went through."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from pathlib import Path

from tests.desk import eventually
from tests.faults.process import Process, process

BODY = {"first_name": "Ada", "phone": "+15125550123"}


def test_a_stored_answer_outlives_the_process(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db") as server:
        headers = {"Authorization": f"Bearer {server.api(server.organization()).key}", "Idempotency_Key": "once"}
        first = server.request("POST", "/api/v1/leads", BODY, **headers)
        server.kill()
        server.start()
        assert first[0] == 201
        assert server.request("POST", "/api/v1/leads", BODY, **headers) == first
        status, answer = server.request("POST", "/api/v1/leads", {"first_name": "Bea"}, **headers)
        assert (status, json.loads(answer)["error"]["code"]) == (409, "idempotency_mismatch")


def test_writes_repeated_through_kills_happen_once_each(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db") as server:
        api = server.api(server.organization())
        created, interrupted, over = list[str](), list[str](), threading.Event()
        clients = [(server, api.key, number, created, interrupted, over) for number in range(4)]
        threads = [threading.Thread(target=insist, args=client) for client in clients]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = len(created)
            eventually(lambda: len(created) > before + 10)  # noqa: B023
            server.kill()
            server.start()
        over.set()
        for thread in threads:
            thread.join()
        assert interrupted
        assert api.get("/leads", limit=1).json()["meta"]["total"] == len(created) == len(set(created))


def insist(
    server: Process, key: str, client: int, created: list[str], interrupted: list[str], over: threading.Event
) -> None:
    """Creates leads one after the other, and repeats each until it is answered with 201."""
    for number in itertools.takewhile(lambda _: not over.is_set(), itertools.count()):
        headers = {"Authorization": f"Bearer {key}", "Idempotency_Key": f"{client}-{number}"}
        while True:
            try:
                status, _ = server.request("POST", "/api/v1/leads", {"first_name": f"{client}-{number}"}, **headers)
            except (OSError, http.client.HTTPException):
                interrupted.append(headers["Idempotency_Key"])
                threading.Event().wait(0.02)
                continue
            assert status == 201
            created.append(headers["Idempotency_Key"])
            break
