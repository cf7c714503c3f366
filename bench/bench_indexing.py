"""How fast texts become searchable through the whole path, and what a small request feels of it meanwhile.

Uploads by HTTP, a job per document, extraction in its process, chunks and terms in the database, live. The server has one core.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import httpx2

from deskbell.core.context import operator_context
from deskbell.foundation import databases
from deskbell.foundation.db import Session
from deskbell.identity import applications
from deskbell.knowledge import bases
from deskbell.knowledge.model import NewKnowledgeBase
from deskbell.organizations.operations import create_organization

FILES, SIZE = 16, 500_000  # characters of a file
WORDS = 20_000  # that there are in all
PAUSE = 0.01  # seconds between small requests


def book(chance: random.Random, words: list[str], size: int) -> str:
    """A text with headings, words as unevenly spread as in a language (Zipf)."""
    weights = [1 / (place + 1) for place in range(len(words))]
    parts: list[str] = []
    length = 0
    while length < size:
        drawn = chance.choices(words, weights, k=90)
        parts.append(f"## {' '.join(drawn[:4])}\n\n{' '.join(drawn[4:])}.")
        length += len(parts[-1])
    return "\n\n".join(parts)


def words(chance: random.Random) -> list[str]:
    parts = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "u", "er", "on", "al")]
    return ["".join(chance.choices(parts, k=chance.randint(1, 4))) for _ in range(WORDS)]


def made(url: str) -> tuple[str, str]:
    """A knowledge base and a key that may fill it."""

    async def unit(session: Session) -> tuple[str, str]:
        owner = await create_organization(session, "Bench")
        ctx = await operator_context(session, owner.id)
        base = await bases.create_base(ctx, NewKnowledgeBase(name="Books"))
        application = await applications.create_application(ctx, "bench", "backend-service", ())
        return base.id, (await applications.create_application_key(ctx, application.id, ""))[1]

    databases.prepare(url, migrate=True)
    with contextlib.closing(databases.command_connection(url)) as connection:
        return connection.write(unit)


async def small(client: httpx2.AsyncClient, base: str, took: list[float], over: asyncio.Event) -> None:
    """Asks for one record again and again."""
    while not over.is_set():
        began = time.perf_counter()
        (await client.get(f"/knowledge-bases/{base}")).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE)


async def fill(port: int, base: str, key: str, books: list[str]) -> tuple[float, list[float], list[float]]:
    """Seconds from the first upload until all are ready, and milliseconds of small requests before and meanwhile."""
    headers = {"Authorization": f"Bearer {key}"}
    address = f"http://127.0.0.1:{port}/v1"
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
        quiet, busy = list[float](), list[float]()
        over = asyncio.Event()
        asking = asyncio.create_task(small(client, base, quiet, over))
        await asyncio.sleep(2)
        over.set()
        await asking
        over.clear()
        began = time.perf_counter()
        for number, text in enumerate(books):
            answer = await client.post(f"/knowledge-bases/{base}/documents", files={"file": (f"{number}.md", text)})
            answer.raise_for_status()
        asking = asyncio.create_task(small(client, base, busy, over))
        found: dict[str, Any] = {}
        while found.get("readyCount", 0) < len(books):
            await asyncio.sleep(0.1)
            found = (await client.get(f"/knowledge-bases/{base}")).json()
            assert not found["failedCount"], found
        seconds = time.perf_counter() - began
        over.set()
        await asking
        return seconds, quiet, busy


def bench(figures: common.Figures) -> None:
    chance = random.Random(5)
    known = words(chance)
    books = [book(chance, known, SIZE) for _ in range(FILES)]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'deskbell.db'}"
        base, key = made(url)
        command = [sys.executable, "-m", "deskbell", "serve", "--database", url]
        server = common.Server(
            "Deskbell", command, DESKBELL_EMBEDDER="none", DESKBELL_AGENT_REQUESTS_PER_MINUTE="1000000"
        )
        before = server.cpu()
        seconds, quiet, busy = asyncio.run(fill(server.port, base, key, books))
        spent = server.cpu() - before
        server.stop()
    size = sum(map(len, books)) / 1e6
    rate = size / max(spent, 1e-9)
    name, most = "indexing text without embedding", "at least 1 MB/s"
    figures.line(name, f"{rate:.2f} MB per cpu second", f"in all {size / seconds:.2f} MB/s", "", most, rate >= 1)
    middle, late = statistics.median(busy), statistics.quantiles(busy, n=100)[98]
    idle = f"idle {statistics.median(quiet):.1f} ms"
    figures.line("a small request meanwhile, p50", f"{middle:.1f} ms", idle, "", "", None)
    figures.line("a small request meanwhile, p99", f"{late:.1f} ms", "", "", "", None)


if __name__ == "__main__":
    figures = common.Figures()
    bench(figures)
    sys.exit(figures.missed)
