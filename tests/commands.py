"""`python -m deskbell ...` in a process of its own that starts at once: it is forked from one that has imported the program already.

Importing takes most of a command's time. A fork has its own arguments, environment, folder and files, and ends as any process does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import deskbell

REPOSITORY = Path(__file__).parents[1]


class Launcher:
    """The process that commands are forked from. It ends with the process that has started it."""

    def __init__(self) -> None:
        self.address = tempfile.mktemp(prefix="deskbell-commands-")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands", self.address],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        self.process.communicate()


_lock = threading.Lock()
_launchers: list[Launcher] = []


def launcher() -> Launcher:
    """The launcher of this process, started when it is first needed."""
    with _lock:
        if not _launchers:
            _launchers.append(Launcher())
            atexit.register(_launchers[0].stop)
        return _launchers[0]


class Command:
    """`python -m MODULE WORDS` in a session of its own: what `subprocess.Popen` would be, as far as tests need it.

    `files` are the descriptors of its standard input, output and errors: by default nothing, and our own errors.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        module: str = "deskbell",
        cwd: Path = REPOSITORY,
        env: Mapping[str, str] = os.environ,
        files: tuple[int, int, int] | None = None,
    ) -> None:
        self.returncode: int | None = None
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.connect(launcher().address)
        order = json.dumps({"words": list(words), "module": module, "cwd": str(cwd), "env": dict(env)}).encode()
        with open(os.devnull, "r+b") as nothing:
            given = files or (nothing.fileno(), nothing.fileno(), 2)
            socket.send_fds(self.wire, [len(order).to_bytes(8)], given)
        self.wire.sendall(order)
        self.pid = int.from_bytes(self.wire.recv(8))

    def poll(self) -> int | None:
        if self.returncode is None and readable(self.wire, timeout=0):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative where a signal ended it. Raises TimeoutExpired."""
        if self.returncode is None:
            if not readable(self.wire, timeout=timeout):
                raise subprocess.TimeoutExpired("deskbell", timeout or 0)
            self.returncode = int.from_bytes(self.wire.recv(8), signed=True)
            self.wire.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Piped(Command):
    """A command that a test talks to while it runs."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        pipes = [os.pipe() for _ in range(3)]
        theirs = (pipes[0][0], pipes[1][1], pipes[2][1])
        self.stdin, self.stdout = os.fdopen(pipes[0][1], "wb"), os.fdopen(pipes[1][0], "rb")
        self.stderr = os.fdopen(pipes[2][0], "rb")
        super().__init__(words, env=env, files=theirs)
        for file in theirs:
            os.close(file)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        """Closes its input and answers the rest of its output and errors, once it has ended."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.wait(timeout)
        with self.stdout, self.stderr:
            return self.stdout.read(), self.stderr.read()

    def end(self, timeout: float) -> None:
        """Kills it, if it has not ended."""
        self.kill()
        if not self.stdout.closed:
            self.communicate(timeout)


def run(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], input: str = "", timeout: float
) -> subprocess.CompletedProcess[str]:
    """A command from its start to its end, and what it has written."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write(input.encode())
        given.seek(0)
        command = Command(words, cwd=cwd, env=env, files=(given.fileno(), out.fileno(), errors.fileno()))
        try:
            status = command.wait(timeout)
        except BaseException:
            command.kill()
            raise
        return subprocess.CompletedProcess(words, status, text_of(out), text_of(errors))


def readable(*files: Any, timeout: float | None = None) -> list[int]:
    """The descriptors that can be read, after at most `timeout` seconds. By poll: a long run has more descriptors than select takes."""
    waiting = select.poll()
    for file in files:
        waiting.register(file, select.POLLIN)
    return [descriptor for descriptor, _ in waiting.poll(None if timeout is None else timeout * 1000)]


def text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def serve(address: str) -> str:
    """Takes orders until our parent is gone. Returns in each process that is to be a command, with its module."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while sys.stdin.fileno() not in readable(listener, sys.stdin):
            wire, _ = listener.accept()
            if not os.fork():
                break
            wire.close()
        else:
            os.unlink(address)
            os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, files, _, _ = socket.recv_fds(wire, 8, 3)
    order = b""
    while len(order) < int.from_bytes(length):
        order += wire.recv(65536)
    if pid := os.fork():
        attend(pid, wire, files)
    wire.close()
    return become(json.loads(order), files)


def attend(pid: int, wire: socket.socket, files: list[int]) -> None:
    """Reports a command's id, and its end."""
    for file in (0, 1, *files):
        os.close(file)
    wire.sendall(pid.to_bytes(8))
    _, status = os.waitpid(pid, 0)
    wire.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, signed=True))
    os._exit(0)


def become(order: Any, files: list[int]) -> str:
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["words"]
    return str(order["module"])


if __name__ == "__main__":
    for module in pkgutil.walk_packages(deskbell.__path__, "deskbell."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    gc.freeze()  # else each command walks through all of it when it ends
    runpy.run_module(serve(sys.argv[1]), run_name="__main__", alter_sys=True)
