"""A client of the agent API for tests, with a key of an application."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import httpx2

from deskbell.core.context import Context, operator_context
from deskbell.foundation.db import Session
from deskbell.identity import applications
from deskbell.identity.model import ApplicationType
from tests.desk import KEPT, PATIENCE, Server, named

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class AgentApi:
    """Answers are httpx2 responses; nothing is raised for an error status."""

    def __init__(self, server: Server, organization_id: str, application_id: str, key: str, key_id: str) -> None:
        self.server = server
        self.organization_id = organization_id
        self.application_id = application_id
        self.key = key
        self.key_id = key_id
        self.http = httpx2.Client(
            base_url=server.url + "/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE,
            limits=KEPT,
            trust_env=False,
            verify=False,
        )
        server.clients.append(self.http)

    def get(self, path: str, **params: Any) -> httpx2.Response:
        return self.http.get(path, params=params)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self.http.post(path, json={} if body is None else body, headers=named(headers))

    def put(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self.http.put(path, json={} if body is None else body, headers=named(headers))

    def delete(self, path: str, **headers: str) -> httpx2.Response:
        return self.http.delete(path, headers=named(headers))

    def do(self, act: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
        """Something that only the operator can do, in this organization."""
        return self.server.acting(self.organization_id, act)


def application(
    server: Server, organization_id: str, type: ApplicationType = "backend-service", origins: tuple[str, ...] = ()
) -> AgentApi:
    """A client with a fresh key of a fresh application."""

    async def unit(session: Session) -> Any:
        ctx = await operator_context(session, organization_id)
        made = await applications.create_application(ctx, "Website", type, origins)
        return await applications.create_application_key(ctx, made.id)

    key, plaintext = server.do(unit)
    return AgentApi(server, organization_id, key.application_id, plaintext, key.id)


def denied(answer: httpx2.Response, status: int, message: str) -> None:
    """Fails unless the answer is exactly this refusal of the agent API, with the headers of every answer."""
    assert answer.headers["content-type"] == "application/json", answer.text
    body = answer.json()
    phrase = "Payload Too Large" if status == 413 else HTTPStatus(status).phrase
    assert (answer.status_code, body) == (
        status,
        {"error": phrase, "message": message, "timestamp": body.get("timestamp")},
    )
    assert MOMENT.fullmatch(body["timestamp"])
    assert {"x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(answer.headers)
