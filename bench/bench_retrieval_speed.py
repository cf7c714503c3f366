"""A hybrid query against the bare numpy work that it cannot do without, and against sqlite-vec; indexing."""

from __future__ import annotations

import importlib.util
import math
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import common
import numpy as np
from threadpoolctl import threadpool_limits

from deskbell.knowledge.embedders import minilm
from deskbell.knowledge.extraction.chunks import split_into_chunks
from deskbell.knowledge.extraction.document import Block, ParsedDocument
from deskbell.knowledge.index.memory import Index, IndexEntry
from deskbell.knowledge.index.segments import Segment
from deskbell.knowledge.text import analysis

SIZES = 10_000, 100_000  # passages
OVER_BARE, BRUTE = 1.5, 2.0
INDEXED = 1.0  # MB/s
QUERIES, TURNS = 20, int(common.ROUNDS)
WORDS = 150  # of a passage
DIMENSIONS = 384
K1, B = 1.2, 0.75
chance = random.Random(5)
vocabulary = [
    "".join(chance.choice("bcdfglmnprst") + chance.choice("aeiou") for _ in range(chance.randrange(2, 6)))
    for _ in range(60_000)
]
frequency = list(accumulate(1 / (place + 10) for place in range(len(vocabulary))))  # Zipf's law


def words(count: int) -> list[str]:
    return chance.choices(vocabulary, cum_weights=frequency, k=count)


def units(rows: int) -> np.ndarray:
    found = np.random.default_rng(rows).standard_normal((rows, DIMENSIONS), dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


class Bare:
    """What a hybrid query cannot do without, on the index's own arrays: BM25 sums, a product, a sum of both, the ten best."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.norms = np.float32(K1) * (np.float32(1 - B) + np.float32(B) * segment.lengths / segment.lengths.mean())

    def query(self, terms: list[str], vector: np.ndarray) -> list[int]:
        segment, scores, bound = self.segment, np.zeros(len(self.segment), np.float32), 0.0
        for term, times in Counter(terms).items():
            number = segment.terms[term]
            rows = segment.rows[segment.bounds[number] : segment.bounds[number + 1]]
            counts = segment.counts[segment.bounds[number] : segment.bounds[number + 1]]
            weight = times * math.log(1 + (len(segment) - len(rows) + 0.5) / (len(rows) + 0.5)) * (K1 + 1)
            scores[rows] += np.float32(weight) * counts / (counts + self.norms[rows])
            bound += weight
        fused = scores / np.float32(2 * bound) + np.float32(0.5) * (segment.vectors @ vector)
        best = np.argpartition(fused, -10)[-10:]
        return [int(row) for row in best[np.argsort(-fused[best])]]


def queries(figures: common.Figures, size: int) -> None:
    entries, vectors = [], units(size)
    for row in range(size):
        entries.append(IndexEntry(f"{row:06}", words(4), words(WORDS), vectors[row]))
    index = Index(DIMENSIONS).changed(entries)
    bare = Bare(index.parts[0][0])
    del entries
    asked = [(" ".join(dict.fromkeys(words(8))), vector) for vector in units(QUERIES)]
    asked = [(text, vector) for text, vector in asked if set(terms_of(text)) <= bare.segment.terms.keys()]
    ways: list[Callable[[str, np.ndarray], Any]] = [
        lambda text, vector: index.search(text, vector, minilm.MiniLM().calibration),
        lambda text, vector: bare.query(terms_of(text), vector),
    ]
    if (brute := sqlite_vec(vectors)) is not None:
        ways.append(brute)
    del vectors
    ours, theirs, *other = in_turns(ways, asked)
    ratio = ours / theirs
    name = f"{size // 1000}k passages: hybrid query"
    figures.line(
        name,
        f"p50 {ours:.2f} ms",
        f"bare {theirs:.2f} ms",
        f"{ratio:.2f}x",
        f"at most {OVER_BARE:g}x",
        ratio <= OVER_BARE,
    )
    if other:
        ratio = other[0] / ours
        figures.line(
            name,
            f"p50 {ours:.2f} ms",
            f"sqlite-vec {other[0]:.2f} ms",
            f"{ratio:.2f}x",
            f"at least {BRUTE:g}x",
            ratio >= BRUTE,
        )


def terms_of(text: str) -> list[str]:
    return analysis.terms(text, "en")


def in_turns(ways: list[Callable[[str, np.ndarray], Any]], asked: list[tuple[str, np.ndarray]]) -> list[float]:
    """Median milliseconds of each way; all do a query before the next query comes."""
    taken: list[list[float]] = [[] for _ in ways]
    for turn in range(TURNS + 1):
        for text, vector in asked:
            for place, way in enumerate(ways):
                start = time.perf_counter()
                way(text, vector)
                if turn:
                    taken[place].append(time.perf_counter() - start)
    return [statistics.median(each) * 1000 for each in taken]


def sqlite_vec(vectors: np.ndarray) -> Callable[[str, np.ndarray], Any] | None:
    """The ten nearest by sqlite-vec's exact scan, in memory; by vector alone, so it has less to do."""
    if importlib.util.find_spec("sqlite_vec") is None:
        print("  sqlite-vec is not installed: not compared")
        return None
    import apsw
    import sqlite_vec as extension

    connection = apsw.Connection(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(extension.loadable_path())
    connection.execute(f"create virtual table v using vec0(e float[{DIMENSIONS}] distance_metric=cosine)")
    with connection:
        connection.executemany(
            "insert into v(rowid, e) values (?, ?)", ((n, row.tobytes()) for n, row in enumerate(vectors))
        )
    text = "select rowid, distance from v where e match ? order by distance limit 10"
    return lambda _, vector: connection.execute(text, (vector.tobytes(),)).fetchall()


def indexing(figures: common.Figures) -> None:
    """From blocks to an index: cut, analysed, posted; without embedding and without the database."""
    documents = [
        ParsedDocument(" ".join(words(4)), [Block(f"{' '.join(words(12)).capitalize()}.") for _ in range(200)])
        for _ in range(100)
    ]
    size = sum(len(block.text) for each in documents for block in each.blocks)
    rates = []
    for _ in range(5):
        analysis._term_cache.cache_clear()
        start = time.process_time()
        entries = []
        for number, document in enumerate(documents):
            for chunk in split_into_chunks(document):
                title = analysis.terms(chunk.heading_line(document.title), "en")
                entries.append(IndexEntry(f"{number}-{chunk.position}", title, analysis.terms(chunk.text, "en")))
        Index(0).changed(entries)
        rates.append(size / 1e6 / (time.process_time() - start))
    rate = statistics.median(rates)
    figures.line("indexing text on one core", f"{rate:.2f} MB/s", "", "", f"at least {INDEXED:g} MB/s", rate >= INDEXED)


def main() -> None:
    figures = common.Figures()
    with threadpool_limits(limits=1, user_api="blas"):
        for size in SIZES:
            queries(figures, size)
        indexing(figures)
    sys.exit(1 if figures.missed else 0)


main()
