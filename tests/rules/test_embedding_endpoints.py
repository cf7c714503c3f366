"""An OpenAI-compatible `/embeddings` endpoint, and what it may do wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from deskbell.knowledge.embedders.base import EmbedderUnavailable, EmbeddingUsage
from tests.embeddings import SECRET, Endpoint, answering


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with answering() as server:
        yield server


def test_vectors_come_in_the_order_of_the_texts_and_with_length_one(endpoint: Endpoint) -> None:
    texts = ["x" * size for size in range(1, 101)]
    rows = asyncio.run(endpoint.embedder().embed(texts))
    assert np.allclose(rows[:, 0] / rows[:, 1], range(1, 101))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert {(each["path"], each["model"], each["key"]) for each in endpoint.asked} == {
        ("/v1/embeddings", "small", f"Bearer {SECRET}")
    }


def test_a_busy_endpoint_is_asked_again(endpoint: Endpoint) -> None:
    endpoint.script = [(429, b"later")]
    assert asyncio.run(endpoint.embedder().embed(["roof"])).shape == (1, 2)
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (401, b"no", "status 401"),
        (302, b"", "status 302"),
        (200, b"<html>", "something other than embeddings"),
        (200, b'{"data": []}', "a different number"),
        (200, b'{"data": [{"embedding": [1, 2, 3]}]}', "3 dimensions, not 2"),
        (200, b'{"data": [{"embedding": [0, 0]}]}', "no length"),
    ],
)
def test_a_wrong_answer_is_told_without_the_key(endpoint: Endpoint, status: int, body: bytes, complaint: str) -> None:
    endpoint.script = [(status, body)]
    with pytest.raises(EmbedderUnavailable, match=complaint) as told:
        asyncio.run(endpoint.embedder().embed(["roof"]))
    assert SECRET not in str(told.value)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"prompt_tokens": 500, "total_tokens": 500}, 0.01),
        ({"prompt_tokens": 500, "cost": 0.25}, 0.25),
        ({"prompt_tokens": 500, "cost": 0}, 0),
        ({"prompt_tokens": -500}, 0),
        ({"prompt_tokens": "many"}, 0),
        ({"cost": 1e300}, 0),
        ([], 0),
        (None, 0),
    ],
    ids=str,
)
def test_what_texts_cost_is_told_or_reckoned_by_the_price(endpoint: Endpoint, usage: Any, cost: float) -> None:
    endpoint.usage = usage
    spent = EmbeddingUsage()
    asyncio.run(endpoint.embedder(price=20.0).embed(["roof"], spent))
    assert spent.cost == pytest.approx(cost)
