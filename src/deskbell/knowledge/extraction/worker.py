"""The worker process that reads documents: it loads the parsers once and forks for each file, so that a hostile file fails alone.

It is started by `client.py` with a control socket as its standard input, has one thread, no settings and no secrets. Each message
on the control socket brings a socket, on which the fork sends its process id, reads one request and replies to it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import traceback
from collections.abc import Iterable
from itertools import islice

import msgspec

from deskbell.knowledge.extraction import formats
from deskbell.knowledge.extraction.chunk_and_analyze import chunk_and_analyze
from deskbell.knowledge.extraction.document import ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits, apply_limits, extend_time
from deskbell.knowledge.extraction.protocol import (
    CHUNKS,
    FRAME,
    LENGTH,
    REQUEST,
    Crashed,
    FeedHeader,
    ReadRequest,
    Rejected,
    encode_frame,
)
from deskbell.knowledge.text import analysis

IDLE = 300.0  # seconds without work after which the process ends; longer than any one file may take


def serve(control: socket.socket) -> None:
    """Forks for each socket that arrives, until the server is gone or there was nothing to do for a while."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the forks
    control.settimeout(IDLE)
    while True:
        try:
            _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except TimeoutError:
            return
        if not descriptors:
            os.killpg(0, signal.SIGKILL)  # the server is gone, and nobody waits for the forks' replies
        for descriptor in descriptors:
            if os.fork() == 0:
                work(control, descriptor)
            os.close(descriptor)


def work(control: socket.socket, descriptor: int) -> None:
    """Reads one file and ends the process. Never returns."""
    try:
        control.close()
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 0)
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        with socket.socket(fileno=descriptor) as server:
            server.sendall(os.getpid().to_bytes(4, "big"))
            for frame in reply_to(read_all(server)):
                server.sendall(frame)
    finally:
        os._exit(0)


def read_all(server: socket.socket) -> bytes:
    with server.makefile("rb") as file:
        return file.read()


def reply_to(message: bytes) -> list[bytes]:
    """The frames of the reply: the whole document, or why it cannot be read."""
    try:
        end = LENGTH + int.from_bytes(message[:LENGTH], "big")
        request = REQUEST.decode(message[LENGTH:end])
        apply_limits(request.limits)
        read = read_feed if request.kind == "feed" else read_document
        return within_limit(read(request, message[end:]), request.limits)
    except Unreadable as problem:
        return [encode_frame(Rejected(problem.reason))]
    except MemoryError:
        return [encode_frame(Rejected("Reading the file takes too much memory. Split it into smaller files."))]
    except RecursionError:
        return [encode_frame(Rejected("The file is nested too deeply to be read."))]
    except Exception:
        return [encode_frame(Crashed(traceback.format_exc(limit=-8)[-10_000:]))]


def read_document(request: ReadRequest, data: bytes) -> Iterable[bytes]:
    limits = request.limits
    if request.kind == "entry":
        document = msgspec.json.decode(data, type=ParsedDocument)
    else:
        document = formats.read(data, request.file_name, request.media_type, limits)
    del data
    extend_time(limits)
    head, chunks = chunk_and_analyze(document, request.title or document.title or request.untitled)
    if not head.chunks:
        raise Unreadable("There is no text in it.")
    yield encode_frame(head)
    while batch := list(islice(chunks, CHUNKS)):
        yield encode_frame(batch)


def read_feed(request: ReadRequest, data: bytes) -> Iterable[bytes]:
    entries = formats.read_entries(data, request.limits)
    yield encode_frame(FeedHeader(len(entries)))
    yield from map(encode_frame, entries)


def within_limit(frames: Iterable[bytes], limits: ReadLimits) -> list[bytes]:
    reply, size = [], 0
    for frame in frames:
        size += len(frame)
        if size > limits.answer or len(frame) > FRAME:
            raise Unreadable("The file holds too much text. Split it into smaller files.")
        reply.append(frame)
    return reply


if __name__ == "__main__":
    formats.readers()
    analysis.terms("Words are loaded.", "en")
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=0))
