"""The load: raw sockets on one event loop, keep-alive, and just enough of HTTP to know where an answer ends and whether it is right."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import uvloop

SAMPLE = 61  # one answer in so many is decoded and looked at


class Request(NamedTuple):
    """The bytes to send, and what `check` is told to compare the answer with."""

    data: bytes
    wanted: Any = None


class Load(NamedTuple):
    """What to send, the status that every answer must have, and what a sampled body must be."""

    requests: Iterator[Request]
    status: int
    check: Callable[[Any, Any], bool]


class Round(NamedTuple):
    """One stretch of load: answers, seconds, each answer's latency in seconds, and the share of a core that the generator used."""

    answers: int
    seconds: float
    latencies: list[float]
    busy: float

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def request(method: str, path: str, key: str, body: Any = None) -> bytes:
    content = b"" if body is None else msgspec.json.encode(body)
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {key}", "accept: application/json"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class WrongAnswer(Exception):
    """An answer was not what the figure is about."""


class Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next, until `until`."""

    def __init__(self, load: Load, until: float, latencies: list[float]) -> None:
        self.load = load
        self.until = until
        self.latencies = latencies
        self.start_line = b"HTTP/1.1 %d " % load.status
        self.received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        if self.sent >= self.until:
            self.done.set_result(None)
            self.transport.close()
            return
        self.asked = next(self.load.requests)
        self.transport.write(self.asked.data)

    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        end = data.find(b"\r\n\r\n")
        place = data.find(b"content-length: ", 0, end)
        if end < 0 or len(data) < (whole := end + 4 + int(data[place + 16 : data.find(b"\r\n", place)])):
            self.received = data
            return
        self.received = b""
        self.latencies.append(time.perf_counter() - self.sent)
        if not data.startswith(self.start_line) or len(data) != whole or not self.looks_right(data[end + 4 :]):
            self.fail(f"asked {self.asked.data!r}, got {data[:600]!r}")
        else:
            self.send()

    def looks_right(self, body: bytes) -> bool:
        return len(self.latencies) % SAMPLE != 1 or self.load.check(msgspec.json.decode(body), self.asked.wanted)

    def fail(self, message: str) -> None:
        self.done.set_exception(WrongAnswer(message))
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(WrongAnswer(f"the connection was lost: {error}"))


async def one_round(load: Load, port: int, seconds: float, connections: int) -> Round:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    started, used = time.perf_counter(), time.process_time()
    made = [
        (await loop.create_connection(lambda: Connection(load, started + seconds, latencies), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for connection in made))
    took = time.perf_counter() - started
    return Round(len(latencies), took, latencies, (time.process_time() - used) / took)


def run(load: Load, port: int, seconds: float, connections: int = 32) -> Round:
    """Loads a server for so many seconds. Raises WrongAnswer at the first answer that is not as it must be."""
    gc.disable()
    try:
        return uvloop.run(one_round(load, port, seconds, connections))
    finally:
        gc.enable()
