"""Knowledge bases that are too large for memory: PostgreSQL searches them on disk, and nobody can tell."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from deskbell.settings import Settings
from tests.agents import AgentApi, application
from tests.desk import Server, eventually, running
from tests.library import Library
from tests.postgres import ask, fresh_database

SMALL = 20  # chunks from which a base is large here
MEMORY = Settings(access_log=False, embedder="minilm")
DISK = replace(MEMORY, large_base_chunks=SMALL)
WORDS = "roof gutter price warranty storm tile leak invoice ladder copper chimney skylight shingle drain slate".split()
QUESTIONS = [
    "what does a copper gutter cost",
    "ZX-4417",
    "chimny leak",
    "warranty",
    "who repairs storm damage on my house",
    "how do I cook rice",
    "roof",
]


def document(number: int) -> str:
    """Ten sections of odd sentences, the same for the same number."""
    chance = random.Random(number)
    sections = [
        f"## {chance.choice(WORDS).title()} {number}.{place}\n"
        + " ".join(
            f"The {chance.choice(WORDS)} of a {chance.choice(WORDS)} is {chance.choice(WORDS)}." for _ in range(6)
        )
        for place in range(10)
    ]
    return f"# Sheet {number}\n\n" + "\n\n".join(sections) + f"\n\n## Part\nPart number ZX-44{number:02} is a clamp.\n"


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    return fresh_database(postgres_url)


def segments(server: Server, base: Library) -> int:
    found: int = ask(server.database, f"SELECT count(*) FROM knowledge_segments WHERE knowledge_base_id = '{base.id}'")[
        0
    ][0]
    return found


def on_disk(server: Server, base: Library) -> bool:
    """Whether searches of this server find a base's index in the database, and nothing of it in memory."""
    base.search("roof")
    loaded = server.app.knowledge.indexes.loaded.get((base.api.organization_id, base.id))
    return loaded is not None and loaded.large is not None and not len(loaded.index)


def test_a_large_base_answers_from_disk_as_it_did_from_memory(url: str) -> None:
    with running(url, MEMORY) as server:
        shelf = Library(application(server, server.organization()))
        for number in (17, 18, 19):
            shelf.add(f"{number}.md", document(number))
        before = [shelf.search(question, explain=True, top_k=30) for question in QUESTIONS]
        assert segments(server, shelf) == 0
    with running(url, DISK) as server:
        shelf.api = AgentApi(
            server, shelf.api.organization_id, shelf.api.application_id, shelf.api.key, shelf.api.key_id
        )
        eventually(lambda: on_disk(server, shelf), 30)
        after = [shelf.search(question, explain=True, top_k=30) for question in QUESTIONS]
        assert after == before
