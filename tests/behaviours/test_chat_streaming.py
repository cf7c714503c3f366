"""Answers that come bit by bit: they say what the plain answer says, and a client that hangs up ends the work."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.agents import denied
from tests.chats import AgentChat, desk, expert, impatient
from tests.desk import PATIENCE, Api, eventually
from tests.models import ANSWER, Models

QUESTION = "How long is the warranty on a metal roof?"


def told(events: list[tuple[str, Any]]) -> str:
    return "".join(data["text"] for name, data in events if name == "delta")


@pytest.mark.parametrize("model", ["deskbell/extractive", "scripted/typed"])
def test_a_stream_says_what_the_plain_answer_says(alice: Api, models: Models, model: str) -> None:
    chat, _ = expert(alice, model, system_prompt="SAY:Thirty years [1]. Or 3 [9]. See [1, 7]")
    plain = chat.ask(QUESTION)
    events = chat.stream(QUESTION)
    names = [name for name, _ in events]
    deltas = names.count("delta")
    assert names == ["delta"] * deltas + ["sources", "usage", "done"]
    assert told(events) == plain["response"]
    sources, usage, done = (data for _, data in events[deltas:])
    assert sources == {"sources": plain["sources"]}
    assert usage == plain["usage"]
    rest = {"model": plain["model"], "suggestedFollowUps": plain["suggestedFollowUps"]}
    assert done == {"conversationId": done["conversationId"], **rest}
    if model == "scripted/typed":
        assert deltas > 3
        assert told(events) == "Thirty years [1]. Or 3. See [1]"


def test_a_streamed_turn_is_saved(alice: Api, models: Models) -> None:
    chat = desk(alice, "scripted/answer")
    done = chat.stream("Hello")[-1][1]
    kept = chat.api.get(f"/conversations/{done['conversationId']}").json()
    assert [message["content"] for message in kept["messages"]] == ["Hello", ANSWER.replace(" [1]", "")]


def test_what_fails_before_the_first_word_is_an_ordinary_refusal(alice: Api, models: Models) -> None:
    answer = desk(alice, "scripted/500").post("Hello", stream=True)
    denied(answer, 503, "Chat service is currently unavailable")
    denied(desk(alice).post("", stream=True), 400, "Missing required field: message")


@pytest.mark.parametrize("fault", ["late", "stall"])
def test_what_fails_in_the_middle_is_an_event(
    alice: Api, models: Models, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "stall":
        impatient(monkeypatch, alice, first_byte=60)
    chat = desk(alice, f"scripted/{fault}")
    events = chat.stream("Hello")
    assert told(events)
    name, problem = events[-1]
    assert name == "error"
    assert problem == {
        "error": "Service Unavailable",
        "message": "Chat service is currently unavailable",
        "timestamp": problem["timestamp"],
    }
    assert chat.api.get("/conversations").json()["conversations"] == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("script", ["slow", "stall"])
def test_hanging_up_ends_the_model_s_work(alice: Api, models: Models, script: str, stream: bool) -> None:
    models.look()
    chat = desk(alice, f"scripted/{script}")
    with begun(chat, stream):
        eventually(lambda: models.peek()["requests"])
    eventually(lambda: models.peek()["given_up"] == 1, 20)  # sooner than the model's own time is over
    models.look()
    assert chat.api.get("/conversations").json()["conversations"] == []


def begun(chat: AgentChat, stream: bool) -> socket.socket:
    """A connection on which a chat has been asked for."""
    body = json.dumps({"agent_id": chat.agent_id, "message": "Hello", "stream": stream}).encode()
    head = f"POST /v1/chat HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {chat.api.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", chat.api.server.port), timeout=PATIENCE)
    connection.sendall(head.encode() + body)
    return connection
