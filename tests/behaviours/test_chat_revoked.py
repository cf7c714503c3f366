"""A key that is revoked while its answer is written: the answer ends within a second, nothing is saved, nothing is charged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deskbell.identity.applications import create_application_key, revoke_application, revoke_application_key
from tests.agents import AgentApi, application, denied
from tests.chats import desk, events
from tests.desk import Api, eventually
from tests.models import Models

REVOKED = "Invalid or revoked API key"


def by_key(api: AgentApi) -> None:
    api.do(lambda ctx: revoke_application_key(ctx, api.key_id))


def by_application(api: AgentApi) -> None:
    api.do(lambda ctx: revoke_application(ctx, api.application_id))


def left_behind(alice: Api) -> list[Any]:
    other = application(alice.server, alice.organization_id)
    return [*other.get("/conversations").json()["conversations"], *other.get("/usage").json()["usage"]]


@pytest.mark.parametrize("revoke", [by_key, by_application])
def test_a_stream_ends_with_its_key(alice: Api, models: Models, revoke: Callable[[AgentApi], None]) -> None:
    chat = desk(alice, "scripted/steady")
    models.look()
    told = ""
    asked = {"agent_id": chat.agent_id, "message": "Hello", "stream": True}
    with chat.api.http.stream("POST", "/chat", json=asked) as answer:
        for text in answer.iter_text():
            if not told:
                revoke(chat.api)
            told += text
    *deltas, (name, problem) = events(told)
    assert {each for each, _ in deltas} == {"delta"}
    assert name == "error"
    assert problem == {"error": "Unauthorized", "message": REVOKED, "timestamp": problem["timestamp"]}
    eventually(lambda: models.look()["given_up"] == 1)
    assert left_behind(alice) == []


def test_an_answer_that_comes_whole_ends_with_its_key(alice: Api, models: Models) -> None:
    chat = desk(alice, "scripted/steady")
    models.look()
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(chat.post, "Hello")
        eventually(lambda: models.peek()["requests"])
        by_key(chat.api)
        denied(waiting.result(), 401, REVOKED)
    eventually(lambda: models.look()["given_up"] == 1)
    assert left_behind(alice) == []


def test_other_keys_of_an_application_go_on_chatting(alice: Api, models: Models) -> None:
    chat = desk(alice, "scripted/pause")
    other, _ = alice.do(lambda ctx: create_application_key(ctx, chat.api.application_id))
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(chat.stream, "Hello")
        alice.do(lambda ctx: revoke_application_key(ctx, other.id))
        assert waiting.result()[-1][0] == "done"
