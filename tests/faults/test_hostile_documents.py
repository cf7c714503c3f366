"""A hostile document fails alone, with a reason, and within its limits."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from deskbell.knowledge.extraction import AnalyzedChunk, AnalyzedDocument, Unreadable, extract, feed
from deskbell.knowledge.extraction.client import WORKER
from deskbell.knowledge.extraction.limits import LIMITS, ReadLimits
from tests.desk import eventually
from tests.faults.hostile_documents import BILLION, SPY, Hostile, package, quick, word

WELL = AnalyzedDocument("", "en", [AnalyzedChunk("All is well.", (), None, "", "well")])
SLOW = b"<p " + b" ".join(b"a%d=1" % number for number in range(100_000)) + b">x"
"""Keeps the parser's own code busy for half a minute, out of Python's reach."""


def outcome(data: bytes, name: str, limits: ReadLimits = LIMITS) -> AnalyzedDocument | str:
    async def run() -> AnalyzedDocument | str:
        try:
            return await extract(data, name, limits=limits)
        except Unreadable as problem:
            return problem.reason

    return asyncio.run(run())


@pytest.mark.parametrize("hostile", list(quick()), ids=lambda hostile: hostile.name)
def test_a_hostile_file_is_read_or_refused_with_a_reason(hostile: Hostile) -> None:
    result = outcome(hostile.data, hostile.name, ReadLimits(cpu_seconds=20, seconds=40))
    if isinstance(result, str):
        assert result.endswith((".", "?"))
        assert len(result) > 15
        assert "Error" not in result
    assert outcome(b"All is well.", "after.txt") == WELL


def test_what_takes_too_long_is_ended_in_the_middle_of_foreign_code() -> None:
    assert "too long" in str(outcome(SLOW, "slow.html", ReadLimits(seconds=1)))
    assert "too long" in str(outcome(SLOW, "slow.html", ReadLimits(cpu_seconds=1)))
    assert outcome(b"All is well.", "after.txt") == WELL


def test_what_takes_too_much_memory_is_ended() -> None:
    rows = b"a,b\n" + b"1,2\n" * 200_000
    assert "memory" in str(outcome(rows, "a.csv", ReadLimits(memory=16 << 20)))


def test_a_document_that_unpacks_to_more_than_it_may_is_not_unpacked() -> None:
    assert "Unpacked" in str(outcome(word(" " * (3 << 20)), "bomb.docx", ReadLimits(unpacked=2 << 20)))
    many = {"word/document.xml": b"<x/>", "word/styles.xml": b" " * (2 << 20)}
    assert "Unpacked" in str(outcome(package(many), "bomb.docx", ReadLimits(unpacked=2 << 20)))


@pytest.mark.parametrize("prologue", [BILLION, SPY], ids=["laughs", "spy"])
def test_a_feed_with_entities_is_refused_and_tells_no_file(prologue: str) -> None:
    told = prologue + "<rss><channel><item><title>&spy;&l9;</title></item></channel></rss>"
    with pytest.raises(Unreadable, match="entities"):
        asyncio.run(feed(told.encode()))


def test_a_reading_that_is_given_up_leaves_no_process() -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await extract(SLOW, "slow.html")

    asyncio.run(give_up())
    eventually(lambda: not children())


def test_a_reader_that_was_killed_is_started_again() -> None:
    assert outcome(b"All is well.", "a.txt") == WELL
    assert WORKER.process is not None
    WORKER.process.kill()
    WORKER.process.wait()
    assert outcome(b"All is well.", "a.txt") == WELL


def test_many_files_at_once_are_each_read_and_the_bad_ones_fail_alone() -> None:
    async def run() -> list[AnalyzedDocument | BaseException]:
        files = [(b"All is well.", "a.txt") if place % 2 else (b"<div>" * 3000, "a.html") for place in range(30)]
        return await asyncio.gather(*(extract(data, name) for data, name in files), return_exceptions=True)

    results = asyncio.run(run())
    assert [result == WELL for result in results] == [bool(place % 2) for place in range(30)]
    assert all(isinstance(result, Unreadable) for result in results[::2])
    eventually(lambda: not children())


def children() -> list[psutil.Process]:
    assert WORKER.process is not None
    return psutil.Process(WORKER.process.pid).children()
