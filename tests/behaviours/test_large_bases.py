"""Knowledge bases that are too large for memory: PostgreSQL searches them on disk, and nobody can tell."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from msgspec.structs import replace

from deskbell.core.context import Context, job_context
from deskbell.foundation.db import Session
from deskbell.foundation.jobs import live_job
from deskbell.foundation.postgres.copying import copy
from deskbell.knowledge import jobs
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.jobs import BUILD_INDEX, CLEAN_UP
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.settings import Settings
from deskbell.surfaces.cli.doctor import examine
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
    "roof roof leak",
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


@pytest.fixture(scope="module")
def large(postgres_url: str) -> Iterator[Server]:
    """A server for which ten chunks are many; it searches by keywords alone, which is quick."""
    with running(fresh_database(postgres_url), replace(DISK, embedder="none")) as server:
        yield server


@pytest.fixture
def shelf(large: Server) -> Library:
    """A knowledge base that is searched on disk."""
    made = Library(application(large, large.organization()))
    for number in (17, 18, 19):
        made.add(f"{number}.md", document(number))
    eventually(lambda: on_disk(large, made), 60)
    return made


def names(base: Library, query: str = "part clamp", **more: int) -> set[str]:
    return {each["metadata"]["fileName"] for each in base.search(query, top_k=100, **more)}


def stored(server: Server, base: Library, table: str = "knowledge_segments") -> set[str]:
    column = "segment_id" if table == "knowledge_blocks" else "id"
    rows = ask(server.database, f"SELECT {column} FROM {table} WHERE knowledge_base_id = '{base.id}'")
    return {row[0] for row in rows}


def act(base: Library, what: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
    """A step of a job, as it is done for this base's organization."""

    async def unit(session: Session) -> Any:
        return await what(await job_context(session, base.api.organization_id, "test"))

    return base.api.server.do(unit)


def opened(server: Server, api: AgentApi) -> AgentApi:
    """The same application's key on another server."""
    return AgentApi(server, api.organization_id, api.application_id, api.key, api.key_id)


def advice(settings: Settings) -> str:
    """What the doctor advises about large knowledge bases."""
    [finding] = [each for each in examine(settings) if each.subject == "knowledge bases"]
    return finding.fix


def on_disk(server: Server, base: Library) -> bool:
    """Whether searches of this server find a base's index in the database, and nothing of it in memory."""
    base.search("roof")
    cached = server.app.setup.service(SearchService).indexes.cached.get((base.api.organization_id, base.id))
    return cached is not None and cached.on_disk is not None and not len(cached.index)


def test_a_large_base_answers_from_disk_as_it_did_from_memory(tmp_path: Path, postgres_url: str) -> None:
    with running(tmp_path / "deskbell.db", MEMORY) as server:
        shelf = Library(application(server, server.organization()))
        for number in (17, 18, 19):
            shelf.add(f"{number}.md", document(number))
        before = [shelf.search(question, explain=True, top_k=30) for question in QUESTIONS]
        assert "`deskbell copy` moves everything there" in advice(replace(DISK, database=server.database))
    url = fresh_database(postgres_url)
    asyncio.run(copy(server.path, url, lambda table, done, total: None))
    with running(url, DISK) as server:
        shelf.api = opened(server, shelf.api)
        eventually(lambda: ask(url, "SELECT FROM knowledge_segments"), 60)
        assert on_disk(server, shelf)
        assert [shelf.search(question, explain=True, top_k=30) for question in QUESTIONS] == before
        assert advice(server.settings) == ""


def test_documents_come_change_and_go_at_once(large: Server, shelf: Library) -> None:
    first = stored(large, shelf)
    shelf.add("20.md", document(20))
    assert names(shelf) == {"17.md", "18.md", "19.md", "20.md"}
    shelf.add("17.md", "# Sheet\n\nA walrus.")
    assert names(shelf) == {"18.md", "19.md", "20.md"}
    assert names(shelf, "walrus") == {"17.md"}
    documents = shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["documents"]
    [gone] = [each["id"] for each in documents if each["fileName"] == "18.md"]
    assert shelf.api.delete(f"/documents/{gone}").status_code == 200
    assert names(shelf) == {"19.md", "20.md"}
    eventually(lambda: stored(large, shelf) != first and on_disk(large, shelf), 60)
    assert (names(shelf), names(shelf, "walrus")) == ({"19.md", "20.md"}, {"17.md"})
    eventually(lambda: stored(large, shelf, "knowledge_blocks") == stored(large, shelf), 60)


