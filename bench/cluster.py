"""A PostgreSQL for a benchmark, from pip, gone afterwards; it runs on the load's core, so that servers have theirs to themselves."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import common

sys.path.append(str(Path(__file__).parent.parent))

from tests.postgres import Cluster as Single
from tests.postgres import ask

# Nothing runs beside what is measured; commits are as durable as they are by default.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "maintenance_work_mem": "512MB",
}


class Cluster(Single):
    """A running server."""

    fsync = "on"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name, value in SETTINGS.items():
            ask(self.url, f"ALTER SYSTEM SET {name} = '{value}'")
        self.restart()
        self.leader = int((folder / "postmaster.pid").read_text().split()[0])

    def named(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def made(self, database: str) -> str:
        """The URL of a new and empty database."""
        ask(self.url, f"CREATE DATABASE {database}")
        return self.named(database)

    def cpu(self) -> float:
        """Seconds of processor time so far, of all its processes."""
        return common.used([self.leader, *common.children(self.leader)])

    def run(self, database: str, *texts: str) -> None:
        """Runs statements on one connection, however long they take."""

        async def ran() -> None:
            connection = await asyncpg.connect(self.named(database), timeout=10)
            for text in texts:
                await connection.execute(text)
            await connection.close()

        asyncio.run(ran())


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as folder:
        own = Cluster(Path(folder))
        try:
            yield own
        finally:
            own.close()
