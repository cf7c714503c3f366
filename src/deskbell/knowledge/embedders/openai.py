"""Any endpoint that speaks OpenAI's `POST /embeddings`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import httpx2
import msgspec
from msgspec import Meta

from deskbell.knowledge.embedders.base import EmbedderUnavailable
from deskbell.knowledge.retrieval.score_calibration import Calibration

if TYPE_CHECKING:
    from deskbell.knowledge.embedders.base import EmbeddingUsage, Matrix

BATCH = 64  # texts per request
LARGEST = 16 * 1024 * 1024  # bytes of an answer
ATTEMPTS = 3
AGAIN = {408, 409, 429, 500, 502, 503, 504}
GUESS = Calibration(0.5, 26.5, 7.95)  # near MiniLM's, until a knowledge base has a curve of its own


class EmbeddingRow(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class ReportedUsage(msgspec.Struct):
    """What an answer took: tokens, and US dollars where the provider tells."""

    prompt_tokens: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    cost: Annotated[float, Meta(ge=0, le=1_000)] | None = None


class EmbeddingResponse(msgspec.Struct):
    data: list[EmbeddingRow]
    usage: msgspec.Raw = msgspec.Raw(b"{}")


class OpenAIEmbedder:
    """`model` at `base_url`, which ends before `/embeddings`. The key stays in the header, and out of every message.

    `price` is US dollars per million tokens, for an endpoint that does not tell what it charges.
    """

    measured = False

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        dimensions: int,
        *,
        timeout: float = 30.0,
        price: float = 0.0,
    ) -> None:
        self.url = base_url.rstrip("/") + "/embeddings"
        self.headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.price = price
        self.model, self.dimensions, self.timeout = model, dimensions, timeout

    @property
    def name(self) -> str:
        return f"{self.model}@{self.url.removesuffix('/embeddings')}/{self.dimensions}"

    def calibration(self, language: str) -> Calibration:
        return GUESS

    async def embed(self, texts: Sequence[str], spent: EmbeddingUsage | None = None) -> Matrix:
        """Asks again at most twice when the endpoint says that it is busy or does not answer."""
        import numpy as np

        rows: Matrix = np.zeros((len(texts), self.dimensions), np.float32)
        async with httpx2.AsyncClient(timeout=self.timeout, headers=self.headers, follow_redirects=False) as client:
            for start in range(0, len(texts), BATCH):
                batch = [text or " " for text in texts[start : start + BATCH]]
                answer = await self.ask(client, batch)
                if spent is not None:
                    spent.cost += charged(answer, self.price)
                found = ordered(answer, len(batch))
                rows[start : start + len(batch)] = [vector(each, self.dimensions) for each in found]
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EmbedderUnavailable("The embedding endpoint answered with vectors that have no length.")
        rows /= lengths
        return rows

    async def ask(self, client: httpx2.AsyncClient, texts: list[str]) -> EmbeddingResponse:
        complaint = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.5 * 4**attempt / 4)
            try:
                async with asyncio.timeout(2 * self.timeout):
                    status, body = await self.post(client, texts)
            except (httpx2.HTTPError, TimeoutError) as error:
                complaint = f"The embedding endpoint does not answer ({type(error).__name__})."
                continue
            if status == 200:
                return read(body)
            complaint = f"The embedding endpoint answered with status {status}."
            if status not in AGAIN:
                break
        raise EmbedderUnavailable(complaint)

    async def post(self, client: httpx2.AsyncClient, texts: list[str]) -> tuple[int, bytes]:
        """Status and body of one answer, which may be `LARGEST` bytes."""
        body = bytearray()
        async with client.stream("POST", self.url, json={"model": self.model, "input": texts}) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise EmbedderUnavailable("The embedding endpoint's answer has no end.")
        return answer.status_code, bytes(body)


def read(body: bytes) -> EmbeddingResponse:
    try:
        return msgspec.json.decode(body, type=EmbeddingResponse)
    except msgspec.DecodeError:
        raise EmbedderUnavailable("The embedding endpoint answered with something else than embeddings.") from None


def charged(answer: EmbeddingResponse, price: float) -> float:
    """US dollars. Usage that makes no sense counts as none."""
    try:
        usage = msgspec.json.decode(answer.usage, type=ReportedUsage)
    except msgspec.DecodeError:
        return 0.0
    return usage.cost if usage.cost is not None else usage.prompt_tokens * price / 1_000_000


def ordered(answer: EmbeddingResponse, count: int) -> list[list[float]]:
    """The vectors in the order of the texts. Raises `Unavailable` unless there is one for each."""
    rows = answer.data
    places = [place if row.index is None else row.index for place, row in enumerate(rows)]
    if sorted(places) != list(range(count)):
        raise EmbedderUnavailable("The embedding endpoint answered with another number of embeddings than texts.")
    return [row.embedding for _, row in sorted(zip(places, rows, strict=True), key=lambda each: each[0])]


def vector(row: list[float], dimensions: int) -> list[float]:
    if len(row) != dimensions:
        raise EmbedderUnavailable(f"The embedding endpoint's vectors have {len(row)} dimensions, not {dimensions}.")
    return row
