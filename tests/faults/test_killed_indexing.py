"""A process that dies while it indexes: the next one goes on, and each chunk is there once."""

from __future__ import annotations

from pathlib import Path

from tests.faults.indexing import killed_while_indexing


def test_indexing_goes_on_after_kills_with_each_chunk_once(tmp_path: Path) -> None:
    killed_while_indexing(tmp_path, documents=40, kills=2)
