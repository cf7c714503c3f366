"""Embeddings by any endpoint with OpenAI's `POST /embeddings`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import httpx2
import msgspec
from msgspec import Meta

from deskbell.knowledge.embedders.base import EmbedderUnavailable
from deskbell.knowledge.scores import Calibration

if TYPE_CHECKING:
    from deskbell.knowledge.embedders.base import EmbeddingUsage, Matrix

BATCH = 64  # texts per request
MAX_RESPONSE = 16 * 1024 * 1024  # bytes
ATTEMPTS = 3
RETRIED = {408, 409, 429, 500, 502, 503, 504}
DEFAULT = Calibration(0.5, 26.5, 7.95)  # near MiniLM's, until a knowledge base has a calibration of its own


class EmbeddingRow(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class ReportedUsage(msgspec.Struct):
    """Tokens, and US dollars if the provider reports them."""

    prompt_tokens: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    cost: Annotated[float, Meta(ge=0, le=1_000)] | None = None


class EmbeddingResponse(msgspec.Struct):
    data: list[EmbeddingRow]
    usage: msgspec.Raw = msgspec.Raw(b"{}")


class OpenAIEmbedder:
    """`model` at `base_url`, which ends before `/embeddings`. The key is sent in a header and stands in no message.

    `price` is US dollars per million tokens, for an endpoint that does not report what it charges.
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
        return DEFAULT

    async def embed(self, texts: Sequence[str], usage: EmbeddingUsage | None = None) -> Matrix:
        """Tries at most three times if the endpoint is busy or does not answer."""
        import numpy as np

        rows: Matrix = np.zeros((len(texts), self.dimensions), np.float32)
        async with httpx2.AsyncClient(timeout=self.timeout, headers=self.headers, follow_redirects=False) as client:
            for start in range(0, len(texts), BATCH):
                batch = [text or " " for text in texts[start : start + BATCH]]
                response = await self.request(client, batch)
                if usage is not None:
                    usage.cost += cost_of(response, self.price)
                embeddings = in_order(response, len(batch))
                rows[start : start + len(batch)] = [checked(each, self.dimensions) for each in embeddings]
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EmbedderUnavailable("The embedding endpoint answered with vectors that have no length.")
        rows /= lengths
        return rows

    async def request(self, client: httpx2.AsyncClient, texts: list[str]) -> EmbeddingResponse:
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.5 * 4**attempt / 4)
            try:
                async with asyncio.timeout(2 * self.timeout):
                    status, body = await self.post(client, texts)
            except (httpx2.HTTPError, TimeoutError) as error:
                problem = f"The embedding endpoint does not answer ({type(error).__name__})."
                continue
            if status == 200:
                return decode(body)
            problem = f"The embedding endpoint answered with status {status}."
            if status not in RETRIED:
                break
        raise EmbedderUnavailable(problem)

    async def post(self, client: httpx2.AsyncClient, texts: list[str]) -> tuple[int, bytes]:
        """Status and body of one response. Raises `EmbedderUnavailable` if it is too large."""
        body = bytearray()
        async with client.stream("POST", self.url, json={"model": self.model, "input": texts}) as response:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_RESPONSE:
                    raise EmbedderUnavailable("The embedding endpoint's answer is too large.")
        return response.status_code, bytes(body)


def decode(body: bytes) -> EmbeddingResponse:
    try:
        return msgspec.json.decode(body, type=EmbeddingResponse)
    except msgspec.DecodeError:
        raise EmbedderUnavailable("The embedding endpoint answered with something other than embeddings.") from None


def cost_of(response: EmbeddingResponse, price: float) -> float:
    """US dollars. Usage that makes no sense counts as 0."""
    try:
        usage = msgspec.json.decode(response.usage, type=ReportedUsage)
    except msgspec.DecodeError:
        return 0.0
    return usage.cost if usage.cost is not None else usage.prompt_tokens * price / 1_000_000


def in_order(response: EmbeddingResponse, count: int) -> list[list[float]]:
    """The vectors in the order of the texts. Raises `EmbedderUnavailable` unless there is one for each."""
    rows = response.data
    indexes = [number if row.index is None else row.index for number, row in enumerate(rows)]
    if sorted(indexes) != list(range(count)):
        raise EmbedderUnavailable("The embedding endpoint answered with a different number of embeddings than texts.")
    return [row.embedding for _, row in sorted(zip(indexes, rows, strict=True), key=lambda each: each[0])]


def checked(row: list[float], dimensions: int) -> list[float]:
    if len(row) != dimensions:
        raise EmbedderUnavailable(f"The embedding endpoint's vectors have {len(row)} dimensions, not {dimensions}.")
    return row
