"""An OpenAI-compatible `/embeddings` endpoint, and what it may do wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from deskbell.knowledge.embedders.base import Unavailable
from deskbell.knowledge.embedders.openai import OpenAI

SECRET = "sk-very-secret"


class Endpoint(ThreadingHTTPServer):
    """Answers each request with the next of `script`, a status and a body; after these with vectors, the last text's first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.script: list[tuple[int, bytes]] = []
        self.asked: list[dict[str, Any]] = []

    def embedder(self, dimensions: int = 2) -> OpenAI:
        return OpenAI(f"http://127.0.0.1:{self.server_port}/v1/", SECRET, "small", dimensions, timeout=5)


class Answering(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**asked, "path": self.path, "key": self.headers["Authorization"]})
        rows = [{"index": place, "embedding": [len(text), 1]} for place, text in enumerate(asked["input"])]
        status, body = 200, json.dumps({"data": rows[::-1]}).encode()
        if self.server.script:
            status, body = self.server.script.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
        (200, b"<html>", "something else"),
        (200, b'{"data": []}', "another number"),
        (200, b'{"data": [{"embedding": [1, 2, 3]}]}', "3 dimensions, not 2"),
        (200, b'{"data": [{"embedding": [0, 0]}]}', "no length"),
    ],
)
def test_a_wrong_answer_is_told_without_the_key(endpoint: Endpoint, status: int, body: bytes, complaint: str) -> None:
    endpoint.script = [(status, body)]
    with pytest.raises(Unavailable, match=complaint) as told:
        asyncio.run(endpoint.embedder().embed(["roof"]))
    assert SECRET not in str(told.value)
    assert len(endpoint.asked) == 1
