"""`deskbell ...` in a process of its own that starts at once: it is forked from one that has imported the program already.

Most of a command's time is imports. A fork has its own arguments, environment, folder and files, and ends as any process does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
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
    """A command that runs: what `subprocess.Popen` would be, as far as tests need it."""

    def __init__(
        self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: int, stdout: int, stderr: int
    ) -> None:
        self.returncode: int | None = None
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.connect(launcher().address)
        order = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
        socket.send_fds(self.wire, [len(order).to_bytes(8)], [stdin, stdout, stderr])
        self.wire.sendall(order)
        self.pid = int.from_bytes(self.wire.recv(8))

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self.wire], [], [], 0)[0]:
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative where a signal ended it. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self.wire], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("deskbell", timeout or 0)
            self.returncode = int.from_bytes(self.wire.recv(8), signed=True)
            self.wire.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], input: str = "", timeout: float
) -> subprocess.CompletedProcess[str]:
    """A command from its start to its end, and what it has written."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write(input.encode())
        given.seek(0)
        files = {"stdin": given.fileno(), "stdout": out.fileno(), "stderr": errors.fileno()}
        command = Command(words, cwd=cwd, env=env, **files)
        try:
            status = command.wait(timeout)
        except BaseException:
            command.kill()
            raise
        return subprocess.CompletedProcess(words, status, text_of(out), text_of(errors))


def text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def serve(address: str) -> None:
    """Takes orders until our parent is gone. Returns in each process that is to be a command."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
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
    become(json.loads(order), files)


def attend(pid: int, wire: socket.socket, files: list[int]) -> None:
    """Reports a command's id, and its end."""
    for file in (0, 1, *files):
        os.close(file)
    wire.sendall(pid.to_bytes(8))
    _, status = os.waitpid(pid, 0)
    wire.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, signed=True))
    os._exit(0)


def become(order: Any, files: list[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["words"]


if __name__ == "__main__":
    from deskbell.surfaces.cli import COMMANDS

    for module, _ in COMMANDS.values():
        import_module(f"deskbell.surfaces.cli.{module}")
    import_module("deskbell.app")
    gc.freeze()  # else each command walks through all of it when it ends
    serve(sys.argv[1])
    runpy.run_module("deskbell", run_name="__main__", alter_sys=True)
