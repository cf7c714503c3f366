"""What a small request feels while documents are indexed: one lead by its id, idle, beside texts, beside texts with vectors.

The server and its reading process share one core; the requests come a hundredth of a second apart from the other one. The ratio to
idle is the result. Quiet and busy spells take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import bench_indexing as texts
import common
import httpx2

from deskbell.core.context import operator_context
from deskbell.foundation import databases
from deskbell.foundation.db import Session
from deskbell.identity import applications
from deskbell.identity.api_keys import create_key
from deskbell.knowledge import bases
from deskbell.knowledge.model import NewKnowledgeBase
from deskbell.organizations.operations import create_organization

PLENTY = 10**6  # requests a minute
PAUSE = 0.01  # seconds between requests
TURNS = int(os.environ.get("BENCH_ROUNDS", "4"))
QUIET = 4.0  # seconds of each quiet spell


class Place(NamedTuple):
    """A knowledge base and a lead of one organization, and the keys to both."""

    base: str
    key: str
    crm: str


def made(url: str) -> Place:
    async def unit(session: Session) -> Place:
        owner = await create_organization(session, "Bench")
        ctx = await operator_context(session, owner.id)
        base = await bases.create_base(ctx, NewKnowledgeBase(name="Books"))
        application = await applications.create_application(ctx, "bench", "backend-service", ())
        _, agent = await applications.create_application_key(ctx, application.id, "")
        _, crm = await create_key(ctx, "bench", scopes=[], reads=PLENTY, writes=PLENTY)
        return Place(base.id, agent, crm)

    databases.prepare(url, migrate=True)
    with contextlib.closing(databases.command_connection(url)) as connection:
        return connection.write(unit)


class Visit:
    """Somebody who looks at a lead again and again, and somebody who uploads."""

    def __init__(self, port: int, place: Place) -> None:
        self.place = place
        settings = {"timeout": 60, "trust_env": False}
        base = f"http://127.0.0.1:{port}"
        self.crm = httpx2.AsyncClient(base_url=f"{base}/api/v1", headers=bearer(place.crm), **settings)
        self.agent = httpx2.AsyncClient(base_url=f"{base}/v1", headers=bearer(place.key), **settings)
        self.uploaded = 0

    async def begin(self) -> None:
        answer = await self.crm.post("/leads", json={"first_name": "Ann", "phone": "+15125550123"})
        self.lead = answer.json()["data"]["id"]

    async def look(self, took: list[float], over: asyncio.Event) -> None:
        while not over.is_set():
            began = time.perf_counter()
            (await self.crm.get(f"/leads/{self.lead}")).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE)

    async def quiet(self, took: list[float]) -> None:
        over = asyncio.Event()
        looking = asyncio.create_task(self.look(took, over))
        await asyncio.sleep(QUIET)
        over.set()
        await looking

    async def busy(self, books: list[str], took: list[float]) -> float:
        """Seconds until all of them are ready."""
        began, over = time.perf_counter(), asyncio.Event()
        for text in books:
            self.uploaded += 1
            files = {"file": (f"{self.uploaded}.md", text)}
            (await self.agent.post(f"/knowledge-bases/{self.place.base}/documents", files=files)).raise_for_status()
        looking = asyncio.create_task(self.look(took, over))
        ready = 0
        while ready < self.uploaded:
            await asyncio.sleep(0.25)
            found = (await self.agent.get(f"/knowledge-bases/{self.place.base}")).json()
            assert not found["failedCount"], found
            ready = found["readyCount"]
        over.set()
        await looking
        return time.perf_counter() - began


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def spells(port: int, place: Place, count: int, size: int) -> tuple[list[float], list[float], float]:
    """Milliseconds of requests in quiet and in busy spells, and seconds of work in all."""
    chance = random.Random(5)
    known = texts.words(chance)
    visit, seconds = Visit(port, place), 0.0
    await visit.begin()
    quiet, busy = list[float](), list[float]()
    await visit.busy([texts.book(chance, known, size)], [])  # whatever is loaded when first used
    for _ in range(TURNS):
        await visit.quiet(quiet)
        seconds += await visit.busy([texts.book(chance, known, size) for _ in range(count)], busy)
    return quiet, busy, seconds


def measure(figures: common.Figures, name: str, embedder: str, count: int, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'deskbell.db'}"
        place = made(url)
        command = [sys.executable, "-m", "deskbell", "serve", "--database", url]
        settings = {"DESKBELL_EMBEDDER": embedder, "DESKBELL_AGENT_REQUESTS_PER_MINUTE": str(PLENTY)}
        server = common.Server("Deskbell", command, **settings)
        quiet, busy, seconds = asyncio.run(spells(server.port, place, count, size))
        server.stop()
    print(
        f"{name}: {TURNS * count} documents, {TURNS * count * size / 1e6:.1f} MB in {seconds:.1f} s, "
        f"{TURNS * count / seconds:.1f} documents/s"
    )
    for label, at in (("p50", 49), ("p99", 98)):
        still, loud = (statistics.quantiles(each, n=100)[at] for each in (quiet, busy))
        figures.line(
            f"  a lead beside {name}, {label}",
            f"{loud:.1f} ms",
            f"idle {still:.1f} ms",
            f"{loud / still:.1f}x",
            "reported",
            None,
        )


def bench(figures: common.Figures) -> None:
    measure(figures, "large texts", "none", 3, 1_000_000)
    measure(figures, "small texts", "none", 100, 3_000)
    measure(figures, "vectors", "minilm", 1, 20_000)


if __name__ == "__main__":
    figures = common.Figures()
    os.sched_setaffinity(0, common.cores[-1:])
    bench(figures)
    sys.exit(figures.missed)