def test_another_organization_finds_nothing_of_it(large: Server, shelf: Library) -> None:
    charlie = application(large, large.organization("Charlie's Clinic"))
    asked = {"kb_id": shelf.id, "query": "roof"}
    assert charlie.post("/kb/search", asked).status_code == 404
    other = Library(charlie)
    for number in (27, 28):
        other.add(f"{number}.md", document(number))
    eventually(lambda: on_disk(large, other), 60)
    assert names(other) == {"27.md", "28.md"}
    assert names(shelf) == {"17.md", "18.md", "19.md"}


def test_a_base_is_searched_while_it_grows_large(large: Server) -> None:
    grown = Library(application(large, large.organization()))
    grown.add("16.md", document(16))
    over, seen = threading.Event(), list[set[str]]()

    def look() -> None:
        while not over.wait(0.02):
            seen.append(names(grown, "ZX-4416"))

    watching = threading.Thread(target=look)
    watching.start()
    try:
        for number in (21, 22):
            grown.add(f"{number}.md", document(number))
        eventually(lambda: stored(large, grown), 60)
        eventually(lambda: on_disk(large, grown), 60)
        before = len(seen)
        eventually(lambda: len(seen) > before + 3)
    finally:
        over.set()
        watching.join()
    assert all("16.md" in found for found in seen)


def test_another_embedder_takes_over_on_disk(postgres_url: str) -> None:
    url = fresh_database(postgres_url)
    with running(url, replace(DISK, embedder="none")) as server:
        shelf = Library(application(server, server.organization()))
        for number in (17, 18):
            shelf.add(f"{number}.md", document(number))
        eventually(lambda: on_disk(server, shelf), 60)
        assert shelf.search("my house") == []
    with running(url, DISK) as server:
        shelf.api = opened(server, shelf.api)
        assert names(shelf) == {"17.md", "18.md"}
        best = eventually(lambda: shelf.search("my house", explain=True), 60)[0]
        assert best["explain"]["semanticRank"] == 1
        assert on_disk(server, shelf)


def test_a_deleted_base_leaves_nothing(large: Server, shelf: Library) -> None:
    assert shelf.api.delete(f"/knowledge-bases/{shelf.id}").status_code == 200
    assert shelf.api.post("/kb/search", {"kb_id": shelf.id, "query": "roof"}).status_code == 404
    tables = ("knowledge_segments", "knowledge_blocks", "chunks")
    eventually(lambda: not any(stored(large, shelf, table) for table in tables), 60)


def test_a_base_that_goes_while_its_index_is_stored_leaves_nothing(large: Server, shelf: Library) -> None:
    name, tables = f"{BUILD_INDEX} {shelf.id}", ("knowledge_segments", "knowledge_blocks")
    eventually(lambda: not ask(large.database, "SELECT FROM jobs WHERE dedupe = $1", name), 60)
    act(shelf, partial(jobs.queue_index_build, base_id=shelf.id, delay=3600))  # stands for a running job
    assert shelf.api.delete(f"/knowledge-bases/{shelf.id}").status_code == 200
    eventually(
        lambda: not ask(large.database, "SELECT FROM jobs WHERE lane = $1 AND kind = $2", shelf.id, CLEAN_UP), 60
    )
    assert all(stored(large, shelf, table) for table in tables)
    ask(large.database, "DELETE FROM jobs WHERE dedupe = $1", name)
    act(shelf, partial(build_transactions.finish_build, base_id=shelf.id, next_embedder=None, live={}))
    eventually(lambda: not any(stored(large, shelf, table) for table in tables), 60)


def test_an_index_that_memory_holds_is_stored_for_another_embedder(large: Server) -> None:
    small = Library(application(large, large.organization()))

    async def taken_over(ctx: Context) -> object:
        await build_transactions.base_embedded(ctx, base_id=small.id, embedder="another", builds_index=True)
        return await ctx.db.one(live_job(f"{BUILD_INDEX} {small.id}"))

    assert act(small, taken_over)


