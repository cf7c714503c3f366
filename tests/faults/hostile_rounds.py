"""Every hostile document once, each with a good one beside it: tells what became of them, and fails if one harmed another."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter

import psutil

from deskbell.knowledge.extraction import AnalyzedChunk, AnalyzedDocument, Unreadable, extract
from deskbell.knowledge.extraction.client import WORKER
from deskbell.knowledge.extraction.limits import LIMITS
from tests.faults.hostile_documents import documents

WELL = AnalyzedDocument("", "en", [AnalyzedChunk("All is well.", (), None, "", "well")])


async def main() -> int:
    outcomes: Counter[str] = Counter()
    slowest, wrong = (0.0, ""), []
    for hostile in documents():
        began = time.monotonic()
        outcome, well = await asyncio.gather(attempt(hostile.data, hostile.name), attempt(b"All is well.", "well.txt"))
        took = time.monotonic() - began
        slowest = max(slowest, (took, hostile.name))
        outcomes["read" if isinstance(outcome, AnalyzedDocument) else "refused"] += 1
        if well != WELL or took > 2 * LIMITS.seconds + 10:
            wrong.append(hostile.name)
        print(
            f"{took:6.2f} s  {hostile.name:32} {'read' if isinstance(outcome, AnalyzedDocument) else outcome}",
            flush=True,
        )
    left = psutil.Process(WORKER.process.pid).children() if WORKER.process else []
    size = psutil.Process().memory_info().rss >> 20
    print(
        f"{dict(outcomes)}; slowest {slowest[1]} {slowest[0]:.1f} s; processes left {len(left)}; this process {size} MB; wrong {wrong}"
    )
    return 1 if wrong or left or sum(outcomes.values()) < 200 else 0


async def attempt(data: bytes, name: str) -> AnalyzedDocument | str:
    try:
        return await extract(data, name)
    except Unreadable as problem:
        return problem.reason


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    sys.exit(asyncio.run(main()))
