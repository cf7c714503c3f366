"""A server that can be killed, and clients that note what it acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.commands import Command
from tests.desk import PATIENCE, Server, eventually

ROOT = Path(__file__).parents[2]
SERVE = "tests.faults.serve"


class Process(Server):
    """A Deskbell in a process of its own. It offers what `Server` does, and can be killed."""

    flaw = ""
    wrapper: tuple[str, ...] = ()

    def start(self) -> None:
        words = [self.path, str(self.port), *filter(None, [self.flaw])]
        if self.wrapper:
            command = [*self.wrapper, sys.executable, "-m", SERVE, *words]
            self.process: Any = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        else:
            self.process = Command(words, module=SERVE)
        eventually(lambda: self.answers() or self.process.poll() is not None)
        assert self.process.poll() is None, "the server did not start"

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/healthz")[0] == 200
        return False

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is flushed."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(PATIENCE)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        connection = self.connection()
        try:
            return request(connection, method, path, body, **headers)
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)


def request(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, bytes]:
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.read()


@contextlib.contextmanager
def process(path: Path, flaw: str = "", wrapper: tuple[str, ...] = ()) -> Iterator[Process]:
    """A running server process for the length of a block. It may be killed and started again within."""
    server = Process(path)
    server.flaw, server.wrapper = flaw, wrapper
    try:
        server.start()
        yield server
    finally:
        server.stop()
