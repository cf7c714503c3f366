"""Test collections in knowledge bases of a Deskbell that runs, and what it answers over HTTP."""

from __future__ import annotations

import asyncio
import html
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import common
import httpx2
import retrieval
from retrieval import Collection

from deskbell.agents.models.extractive import plain

T, R = TypeVar("T"), TypeVar("R")

AT_ONCE = 8  # requests
KEPT = httpx2.Limits(keepalive_expiry=1.0)  # seconds: less than the server keeps an idle connection
UPLOADED = 200  # documents that wait for their indexing
DEEP = 100  # results, each with its ranks, from which two lists are fused by rank
CITED = re.compile(r"(.+?) \[(\d+)\](?: |$)", re.DOTALL)


class Found(NamedTuple):
    """A passage among the results: the collection's id of its document, its score, its ranks, its text."""

    id: str
    score: float
    keyword: int | None
    semantic: int | None
    text: str


class Desk:
    """One server on a database, with a key that may do everything."""

    def __init__(self, url: str, key: str, **environment: str) -> None:
        command = [sys.executable, str(common.HERE / "serve_remembering.py"), "serve", "--database", url]
        limits = {"DESKBELL_AGENT_REQUESTS_PER_MINUTE": "1000000000", "DESKBELL_ACCESS_LOG": "false"}
        self.server = common.Server("Deskbell", command, own=common.cores, **limits, **environment)
        self.key = key

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        address = f"http://127.0.0.1:{self.server.port}/v1"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(
            base_url=address, headers=headers, timeout=300, limits=KEPT, trust_env=False
        ) as client:
            yield client

    async def filled(self, collection: Collection, keep: Callable[[str], bool] = lambda _: True) -> str:
        """A knowledge base with those documents of a collection whose ids are to be kept. Gives its id."""
        documents = [each for each in collection.documents if each["text"].strip() and keep(each["id"])]
        async with self.client() as client:
            made = await client.post("/knowledge-bases", json={"name": collection.name})
            base = str(made.raise_for_status().json()["id"])
            place = f"/knowledge-bases/{base}"

            async def upload(document: dict[str, str]) -> None:
                files = {"file": (f"{document['id']}.html", page(document), "text/html")}
                (await client.post(f"{place}/documents", files=files)).raise_for_status()

            for start in range(0, len(documents), UPLOADED):
                await side_by_side(upload, documents[start : start + UPLOADED])
                while (state := (await client.get(place)).json())["readyCount"] < min(start + UPLOADED, len(documents)):
                    assert not state["failedCount"], state
                    await asyncio.sleep(0.05)
        return base

    async def searched(self, base: str, questions: Iterable[str], most: int) -> list[list[Found]]:
        """The results of each question."""
        async with self.client() as client:

            async def search(question: str) -> list[Found]:
                body = {"kb_id": base, "query": question, "top_k": most, "explain": True}
                answer = (await client.post("/kb/search", json=body)).raise_for_status().json()
                return [found(each) for each in answer["results"]]

            return await side_by_side(search, list(questions))

    async def asked(self, base: str, questions: Iterable[str]) -> list[dict[str, Any]]:
        """The replies of an agent without a language model, each in a conversation of its own."""
        async with self.client() as client:
            new = {"name": "Desk", "model": "deskbell/extractive", "system_prompt": "Answer.", "kb_ids": [base]}
            agent = (await client.post("/agents", json=new)).raise_for_status().json()["id"]
            (await client.post(f"/agents/{agent}/publish")).raise_for_status()

            async def ask(question: str) -> dict[str, Any]:
                answer = await client.post("/chat", json={"agent_id": agent, "message": question})
                reply: dict[str, Any] = answer.raise_for_status().json()
                return reply

            return await side_by_side(ask, list(questions))


async def side_by_side(act: Callable[[T], Coroutine[Any, Any, R]], items: Sequence[T]) -> list[R]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with turns:
            return await act(item)

    return await asyncio.gather(*map(one, items))


def page(document: dict[str, str]) -> str:
    """A web page with a document's title and text, as a business would upload it."""
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in document["text"].splitlines())
    title = f"<title>{html.escape(document['title'])}</title>" if document.get("title") else ""
    return f"<!doctype html><html><head><meta charset='utf-8'>{title}</head><body>{lines}</body></html>"


def found(result: dict[str, Any]) -> Found:
    metadata, ranks = result["metadata"], result["explain"]
    id = Path(metadata["fileName"]).stem
    return Found(id, result["score"], ranks["keywordRank"], ranks["semanticRank"], metadata["text"])


def documents(results: Iterable[Found]) -> list[str]:
    """The ids of the documents whose passages were found, each once, the best first."""
    return list(dict.fromkeys(each.id for each in results))


def by_rank(results: Sequence[Found]) -> list[str]:
    """The documents of two lists of passages, that of keywords and that of meanings, fused by rank."""
    lists = [
        {place: rank for place, each in enumerate(results) if (rank := getattr(each, way)) and rank <= DEEP}
        for way in ("keyword", "semantic")
    ]
    return documents(results[place] for place in retrieval.fused_by_rank(lists))


def citations(reply: dict[str, Any]) -> list[tuple[str, int]]:
    """The cited spans of an extract, each with the number of its source."""
    return [(text, int(number)) for text, number in CITED.findall(reply["response"])]


def resolved(reply: dict[str, Any]) -> bool:
    """Whether every cited span stands in the source that its number names, and no source is named that is not cited."""
    sources = {each["number"]: plain(each["text"]) for each in reply.get("sources", [])}
    spans = citations(reply)
    return {number for _, number in spans} == set(sources) and all(text in sources[number] for text, number in spans)
