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

from deskbell.knowledge.extract import formats
from deskbell.knowledge.extract.document import Unreadable
from deskbell.knowledge.extract.limits import confine
from deskbell.knowledge.extract.messages import REQUEST, Answer, Broken, Entries, Read, Refused, encode

IDLE = 120.0  # seconds without work after which the process ends; longer than any one file may take


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
            asking.sendall(answer(received(asking)))
    finally:
        os._exit(0)


def received(asking: socket.socket) -> bytes:
    with asking.makefile("rb") as file:
        return file.read()


def answer(message: bytes) -> bytes:
    said: Answer
    try:
        request = REQUEST.decode(message)
        confine(request.limits)
        if request.feed:
            said = Entries(formats.entries(request.data, request.limits))
        else:
            said = Read(formats.read(request.data, request.file_name, request.media_type, request.limits))
        return encode(said)
    except Unreadable as problem:
        return encode(Refused(problem.reason))
    except MemoryError:
        return encode(Refused("Reading the file takes too much memory. Split it into smaller files."))
    except RecursionError:
        return encode(Refused("The file is nested too deeply to be read."))
    except Exception:
        return encode(Broken(traceback.format_exc(limit=-8)))


if __name__ == "__main__":
    formats.load()
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=0))
