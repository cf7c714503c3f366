"""Chatting with an agent: what is answered, what it knows of the earlier exchange, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.agents import application, denied
from tests.chats import agent, desk, expert
from tests.desk import Api
from tests.models import ANSWER, Models


def test_an_answer_has_these_fields(alice: Api, models: Models) -> None:
    chat, _ = expert(alice, "scripted/cost")
    answer = chat.post("How long is the warranty on a metal roof?")
    assert answer.status_code == 200
    reply = answer.json()
    [source] = reply["sources"]
    assert reply == {
        "response": ANSWER,
        "conversationId": reply["conversationId"],
        "model": "scripted/cost",
        "usage": {"inputTokens": 42, "outputTokens": 28, "totalTokens": 70, "cost": 0.00125},
        "sources": [source],
        "suggestedFollowUps": reply["suggestedFollowUps"],
    }
    assert re.fullmatch(r"conv_[A-Za-z0-9]{16}", reply["conversationId"])
    assert set(source) == {"number", "kbName", "source", "relevanceScore", "text"}
    assert (source["number"], source["kbName"], source["source"]) == (1, "Warranties", "warranty.md")
    assert 0.5 <= source["relevanceScore"] <= 1
    assert "thirty-year warranty" in source["text"]
    assert 0 < len(reply["suggestedFollowUps"]) <= 3


def test_without_a_model_the_documents_answer(alice: Api) -> None:
    chat, _ = expert(alice)
    reply = chat.ask("How long is the warranty on a metal roof?")
    assert reply["model"] == "deskbell/extractive"
    assert reply["response"].startswith("Metal roofs carry a thirty-year warranty on labor.")
    assert reply["response"].endswith("[1]")
    assert reply["usage"]["cost"] == 0
    assert reply["usage"]["totalTokens"] == reply["usage"]["inputTokens"] + reply["usage"]["outputTokens"] > 10


def test_what_the_documents_do_not_tell_has_no_sources(alice: Api, models: Models) -> None:
    chat, known = expert(alice)
    reply = chat.ask("Who won the chess championship in Reykjavik?")
    assert reply["response"] == "I could not find that in the documents."
    assert "sources" not in reply
    chatty = agent(chat.api, "scripted/answer", kb_ids=[known.id])
    reply = chatty.ask("Who won the chess championship in Reykjavik?")
    assert "[" not in reply["response"]
    assert "sources" not in reply


def test_an_agent_without_documents_has_no_sources(alice: Api, models: Models) -> None:
    reply = desk(alice, "scripted/answer").ask("How long is the warranty?")
    assert reply["response"] == ANSWER.replace(" [1]", "")
    assert "sources" not in reply
    assert reply["suggestedFollowUps"] == []


def test_a_conversation_goes_on_and_a_new_one_knows_nothing_of_it(alice: Api, models: Models) -> None:
    chat = desk(alice, "scripted/echo", welcome_message="Hi! How can we help?")
    chat.ask("My name is Ada")
    models.look()
    chat.ask("What is my name?")
    [asked] = models.look()["requests"]
    system, welcome, first, echoed, second = asked["body"]["messages"]
    assert (system["role"], welcome["content"]) == ("system", "Hi! How can we help?")
    assert (first["content"], second["content"]) == ("My name is Ada", "What is my name?")
    assert echoed["role"] == "assistant"
    chat.conversation = None
    chat.ask("What is my name?")
    [asked] = models.look()["requests"]
    assert "Ada" not in str(asked)


def test_history_stays_within_its_budget(alice: Api, models: Models) -> None:
    chat = desk(alice, "scripted/answer")
    for number in range(6):
        chat.ask(f"Message {number} " + "word " * 1000)
    models.look()
    chat.ask("And now?")
    [asked] = models.look()["requests"]
    told = [message["content"][:9] for message in asked["body"]["messages"] if message["role"] == "user"]
    assert told == ["Message 3", "Message 4", "Message 5", "And now?"]


def test_a_question_that_leans_on_the_one_before_is_searched_with_it(alice: Api) -> None:
    chat, _ = expert(alice)
    chat.ask("How long is the warranty on a metal roof?")
    assert "five years" in chat.ask("and its paint?")["response"]


def test_variables_fill_the_prompt(alice: Api, models: Models) -> None:
    prompt = "You answer for {{business}} in {{ city }}. {{unknown}} stays."
    variables = {"business": "Acme", "city": "{{business}}"}
    desk(alice, "scripted/echo", system_prompt=prompt, variables=variables).ask("Hello")
    [asked] = models.look()["requests"]
    assert asked["body"]["messages"][0]["content"] == "You answer for Acme in {{business}}. {{unknown}} stays."


def test_a_draft_answers_once_it_is_complete(alice: Api, models: Models) -> None:
    api = application(alice.server, alice.organization_id)
    draft = api.post("/agents", {"name": "Draft", "model": "scripted/answer"}).json()["id"]
    refusal = api.post("/chat", {"agent_id": draft, "message": "Hello"})
    assert refusal.status_code == 400
    assert "system_prompt" in refusal.json()["message"]
    api.put(f"/agents/{draft}", {"system_prompt": "You are brief."})
    assert api.post("/chat", {"agent_id": draft, "message": "Hello"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required field: agent_id"),
        ({"message": "Hello"}, "Missing required field: agent_id"),
        ({"agent_id": "x"}, "Missing required field: message"),
        ({"agent_id": "x", "message": "  "}, "Missing required field: message"),
        ({"agent_id": "x", "message": None}, "Missing required field: message"),
        ({"agent_id": 7, "message": "Hello"}, "`agent_id` must be a string, not an integer"),
        ({"agent_id": "x", "message": ["Hello"]}, "`message` must be a string, not a list"),
        ({"agent_id": "x", "message": "Hi", "stream": "yes"}, "`stream` must be true or false, not a string"),
        ({"agent_id": "x", "message": "Hi", "conversation_id": 1}, "`conversation_id` must be a string or null, not an integer"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_named(alice: Api, body: dict[str, Any], message: str) -> None:
    denied(application(alice.server, alice.organization_id).post("/chat", body), 400, message)


def test_unknown_agents_and_conversations_are_not_found(alice: Api, charlie: Api, models: Models) -> None:
    chat, other, foreign = desk(alice, "scripted/answer"), desk(alice, "scripted/answer"), desk(charlie)
    mine = chat.ask("Hello")["conversationId"]
    for agent_id in ("x", "01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88", foreign.agent_id):
        denied(chat.api.post("/chat", {"agent_id": agent_id, "message": "Hello"}), 404, "Agent not found")
    for conversation in ("", "x", "conv_AAAAAAAAAAAAAAAA"):
        denied(chat.post("Hello", conversation_id=conversation), 404, "Conversation not found")
    denied(other.post("Hello", conversation_id=mine), 404, "Conversation not found")
    denied(foreign.post("Hello", conversation_id=mine), 404, "Conversation not found")


def test_messages_have_an_end(alice: Api) -> None:
    chat = desk(alice)
    denied(chat.post("a" * 100_001), 413, "`message` may have at most 100000 characters")
    denied(chat.post("a" * 1024 * 1024), 413, "The body is larger than 1 MiB")
    assert chat.api.get("/conversations").json()["pagination"]["total"] == 0


def test_any_key_may_chat_and_only_full_ones_see_conversations(alice: Api) -> None:
    chat = desk(alice)
    page = application(alice.server, alice.organization_id, "web-integration")
    assert page.post("/chat", {"agent_id": chat.agent_id, "message": "Hello"}).status_code == 200
    denied(page.get("/conversations"), 403, "You do not have access to this resource")


def test_checks_come_in_their_order(alice: Api) -> None:
    chat = desk(alice)
    denied(
        chat.api.http.post("/chat", headers={"Authorization": "Bearer brs_live_x"}), 401, "Invalid or revoked API key"
    )
    assert chat.api.get("/chat").status_code == 405
    kind = chat.api.http.post("/chat", content=b"{}", headers={"content-type": "text/plain"})
    denied(kind, 415, "`Content-Type` must be application/json")
    assert chat.api.http.post("/chat", content=b"{").status_code == 400


def test_a_reply_of_a_citation_alone_is_no_empty_message_later(alice: Api, models: Models) -> None:
    chat, _ = expert(alice, "scripted/terse")
    assert chat.ask("How long is the warranty on a metal roof?")["response"] == "[1]"
    models.look()
    chat.ask("How long is the warranty on a metal roof?")
    [asked] = models.look()["requests"]
    assert asked["body"]["messages"][2] == {"role": "assistant", "content": "[1]"}
