"""`deskbell serve --workers N` for the tests: `python -m tests.faults.workers URL PORT N`, and the clients that keep it busy.

`DESKBELL_TEST_LEASE` shortens the lease of jobs. `DESKBELL_TEST_DIES` names a file: the first worker to send a text makes it,
and dies when the carrier has taken the text and the record of it is not yet written.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deskbell import app
from deskbell.app import Deskbell
from deskbell.conversations.carriers.simulator import Simulator
from deskbell.foundation import jobs
from deskbell.settings import Settings
from deskbell.surfaces.cli import serve
from tests.desk import PATIENCE, Api, Server, eventually
from tests.faults.process import ROOT, Process, request

CLIENTS = 6
AWAY = ("query_failed", "create_failed")


class Workers(Process):
    """A Deskbell of several processes."""

    def __init__(self, url: str, count: int, **environment: str) -> None:
        Server.__init__(self, url)
        self.count = count
        self.over = threading.Event()
        self.environment = {f"DESKBELL_TEST_{name.upper()}": value for name, value in environment.items()}

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.workers", self.database, str(self.port), str(self.count)]
        environment = {**os.environ, "DESKBELL_ACCESS_LOG": "false", **self.environment}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        eventually(lambda: (self.answers() and self.all_answer()) or self.process.poll() is not None)
        assert self.process.poll() is None, "the server did not start"

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def pids(self) -> list[int]:
        """The workers' processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def kill_one(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def all_answer(self) -> bool:
        """Asks little and rests: on few cores, who asks all the time keeps a worker from starting."""
        found = connections(self, self.count, rounds=1)
        for connection in found.values():
            connection.close()
        return len(found) == self.count or self.over.wait(0.3)

    @contextlib.contextmanager
    def each(self) -> Iterator[list[http.client.HTTPConnection]]:
        """A connection to every worker that takes one."""
        taken = list(connections(self, self.count).values())
        try:
            yield taken
        finally:
            for connection in taken:
                connection.close()


def behind(connection: http.client.HTTPConnection) -> str:
    """The worker that has taken a connection: the moment at which it began."""
    text = request(connection, "GET", "/metrics")[1].decode()
    return text.split("\nprocess_start_time_seconds ")[1].split("\n")[0]


def connections(server: Workers, count: int, rounds: int = 20) -> dict[str, http.client.HTTPConnection]:
    """By the moment at which a worker began. Many are opened at once, so that no worker can take all, until `count` have one."""
    found: dict[str, http.client.HTTPConnection] = {}

    def taken(number: int) -> None:
        connection = server.connection()
        with contextlib.suppress(OSError, http.client.HTTPException):
            if found.setdefault(behind(connection), connection) is connection:
                return
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        for _ in range(rounds):
            list(pool.map(taken, range(32)))
            if len(found) == count:
                break
    return found


class Load:
    """Clients that create leads until they are told to stop. Each repeats a create under its key until it is acknowledged."""

    def __init__(self, server: Process, api: Api, seed: str) -> None:
        self.server, self.seed = server, seed
        self.headers = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json"}
        self.acknowledged: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.moments: list[float] = []
        self.wrong: list[Any] = []
        self.longest = 0.0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        self.more()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def more(self, number: int = 20) -> None:
        """Waits until that many more creates were acknowledged."""
        wanted = len(self.acknowledged) + number
        eventually(lambda: len(self.acknowledged) >= wanted)

    def client(self, client: int) -> None:
        number, connection = 0, self.server.connection()
        while not self.over.is_set():
            name = f"{self.seed}-{client}-{number}"
            try:
                number += self.create(connection, name)
            except (OSError, http.client.HTTPException):
                self.answers["lost"] += 1
                connection.close()
                self.over.wait(0.02)
        connection.close()

    def create(self, connection: http.client.HTTPConnection, name: str) -> bool:
        body = {"first_name": name, "email": f"{name}@example.com"}
        asked = time.monotonic()
        status, text = request(connection, "POST", "/api/v1/leads", body, Idempotency_Key=name, **self.headers)
        self.longest = max(self.longest, time.monotonic() - asked)
        answer = json.loads(text)
        self.answers[str(status)] += 1
        if status == 201:
            self.acknowledged[name] = answer["data"]["id"]
            self.moments.append(time.monotonic())
            return True
        error = answer.get("error", {})
        if status != 500 or error.get("code") not in AWAY or error.get("retryable") is not True or len(error) != 3:
            self.wrong.append((status, text))
        self.over.wait(0.02)
        return False

    def healed(self, moment: float) -> float:
        """Seconds from a moment to the first acknowledgement after it."""
        eventually(lambda: self.moments[-1] > moment)
        return min(each for each in self.moments if each > moment) - moment


def unharmed(load: Load, leads: list[tuple[Any, ...]]) -> list[str]:
    """What is wrong with the stored leads: an acknowledged one is missing, or stands there twice. Rows hold an id second."""
    stored = Counter(str(row[1]) for row in leads)
    names = Counter(str(row[2]) for row in leads if str(row[2]).startswith(f"{load.seed}-"))
    lost = [name for name, id in load.acknowledged.items() if stored[id] != 1]
    return [f"{name} was acknowledged and is gone" for name in lost] + [
        f"{name} stands there {times} times" for name, times in names.items() if times > 1
    ]


@contextlib.contextmanager
def workers(url: str, count: int, **environment: str) -> Iterator[Workers]:
    server = Workers(url, count, **environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def create() -> Deskbell:
    """The application of a worker, with what the environment changes for a test."""
    jobs.LEASE = float(os.environ.get("DESKBELL_TEST_LEASE", jobs.LEASE))
    if mark := os.environ.get("DESKBELL_TEST_DIES"):
        die_after_the_carrier(mark)
    return app.create()


def die_after_the_carrier(mark: str) -> None:
    send = Simulator.send

    async def send_and_die(self: Simulator, text: Any) -> Any:
        receipt = await send(self, text)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), signal.SIGKILL)
        return receipt

    Simulator.send = send_and_die  # type: ignore[method-assign]


def main(url: str, port: str, count: str) -> None:
    usual = serve.uvicorn_config
    serve.uvicorn_config = lambda settings, application, **more: usual(settings, "tests.faults.workers:create", **more)
    serve.serve.main(["--database", url, "--port", port, "--workers", count], obj=Settings(access_log=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
