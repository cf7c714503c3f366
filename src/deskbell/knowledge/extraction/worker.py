"""The process that reads documents: it loads the parsers once and forks for each file, so that a hostile file fails alone.

It is started by `process.py` with a control socket as its standard input, has one thread, no settings and no secrets. Each message
on the control socket brings a socket; the fork says its process id there, reads one request, and answers it.
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
from deskbell.knowledge.extraction.document import ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits, confine, go_on
from deskbell.knowledge.extraction.protocol import (
    FRAME,
    LENGTH,
    REQUEST,
    ROWS,
    Crashed,
    FeedHeader,
    ReadRequest,
    Rejected,
    framed,
)
from deskbell.knowledge.ingestion.chunk_and_analyze import prepared
from deskbell.knowledge.text import analysis

IDLE = 300.0  # seconds without work after which the process ends; longer than any one file may take


def serve(control: socket.socket) -> None:
    """Forks for each socket that comes, until the server is gone or there was nothing to do for a while."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the forks
    control.settimeout(IDLE)
    while True:
        try:
            _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except TimeoutError:
            return
        if not descriptors:
            os.killpg(0, signal.SIGKILL)  # whoever asked is gone, and nobody waits for the forks' answers
        for descriptor in descriptors:
            if os.fork() == 0:
                work(control, descriptor)
            os.close(descriptor)


def work(control: socket.socket, descriptor: int) -> None:
    """One file's whole life. Never returns."""
    try:
        control.close()
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 0)
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        with socket.socket(fileno=descriptor) as asking:
            asking.sendall(os.getpid().to_bytes(4, "big"))
            for part in answer(received(asking)):
                asking.sendall(part)
    finally:
        os._exit(0)


def received(asking: socket.socket) -> bytes:
    with asking.makefile("rb") as file:
        return file.read()


def answer(message: bytes) -> list[bytes]:
    """The frames of the answer, all of them or a refusal."""
    try:
        end = LENGTH + int.from_bytes(message[:LENGTH], "big")
        request = REQUEST.decode(message[LENGTH:end])
        confine(request.limits)
        return bounded(
            feed(request, message[end:]) if request.kind == "feed" else text(request, message[end:]), request.limits
        )
    except Unreadable as problem:
        return [framed(Rejected(problem.reason))]
    except MemoryError:
        return [framed(Rejected("Reading the file takes too much memory. Split it into smaller files."))]
    except RecursionError:
        return [framed(Rejected("The file is nested too deeply to be read."))]
    except Exception:
        return [framed(Crashed(traceback.format_exc(limit=-8)[-10_000:]))]


def text(request: ReadRequest, data: bytes) -> Iterable[bytes]:
    limits = request.limits
    if request.kind == "entry":
        document = msgspec.json.decode(data, type=ParsedDocument)
    else:
        document = formats.read(data, request.file_name, request.media_type, limits)
    del data
    go_on(limits)
    head, passages = prepared(document, request.title or document.title or request.untitled)
    if not head.passages:
        raise Unreadable("There is no text in it.")
    yield framed(head)
    while rows := list(islice(passages, ROWS)):
        yield framed(rows)


def feed(request: ReadRequest, data: bytes) -> Iterable[bytes]:
    items = formats.entries(data, request.limits)
    yield framed(FeedHeader(len(items)))
    yield from map(framed, items)


def bounded(frames: Iterable[bytes], limits: ReadLimits) -> list[bytes]:
    kept, size = [], 0
    for frame in frames:
        size += len(frame)
        if size > limits.answer or len(frame) > FRAME:
            raise Unreadable("The file holds too much text. Split it into smaller files.")
        kept.append(frame)
    return kept


if __name__ == "__main__":
    formats.readers()
    analysis.terms("Words are loaded.", "en")
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=0))
