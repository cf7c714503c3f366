"""An HTTP server that answers as it is told, in order: for what a well-behaved Deskbell does too seldom to test with."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

LEAD = {
    "id": "01890000-0000-7000-8000-000000000001",
    "organization_id": "01890000-0000-7000-8000-000000000002",
    "first_name": "Maria",
    "status": "new",
    "source": "api",
    "lead_score": 0,
    "tags": [],
    "custom_fields": {},
    "sms_opted_out": False,
    "on_dnc_list": False,
    "created_at": "2026-05-10T14:30:00Z",
    "updated_at": "2026-05-10T14:30:00Z",
} | dict.fromkeys(
    [
        "last_name",
        "phone",
        "email",
        "company",
        "address_street",
        "city",
        "state",
        "zip",
        "temperature",
        "notes",
        "archived_at",
    ]
)


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


HANG_UP = Answer(0)


def good(**changes: Any) -> Answer:
    return Answer(200, json.dumps({"data": LEAD | changes}).encode())


def page(number: int, total_pages: int, *ids: str) -> Answer:
    meta = {"page": number, "limit": len(ids), "total": total_pages * len(ids), "total_pages": total_pages}
    return Answer(200, json.dumps({"data": [LEAD | {"id": id} for id in ids], "meta": meta}).encode())


def refusal(status: int, code: str, retryable: bool, **headers: str) -> Answer:
    body = {"error": {"code": code, "message": "No.", "retryable": retryable}}
    return Answer(status, json.dumps(body).encode(), {name.replace("_", "-"): headers[name] for name in headers})


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Gives the answers in `answers` one by one, and keeps what it `received`."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> ScriptedServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.received.append(Received(self.command, self.path, headers, body))
            answer = server.answers.pop(0)
            self.close_connection = True
            if answer is HANG_UP:
                os.close(self.connection.detach())
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
