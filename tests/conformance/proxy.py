"""A reverse proxy that gives every request to the next server in turn, over a connection of its own, and adds the key.

Clients keep their connections alive, which would pin each of them to one process; here no two requests in a row meet the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator

HOP = (b"connection:", b"keep-alive:")


class RoundRobin:
    """Serves on a free port of the loopback interface. `served` counts the requests that each port got."""

    def __init__(self, ports: list[int], key: str = "") -> None:
        self.ports = ports
        self.key = key.encode()
        self.turn = 0
        self.served: Counter[int] = Counter()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer, which may be a stream without end; then both connections are closed."""
        tasks: set[asyncio.Task[None]] = set()
        upstream: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answers, upstream = await self.connection()
            upstream.write(self.changed(head))
            tasks = {asyncio.create_task(pour(reader, upstream)), asyncio.create_task(pour(answers, writer))}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # one side hung up, or this proxy ends
        finally:
            for task in tasks:
                task.cancel()
            for end in (writer, upstream):
                if end is not None:
                    end.close()

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the next server that takes one."""
        for _ in self.ports:
            port = self.ports[self.turn % len(self.ports)]
            self.turn += 1
            with contextlib.suppress(ConnectionRefusedError):
                found = await asyncio.open_connection("127.0.0.1", port)
                self.served[port] += 1
                return found
        raise ConnectionRefusedError

    def changed(self, head: bytes) -> bytes:
        start, *lines = head[:-4].split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(HOP)]
        if self.key and not any(line.lower().startswith(b"authorization:") for line in lines):
            kept.append(b"authorization: Bearer " + self.key)
        return b"\r\n".join([start, *kept, b"connection: close"]) + b"\r\n\r\n"

    async def serve(self, started: threading.Event, over: asyncio.Event) -> None:
        listener = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        started.set()
        await over.wait()
        listener.close()


async def pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()


@contextlib.contextmanager
def round_robin(ports: Iterable[int], key: str = "") -> Iterator[RoundRobin]:
    """A proxy in a thread of this process. A `key` is sent with requests that bring none."""
    proxy, started, over, loops = RoundRobin(list(ports), key), threading.Event(), asyncio.Event(), []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await proxy.serve(started, over)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield proxy
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(10)
