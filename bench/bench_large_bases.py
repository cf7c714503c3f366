"""A knowledge base that PostgreSQL searches on disk, against the exact index in memory: the same results? how fast? how long to store it?

Made-up passages in clusters; `BENCH_CHUNKS` says how many.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from typing import Any

import asyncpg
import cluster
import common
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deskbell.core.jobs import worker_handler
from deskbell.core.slice import Setup
from deskbell.core.workers import worker_of
from deskbell.foundation import databases
from deskbell.foundation.ids import public_id
from deskbell.knowledge.embedders.minilm import MiniLM
from deskbell.knowledge.index.cache import IndexCache
from deskbell.knowledge.index.disk import build_job
from deskbell.knowledge.index.disk import store as large_store
from deskbell.knowledge.retrieval.search import search_one
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.knowledge.scores import Calibration
from deskbell.knowledge.slice import DISK_INDEXES, disk_index_handlers
from deskbell.knowledge.text import analysis
from deskbell.organizations import operations
from deskbell.settings import Settings

CHUNKS = int(os.environ.get("BENCH_CHUNKS", "50000"))
EACH = 100  # chunks of a document
WORDS = 80  # of a chunk, as they are indexed
DIMENSIONS = 384
CLUSTER = 100  # chunks that are about the same
QUESTIONS, TURNS = 100, 3
TOP = 10
RECALL, SLOWER = 0.98, 2.0
BUDGET = 2**40
PATIENCE = 3600.0  # seconds for storing the index

chance = np.random.default_rng(7)
spelt = str.maketrans("0123456789", "ghijklmnop")
drawn = [f"w{format(place, 'x').translate(spelt)}" for place in range(200_000)]
vocabulary = np.array([word for word in drawn if analysis.terms(word, "en") == [word]])
share = 1 / (np.arange(len(vocabulary)) + 20)  # Zipf's law
share /= share.sum()
bounds = np.cumsum(share)


def words(count: int) -> NDArray[np.str_]:
    return vocabulary[np.searchsorted(bounds, chance.random(count))]


def units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(count: int) -> NDArray[np.float32]:
    """In clusters, with cosines of about .6 within one, as of passages about one topic."""
    centers = units(chance.standard_normal((max(1, count // CLUSTER), DIMENSIONS), dtype=np.float32))
    noise = units(chance.standard_normal((count, DIMENSIONS), dtype=np.float32))
    return units(centers[chance.integers(len(centers), size=count)] + np.float32(0.8) * noise)


class Given:
    """An embedder that knows its questions. Satisfies `Embedder`."""

    name, dimensions, measured = "given", DIMENSIONS, True

    def __init__(self) -> None:
        self.known: dict[str, NDArray[np.float32]] = {}

    async def embed(self, texts: Any) -> NDArray[np.float32]:
        return np.stack([self.known[text] for text in texts])

    def calibration(self, language: str) -> Calibration:
        return MiniLM().calibration(language)


class InMemory(IndexCache):
    """Does as if nothing was stored."""

    async def stored_chunks(self, *_: Any) -> None:
        return None


def organization(url: str) -> str:
    connection = databases.command_connection(url)
    try:
        return connection.write(lambda session: operations.create_organization(session, "Large")).id
    finally:
        connection.close()


class Base:
    """One knowledge base in a fresh database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.organization_id, self.id = organization(url), public_id("kb")
        self.embedder = Given()

    async def fill(self) -> None:
        """Documents, chunks and vectors, and questions about some of them."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(
            "INSERT INTO knowledge_bases VALUES ($1, $2, 'Large', NULL, 1, 'given', now(), now())",
            self.organization_id,
            self.id,
        )
        matrix = vectors(CHUNKS)
        texts = words(CHUNKS * WORDS).reshape(CHUNKS, WORDS)
        for start in range(0, CHUNKS, EACH):
            await self.put(connection, start // EACH, matrix[start : start + EACH], texts[start : start + EACH])
        await connection.execute("ANALYZE")
        await connection.close()
        for row in chance.integers(CHUNKS, size=QUESTIONS).tolist():
            question = " ".join([*chance.choice(texts[row], 4, replace=False), *words(2)])
            near = matrix[row] + np.float32(0.5) * units(chance.standard_normal((1, DIMENSIONS), dtype=np.float32))[0]
            self.embedder.known[question] = near / np.linalg.norm(near)

    async def put(self, connection: Any, number: int, matrix: NDArray[np.float32], texts: Any) -> None:
        id = f"doc_{number:016}"
        await connection.execute(
            """INSERT INTO documents (organization_id, id, knowledge_base_id, kind, file_name, bytes, status, progress, revision,
            stored_revision, live_revision, chunk_count, created_at, updated_at)
            VALUES ($1, $2, $3, 'text', $2, 0, 'ready', 100, 1, 1, 1, $4, now(), now())""",
            self.organization_id, id, self.id, len(matrix),
        )  # fmt: skip
        place = (self.organization_id, self.id, id, 1)
        rows = [
            (*place, position, f"chunk_{number * EACH + position:016}", "", "en", "", "[]", None, "", " ".join(terms))
            for position, terms in enumerate(texts.tolist())
        ]
        await connection.copy_records_to_table("chunks", records=rows)
        packed = [(*place, position, "given", row.astype("<f2").tobytes()) for position, row in enumerate(matrix)]
        await connection.copy_records_to_table("chunk_vectors", records=packed)

    async def stored(self, database: Any) -> float:
        """Seconds until the index is stored."""
        start = time.perf_counter()
        setup = Setup(Settings(large_base_chunks=CHUNKS - 1), database)
        handlers = {kind: worker_handler(handler) for kind, handler in disk_index_handlers(setup).items()}
        worker = worker_of(database, DISK_INDEXES, handlers)
        await build_job.catch_up(database, CHUNKS - 1)
        running = asyncio.create_task(worker.run())
        while not await database.read(lambda session: session.all(large_store.segments(self.organization_id, self.id))):
            if time.perf_counter() - start > PATIENCE:
                raise SystemExit("the index was not stored")
            await asyncio.sleep(0.1)
        taken = time.perf_counter() - start
        await worker.stop(5)
        await running
        return taken


async def measured(figures: common.Figures, base: Base) -> None:
    await base.fill()
    database = databases.open_database(base.url)
    await database.start()
    memory, disk = (SearchService(database, base.embedder, BUDGET, CHUNKS) for _ in range(2))
    memory.indexes = InMemory(database, BUDGET, CHUNKS)
    start = time.perf_counter()
    await search_one(memory, base.organization_id, base.id, next(iter(base.embedder.known)), TOP)
    loading = time.perf_counter() - start
    taken = await base.stored(database)
    report(figures, *await in_turns(base, memory, disk))
    size = {
        name: next(iter(each.indexes.cached.values())).size / 2**20
        for name, each in (("memory", memory), ("disk", disk))
    }
    k = f"{CHUNKS // 1000}k chunks"
    figures.line(
        f"{k}: memory of a process",
        f"{size['disk']:.0f} MiB",
        f"all in memory {size['memory']:.0f} MiB",
        "",
        "reported",
        None,
    )
    figures.line(
        f"{k}: the index is ready", f"{taken:.0f} s, once", f"loading {loading:.0f} s, each start", "", "reported", None
    )
    await database.stop()


async def in_turns(base: Base, *ways: SearchService) -> tuple[list[list[str]], list[list[str]], float, float]:
    """Ids that both find for each question, and median milliseconds."""
    found: list[list[list[str]]] = [[] for _ in ways]
    taken: list[list[float]] = [[] for _ in ways]
    for turn in range(TURNS + 1):
        for question in base.embedder.known:
            for place, way in enumerate(ways):
                start = time.perf_counter()
                hits = await search_one(way, base.organization_id, base.id, question, TOP) or []
                if turn:
                    taken[place].append(time.perf_counter() - start)
                else:
                    found[place].append([hit.id for hit in hits])
    return found[0], found[1], *(statistics.median(each) * 1000 for each in taken)


def report(figures: common.Figures, exact: list[list[str]], ours: list[list[str]], memory: float, disk: float) -> None:
    recall = statistics.mean(len({*one} & {*other}) / TOP for one, other in zip(exact, ours, strict=True))
    same = statistics.mean(one == other for one, other in zip(exact, ours, strict=True))
    k = f"{CHUNKS // 1000}k chunks"
    figures.line(
        f"{k}: of the ten best, found",
        f"{recall:.4f}",
        f"in the same order {same:.0%}",
        "",
        f"at least {RECALL}",
        recall >= RECALL,
    )
    ratio = disk / memory
    figures.line(
        f"{k}: p50 of a search",
        f"{disk:.1f} ms",
        f"all in memory {memory:.1f} ms",
        f"{ratio:.2f}x",
        f"at most {SLOWER:g}x",
        ratio <= SLOWER,
    )


def main() -> None:
    figures = common.Figures()
    with cluster.cluster() as own, threadpool_limits(limits=1, user_api="blas"):
        url = own.made("large")
        databases.prepare(url, migrate=True)
        asyncio.run(measured(figures, Base(url)))
    sys.exit(1 if figures.missed else 0)


main()
