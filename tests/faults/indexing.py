"""Kills a server again and again while it indexes, and counts what is there in the end."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event

import apsw

from tests.agents import application
from tests.desk import eventually
from tests.faults.process import Process, process
from tests.library import Library

PARTS = 3  # chunks of each document


def text(number: int) -> str:
    return "\n\n".join(f"## Part {part}\nDocument {number} says thing {part} about roofs." for part in range(PARTS))


def killed_while_indexing(folder: Path, documents: int, kills: int, seed: int = 1) -> None:
    """Uploads so many documents, kills so often, and fails unless each chunk is there once, with its vector, and found."""
    random = Random(seed)
    with process(folder / "deskbell.db") as server:
        shelf = Library(application(server, server.organization()))
        for number in range(documents):
            assert shelf.upload(f"{number}.md", text(number)).status_code == 202
        for _ in range(kills):
            Event().wait(random.uniform(0.1, 1.5))
            server.kill()
            server.start()
        eventually(lambda: count(server, "documents WHERE status = 'ready'") == documents, 60 + documents)
        assert count(server, "chunks") == count(server, "chunk_vectors") == documents * PARTS
        assert count(server, "(SELECT DISTINCT document_id, position FROM chunks)") == documents * PARTS
        eventually(lambda: count(server, "jobs WHERE queue = 'knowledge'") == 0)
        number = random.randrange(documents)
        found = [each["metadata"]["text"] for each in shelf.search(f"document {number} thing", top_k=PARTS)]
        assert sorted(found) == sorted(f"Document {number} says thing {part} about roofs." for part in range(PARTS))


def count(server: Process, what: str) -> int:
    connection = apsw.Connection(server.path)
    connection.set_busy_timeout(60_000)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {what}").get)
    finally:
        connection.close()


def main(documents: str = "500", kills: str = "20") -> None:
    with TemporaryDirectory() as folder:
        killed_while_indexing(Path(folder), int(documents), int(kills))
    print(f"{documents} documents, {kills} kills: each chunk is there once.")


if __name__ == "__main__":
    main(*sys.argv[1:])