def test_a_graph_that_could_not_be_removed_is_removed_later(postgres_url: str) -> None:
    url = fresh_database(postgres_url)
    with running(url, DISK) as server:
        shelf = Library(application(server, server.organization()))
        for number in (17, 18):
            shelf.add(f"{number}.md", document(number))
        eventually(lambda: on_disk(server, shelf), 60)
        with locked(url, graph_of(url)):
            assert shelf.api.delete(f"/knowledge-bases/{shelf.id}").status_code == 200
            waits = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DROP TABLE%'"
            eventually(lambda: ask(url, f"SELECT {waits} AND pg_terminate_backend(pid)"), 60)
        eventually(lambda: not ask(url, "SELECT FROM pg_class WHERE relname LIKE 'knowledge_graph\\_%'"), 60)
        eventually(lambda: not ask(url, "SELECT FROM knowledge_graphs"), 60)


@contextlib.contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Somebody reads a table for long."""

    async def reading(begun: threading.Event, over: threading.Event) -> None:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
                begun.set()
                await asyncio.to_thread(over.wait)
        finally:
            await connection.close(timeout=10)

    begun, over = threading.Event(), threading.Event()
    reader = threading.Thread(target=lambda: asyncio.run(reading(begun, over)))
    reader.start()
    try:
        assert begun.wait(60)
        yield
    finally:
        over.set()
        reader.join()


@pytest.fixture
def unprivileged(postgres_url: str) -> str:
    """A database without pgvector, whose user may not install it."""
    url = fresh_database(postgres_url)
    name = urlsplit(url).path.removeprefix("/")
    for role in ("deskbell_app", "deskbell_system"):
        if not ask(postgres_url, f"SELECT FROM pg_roles WHERE rolname = '{role}'"):
            ask(postgres_url, f"CREATE ROLE {role} NOLOGIN")
    user = f"owner_of_{name}"
    ask(postgres_url, f"CREATE ROLE {user} LOGIN IN ROLE deskbell_app, deskbell_system")
    ask(postgres_url, f"ALTER DATABASE {name} OWNER TO {user}")
    host = urlsplit(url).netloc.rpartition("@")[2]
    return urlunsplit(urlsplit(url)._replace(netloc=f"{user}@{host}"))


def test_without_pgvector_memory_answers_and_its_graph_comes_when_it_is_there(
    unprivileged: str, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with running(unprivileged, DISK) as server:
        shelf = Library(application(server, server.organization()))
        for number in (17, 18):
            shelf.add(f"{number}.md", document(number))
        before = shelf.search("who mends my house", explain=True)
        assert before[0]["explain"]["semanticRank"] == 1
        eventually(lambda: "run `CREATE EXTENSION vector` there as an administrator" in caplog.text, 60)
        assert shelf.search("who mends my house", explain=True) == before
        assert stored(server, shelf) == set()
        assert "CREATE EXTENSION vector" in advice(server.settings)
        ask(urlunsplit(urlsplit(postgres_url)._replace(path=urlsplit(unprivileged).path)), "CREATE EXTENSION vector")
        shelf.add("19.md", document(19))
        eventually(lambda: stored(server, shelf), 60)
        assert on_disk(server, shelf)
        assert names(shelf) == {"17.md", "18.md", "19.md"}
        graph = graph_of(unprivileged)
        assert rows_for(unprivileged, graph, shelf.api.organization_id) > 10
        assert rows_for(unprivileged, graph, server.organization("Charlie's Clinic")) == 0


def graph_of(url: str) -> str:
    rows = ask(url, "SELECT relname FROM pg_class WHERE relname ~ '^knowledge_graph_[0-9a-f]{16}$'")
    [name] = [str(row[0]) for row in rows]
    return name


def rows_for(url: str, table: str, organization_id: str) -> int:
    """How many rows the application sees for an organization."""

    async def asked() -> int:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            await connection.execute(f"SET ROLE deskbell_app; SET deskbell.org = '{organization_id}'")
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
        finally:
            await connection.close()

    return asyncio.run(asked())
