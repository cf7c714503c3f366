"""One JSON line per request, written in bulk: a kill may lose the last fifth of a second of log, never data."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Any

import msgspec

MOST_WAITING = 100_000  # lines
TICK = 0.2  # seconds between writes

_encode = msgspec.json.Encoder().encode


#: A line before it is worded: moment, request id, organization, key, operation, status, seconds.
Waiting = tuple[float, str, str | None, str | None, str, int, float]


class Line(msgspec.Struct):
    """What a line says. `time` is Unix time in seconds, `ms` how long the request took; `key` is the key's first characters."""

    time: float
    request_id: str
    organization: str | None
    key: str | None
    operation: str
    status: int
    ms: float


class AccessLog:
    """Lines wait here for a thread of their own: a reader of the log that stalls holds up neither requests nor the end.

    No line holds a body, a whole key or a phone number.
    """

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor
        self.lines: deque[Waiting] = deque()
        self.ended = threading.Event()
        self.idle = True  # whether the writer waits for the next line
        self.added = threading.Event()
        self.writer = threading.Thread(target=self.run, name="access-log", daemon=True)
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, float] = {}

    def add(self, request_id: str, operation: str, caller: Any, status: int, started: float) -> None:
        """`started` is time.perf_counter() at the request's first byte. Counts for `/metrics` too."""
        took = time.perf_counter() - started
        place = (operation, status)
        self.requests[place] = self.requests.get(place, 0) + 1
        self.seconds[operation] = self.seconds.get(operation, 0.0) + took
        if (
            self.descriptor is not None and len(self.lines) < MOST_WAITING
        ):  # else whoever reads the log has stopped reading
            organization, key = (caller.organization_id, caller.key_prefix) if caller else (None, None)
            self.lines.append((time.time(), request_id, organization, key, operation, status, took))
            if self.idle:
                self.idle = False
                self.added.set()

    def start(self) -> None:
        """Begins to write. Lines that are added before wait."""
        if self.descriptor is not None:
            self.writer.start()

    def stop(self, patience: float) -> None:
        """Writes what is left, for at most `patience` seconds; what the reader has not taken by then is dropped."""
        self.ended.set()
        self.added.set()
        if self.writer.is_alive():
            self.writer.join(patience)

    def run(self) -> None:
        while self.added.wait() and not self.ended.wait(TICK):
            self.added.clear()
            self.idle = True  # before the lines are taken: one that comes from now on wakes this thread again
            self.write(self.take())
        self.write(self.take())

    def take(self) -> list[Waiting]:
        """The lines that wait, which are then no longer kept here. Others may add lines meanwhile."""
        return [self.lines.popleft() for _ in range(len(self.lines))]

    def write(self, lines: list[Waiting]) -> None:
        """Words the lines and hands them over; blocks as long as the reader of the log does."""
        text = b"".join(
            _encode(Line(moment, request_id, organization, key, operation, status, round(took * 1000, 3))) + b"\n"
            for moment, request_id, organization, key, operation, status, took in lines
        )
        try:
            while text and self.descriptor is not None:
                text = text[os.write(self.descriptor, text) :]
        except OSError:  # nobody reads the log any more; the service goes on
            self.descriptor = None
