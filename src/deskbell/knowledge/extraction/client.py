"""The server's side of the worker process that reads documents: starts it, sends a file, waits for the reply, kills what takes too long."""

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

CONCURRENCY = max(2, min(4, os.cpu_count() or 2))
PIECE = 1 << 18  # bytes
GRACE = 5.0  # seconds beyond the fork's own alarm, for a busy machine


class WorkerDied(Exception):
    """The fork that read a file ended without a reply, `seconds` after it started."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no reply after {seconds:.1f} s")
        self.seconds = seconds


class WorkerClient:
    """The worker process of this server process, which forks for each file."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        atexit.register(self.stop)

    async def ask(self, request: bytes, data: bytes, seconds: float, most: int) -> list[bytes]:
        """The frames of the reply to a request about `data`, at most `most` bytes in all. Raises `WorkerDied`. Cancelling it kills the fork."""
        async with self.slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CONCURRENCY)):
            for _ in range(3):
                # A worker that was idle and has ended, or was killed, has not taken the file: try a new one.
                with suppress(ConnectionError):
                    return await exchange(self.connect(), (request, data), seconds, most)
            raise RuntimeError("the process that reads documents does not start")

    def connect(self) -> socket.socket:
        """Our end of a socket whose other end a new fork has."""
        ours, theirs = socket.socketpair()
        with theirs, self.lock:
            try:
                socket.send_fds(self.control_socket(), [b"."], [theirs.fileno()])
            except OSError:
                self.stop()
                socket.send_fds(self.control_socket(), [b"."], [theirs.fileno()])
        return ours

    def control_socket(self) -> socket.socket:
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
        """Closing the control socket ends the worker and its forks."""
        if self.control is not None and self.process is not None:
            self.control.close()
            self.control = None
            self.process.wait()


async def exchange(ours: socket.socket, parts: Sequence[bytes], seconds: float, most: int) -> list[bytes]:
    started, fork = monotonic(), 0
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=PIECE)
    try:
        async with asyncio.timeout(seconds + GRACE):
            fork = int.from_bytes(await read_pid(reader), "big")
            with suppress(ConnectionError):  # it may have ended before it read everything
                await send(writer, parts)
            frames = await read_frames(reader, most)
        if not frames:
            raise WorkerDied(monotonic() - started)
        fork = 0
        return frames
    except (TimeoutError, ConnectionResetError, asyncio.IncompleteReadError, OverflowError) as problem:
        if not fork:
            raise ConnectionError from problem
        raise WorkerDied(monotonic() - started) from None
    finally:
        if fork:
            with suppress(ProcessLookupError):
                os.kill(fork, signal.SIGKILL)
        writer.close()


async def send(writer: asyncio.StreamWriter, parts: Sequence[bytes]) -> None:
    """In pieces, so that no large file is copied as a whole."""
    for part in parts:
        for start in range(0, len(part), PIECE):
            writer.write(part[start : start + PIECE])
            await writer.drain()
    writer.write_eof()


async def read_frames(reader: asyncio.StreamReader, most: int) -> list[bytes]:
    """The frames until the end. Raises OverflowError if they are larger than allowed, IncompleteReadError if one is cut short."""
    frames: list[bytes] = []
    while head := await reader.read(1):
        size = int.from_bytes(head + await reader.readexactly(LENGTH - 1), "big")
        most -= size + LENGTH
        if size > FRAME or most < 0:
            raise OverflowError
        frames.append(await reader.readexactly(size))
    return frames


async def read_pid(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readexactly(4)
    except asyncio.IncompleteReadError:
        raise ConnectionError("the process that reads documents has ended") from None


WORKER = WorkerClient()
