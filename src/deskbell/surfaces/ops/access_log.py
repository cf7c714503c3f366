"""One JSON line per request, written in batches: a killed process may lose the last 0.2 seconds of log, but no data."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

import msgspec

from deskbell.core.principal import Principal

MAX_PENDING = 100_000  # lines
TICK = 0.2  # seconds between writes

_encode = msgspec.json.Encoder().encode


#: A line before it is encoded: Unix time, request id, caller, operation, status, seconds.
PendingLine = tuple[float, str, Principal | None, str, int, float]


class LogLine(msgspec.Struct):
    """The members of a line. `time` is Unix time in seconds, `ms` how long the request took, `key` the first characters of the key."""

    time: float
    request_id: str
    organization: str | None
    key: str | None
    operation: str
    status: int
    ms: float


class AccessLog:
    """Collects lines for a thread that writes them, so that a log reader that stalls delays neither requests nor the shutdown.

    No line holds a body, a whole key or a phone number.
    """

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor
        self.lines: deque[PendingLine] = deque()
        self.ended = threading.Event()
        self.idle = True  # whether the writer waits for the next line
        self.added = threading.Event()
        self.writer = threading.Thread(target=self.run, name="access-log", daemon=True)
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, float] = {}

    def add(self, request_id: str, operation: str, caller: Principal | None, status: int, started: float) -> None:
        """`started` is time.perf_counter() at the request's first byte. Counts for `/metrics` too."""
        took = time.perf_counter() - started
        place = (operation, status)
        self.requests[place] = self.requests.get(place, 0) + 1
        self.seconds[operation] = self.seconds.get(operation, 0.0) + took
        if self.descriptor is not None and len(self.lines) < MAX_PENDING:  # else the log's reader has stalled
            self.lines.append((time.time(), request_id, caller, operation, status, took))
            if self.idle:
                self.idle = False
                self.added.set()

    def start(self) -> None:
        """Starts writing. Lines that were added before are kept."""
        if self.descriptor is not None:
            self.writer.start()

    def stop(self, grace: float) -> None:
        """Writes what is left, for at most `grace` seconds; what the reader has not read by then is dropped."""
        self.ended.set()
        self.added.set()
        if self.writer.is_alive():
            self.writer.join(grace)

    def run(self) -> None:
        while self.added.wait() and not self.ended.wait(TICK):
            self.added.clear()
            self.idle = True  # before the lines are taken: one that comes from now on wakes this thread again
            self.write(self.take())
        self.write(self.take())

    def take(self) -> list[PendingLine]:
        """Removes and returns the pending lines. Others may add lines at the same time."""
        return [self.lines.popleft() for _ in range(len(self.lines))]

    def write(self, lines: list[PendingLine]) -> None:
        """Encodes and writes the lines; blocks for as long as the log's reader does."""
        text = b"".join(
            _encode(LogLine(moment, request_id, *names_of(caller), operation, status, round(took * 1000, 3))) + b"\n"
            for moment, request_id, caller, operation, status, took in lines
        )
        try:
            while text and self.descriptor is not None:
                text = text[os.write(self.descriptor, text) :]
        except OSError:  # the log has no reader any more; the service goes on
            self.descriptor = None


def names_of(caller: Principal | None) -> tuple[str | None, str | None]:
    """The organization and the beginning of the key, as the log shows them."""
    return (caller.organization_id, caller.key_prefix) if caller else (None, None)
