"""Agents to chat with, for tests: made through the agent API, on the documents of a roofing business."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from deskbell.agents.models.catalogue import Models
from tests.agents import AgentApi, application
from tests.desk import Api, eventually
from tests.library import Library

WARRANTY = """# Warranty

## Asphalt shingles
Asphalt shingle roofs carry a ten-year warranty on labor.

## Metal roofs
Metal roofs carry a thirty-year warranty on labor. The paint of a metal roof is covered for five years.

## Claims
Call the office within thirty days of noticing a leak.
"""


class AgentChat:
    """An application's view on one agent. `ask` continues `conversation` once there is one."""

    def __init__(self, api: AgentApi, agent_id: str) -> None:
        self.api = api
        self.agent_id = agent_id
        self.conversation: str | None = None

    def post(self, message: Any, **more: Any) -> httpx2.Response:
        return self.api.post("/chat", {"agent_id": self.agent_id, "message": message, **more})

    def ask(self, message: str) -> dict[str, Any]:
        more = {"conversation_id": self.conversation} if self.conversation else {}
        answer = self.post(message, **more)
        assert answer.status_code == 200, answer.text
        reply: dict[str, Any] = answer.json()
        self.conversation = reply["conversationId"]
        return reply

    def stream(self, message: str, **more: Any) -> list[tuple[str, Any]]:
        answer = self.post(message, stream=True, **more)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        return list(events(answer.text))


def events(text: str) -> Iterator[tuple[str, Any]]:
    """Server-sent events: names with their data."""
    for block in text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def agent(api: AgentApi, model: str = "deskbell/extractive", **fields: Any) -> AgentChat:
    """A published agent."""
    made = api.post("/agents", {"name": "Front desk", "model": model, "system_prompt": "You are brief.", **fields})
    assert made.status_code == 201, made.text
    published = api.post(f"/agents/{made.json()['id']}/publish")
    assert published.status_code == 200, published.text
    return AgentChat(api, made.json()["id"])


def impatient(monkeypatch: pytest.MonkeyPatch, owner: Api, first_byte: float = 1.0, idle: float = 1.0) -> None:
    """The server waits so many seconds for a model's first word, and for each next."""
    loading = owner.server.app.setup.service(Models).loading
    assert loading is not None
    eventually(loading.done)
    asked = loading.result()
    seconds = {"first_byte_seconds": first_byte, "idle_seconds": idle}
    monkeypatch.setattr(asked, "endpoint", asked.endpoint._replace(**seconds))


def desk(owner: Api, model: str = "deskbell/extractive", **fields: Any) -> AgentChat:
    """An agent without documents, with a key that may do everything."""
    return agent(application(owner.server, owner.organization_id), model, **fields)


def expert(owner: Api, model: str = "deskbell/extractive", **fields: Any) -> tuple[AgentChat, Library]:
    """An agent that knows the warranty, and its knowledge base."""
    api = application(owner.server, owner.organization_id)
    known = Library(api, "Warranties")
    known.add("warranty.md", WARRANTY)
    return agent(api, model, kb_ids=[known.id], **fields), known
