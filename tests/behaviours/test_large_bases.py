"""Knowledge bases that are too large for memory: PostgreSQL searches them on disk, and nobody can tell."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from msgspec.structs import replace

from deskbell.foundation.postgres.copying import copy
from deskbell.settings import Settings
from tests.agents import AgentApi, application
from tests.desk import PLENTY, Server, eventually, running
from tests.library import Library
from tests.postgres import ask, fresh_database

MEMORY = Settings(access_log=False, embedder="minilm", agent_requests_per_minute=PLENTY)
DISK = replace(MEMORY, large_base_chunks=10)
WORDS = ["roof", "gutter", "price", "warranty", "storm", "tile", "leak", "invoice", "ladder", "copper", "chimney"]
QUESTIONS = [
    "what does a copper gutter cost",
    "ZX-4417",
    "chimny leak",
    "who mends my house",
    "how do I cook rice",
    "roof",
]


def document(number: int) -> str:
    """Six sections of odd sentences, the same for the same number."""
    chance = random.Random(number)
    sections = [
        f"## {chance.choice(WORDS).title()} {place}\n"
        + " ".join(
            f"The {chance.choice(WORDS)} of a {chance.choice(WORDS)} is {chance.choice(WORDS)}." for _ in range(6)
        )
        for place in range(5)
    ]
    return f"# Sheet {number}\n\n" + "\n\n".join(sections) + f"\n\n## Part\nPart number ZX-44{number:02} is a clamp.\n"


def on_disk(server: Server, base: Library) -> bool:
    """Whether searches of this server find a base's index in the database, and nothing of it in memory."""
    base.search("roof")
    loaded = server.app.knowledge.indexes.loaded.get((base.api.organization_id, base.id))
    return loaded is not None and loaded.large is not None and not len(loaded.index)


def test_a_large_base_answers_from_disk_as_it_did_from_memory(tmp_path: Path, postgres_url: str) -> None:
    with running(tmp_path / "deskbell.db", MEMORY) as server:
        shelf = Library(application(server, server.organization()))
        for number in (17, 18, 19):
            shelf.add(f"{number}.md", document(number))
        before = [shelf.search(question, explain=True, top_k=30) for question in QUESTIONS]
    url = fresh_database(postgres_url)
    asyncio.run(copy(server.path, url, lambda table, done, total: None))
    with running(url, DISK) as server:
        key = shelf.api
        shelf.api = AgentApi(server, key.organization_id, key.application_id, key.key, key.key_id)
        eventually(lambda: ask(url, "SELECT FROM knowledge_segments"), 60)
        assert on_disk(server, shelf)
        assert [shelf.search(question, explain=True, top_k=30) for question in QUESTIONS] == before
