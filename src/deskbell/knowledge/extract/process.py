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
from contextlib import suppress
from time import monotonic
from weakref import WeakKeyDictionary

AT_ONCE = max(2, min(4, os.cpu_count() or 2))
PIECE = 1 << 18
GRACE = 5.0  # seconds beyond the child's own alarm, for a busy machine


class Ended(Exception):
    """The fork ended without an answer, `seconds` after it began."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer after {seconds:.1f} s")
        self.seconds = seconds


class Reader:
    """The reading process of this server process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        atexit.register(self.stop)

    async def ask(self, message: bytes, seconds: float, most: int) -> bytes:
        """The answer to one message, at most `most` bytes. Raises Ended. Cancelling it kills the fork."""
        async with self.turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
            for _ in range(3):
                # A process that ended for want of work, or was killed, has taken no file: try a new one.
                with suppress(ConnectionError):
                    return await exchange(self.hand_over(), message, seconds, most)
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
                    [sys.executable, "-I", "-m", "deskbell.knowledge.extract.child"],
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


async def exchange(ours: socket.socket, message: bytes, seconds: float, most: int) -> bytes:
    began, child = monotonic(), 0
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        async with asyncio.timeout(seconds + GRACE):
            child = int.from_bytes(await hello(reader), "big")
            with suppress(ConnectionError):  # it may have ended before it read everything
                writer.write(message)
                writer.write_eof()
                await writer.drain()
            answer = bytearray()
            while piece := await reader.read(PIECE):
                answer += piece
                if len(answer) > most:
                    raise Ended(monotonic() - began)
        if not answer:
            raise Ended(monotonic() - began)
        child = 0
        return bytes(answer)
    except (TimeoutError, ConnectionResetError) as problem:
        if not child:
            raise ConnectionError from problem
        raise Ended(monotonic() - began) from None
    finally:
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        writer.close()


async def hello(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readexactly(4)
    except asyncio.IncompleteReadError:
        raise ConnectionError("the process that reads documents has ended") from None


READER = Reader()
