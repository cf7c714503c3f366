"""The server's end of the reading process: starts it when needed, hands over a file, waits for the answer, ends what takes too long."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from weakref import WeakKeyDictionary

from deskbell.knowledge.extraction.protocol import FRAME, LENGTH

AT_ONCE = max(2, min(4, os.cpu_count() or 2))
PIECE = 1 << 18
GRACE = 5.0  # seconds beyond the child's own alarm, for a busy machine


class WorkerDied(Exception):
    """The fork ended without an answer, `seconds` after it began."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer after {seconds:.1f} s")
        self.seconds = seconds


class WorkerClient:
    """The reading process of this server process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        atexit.register(self.stop)

    async def ask(self, request: bytes, data: bytes, seconds: float, most: int) -> list[bytes]:
        """The frames of the answer to a request about `data`, at most `most` bytes in all. Raises Ended. Cancelling it kills the fork."""
        async with self.turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
            for _ in range(3):
                # A process that ended for want of work, or was killed, has taken no file: try a new one.
                with suppress(ConnectionError):
                    return await exchange(self.hand_over(), (request, data), seconds, most)
            raise RuntimeError("the process that reads documents does not start")

    def hand_over(self) -> socket.socket:
        """Our end of a socket whose other end a new fork holds."""
        ours, theirs = socket.socketpair()
        with theirs, self.lock:
            try:
                socket.send_fds(self.running(), [b"."], [theirs.fileno()])
            except OSError:
                self.stop()
                socket.send_fds(self.running(), [b"."], [theirs.fileno()])
        return ours

    def running(self) -> socket.socket:
        if self.control is None:
            self.control, theirs = socket.socketpair()
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, "-I", "-m", "deskbell.knowledge.extraction.worker"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env={},
                    process_group=0,
                )
        return self.control

    def stop(self) -> None:
        """Closing the control socket ends the process and its forks."""
        if self.control is not None and self.process is not None:
            self.control.close()
            self.control = None
            self.process.wait()


async def exchange(ours: socket.socket, parts: Sequence[bytes], seconds: float, most: int) -> list[bytes]:
    began, child = monotonic(), 0
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=PIECE)
    try:
        async with asyncio.timeout(seconds + GRACE):
            child = int.from_bytes(await hello(reader), "big")
            with suppress(ConnectionError):  # it may have ended before it read everything
                await send(writer, parts)
            frames = await framed(reader, most)
        if not frames:
            raise WorkerDied(monotonic() - began)
        child = 0
        return frames
    except (TimeoutError, ConnectionResetError, asyncio.IncompleteReadError, OverflowError) as problem:
        if not child:
            raise ConnectionError from problem
        raise WorkerDied(monotonic() - began) from None
    finally:
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        writer.close()


async def send(writer: asyncio.StreamWriter, parts: Sequence[bytes]) -> None:
    """In pieces, so that no large file is ever copied in one go."""
    for part in parts:
        for start in range(0, len(part), PIECE):
            writer.write(part[start : start + PIECE])
            await writer.drain()
    writer.write_eof()


async def framed(reader: asyncio.StreamReader, most: int) -> list[bytes]:
    """The frames until the end. Raises OverflowError where they are larger than they may be, IncompleteReadError where one is cut short."""
    frames: list[bytes] = []
    while head := await reader.read(1):
        size = int.from_bytes(head + await reader.readexactly(LENGTH - 1), "big")
        most -= size + LENGTH
        if size > FRAME or most < 0:
            raise OverflowError
        frames.append(await reader.readexactly(size))
    return frames


async def hello(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readexactly(4)
    except asyncio.IncompleteReadError:
        raise ConnectionError("the process that reads documents has ended") from None


WORKER = WorkerClient()
