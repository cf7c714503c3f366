"""An OpenAI-compatible `/embeddings` endpoint for tests: a real server that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deskbell.knowledge.embedders.openai import OpenAIEmbedder

SECRET = "sk-very-secret"


class Endpoint(ThreadingHTTPServer):
    """Answers each request with the next of `script`, a status and a body; after these with vectors, the last text's first, and `usage`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.script: list[tuple[int, bytes]] = []
        self.usage: Any = None
        self.asked: list[dict[str, Any]] = []
        self.vector: Callable[[str], list[float]] = lambda text: [len(text), 1]

    def embedder(self, dimensions: int = 2, price: float = 0.0) -> OpenAIEmbedder:
        return OpenAIEmbedder(
            f"http://127.0.0.1:{self.server_port}/v1/", SECRET, "small", dimensions, timeout=60, price=price
        )


class Answering(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**asked, "path": self.path, "key": self.headers["Authorization"]})
        rows = [{"index": place, "embedding": self.server.vector(text)} for place, text in enumerate(asked["input"])]
        status, body = 200, json.dumps({"data": rows[::-1], "usage": self.server.usage}).encode()
        if self.server.script:
            status, body = self.server.script.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def answering() -> Iterator[Endpoint]:
    """An endpoint that runs for the length of a block."""
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
