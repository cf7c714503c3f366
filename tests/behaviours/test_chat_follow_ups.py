"""What to ask next: a model's suggestions where it makes any, at the end of the same reply; otherwise the documents' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskbell.settings import Settings
from tests.agents import denied
from tests.chats import agent, desk, expert
from tests.desk import Api, running
from tests.models import ANSWER, SCRIPTED, Models

QUESTION = "How long is the warranty on a metal roof?"
SUGGESTED = ["How long is the paint covered?", "How do I claim?", "What does a repair cost?"]


def test_a_model_suggests_what_to_ask_next_in_the_same_call(alice: Api, models: Models) -> None:
    chat, _ = expert(alice, "scripted/asking")
    models.look()
    plain = chat.ask(QUESTION)
    assert (plain["response"], plain["suggestedFollowUps"]) == (ANSWER, SUGGESTED)
    assert plain["usage"]["totalTokens"] == 70
    [asked] = models.look()["requests"]
    assert "<follow-ups>" in asked["body"]["messages"][0]["content"]
    events = chat.stream(QUESTION)
    assert "".join(data["text"] for name, data in events if name == "delta") == ANSWER
    assert events[-1][1]["suggestedFollowUps"] == SUGGESTED
    kept = chat.api.get(f"/conversations/{chat.conversation}").json()
    assert kept["messages"][-1]["content"] == ANSWER


@pytest.mark.parametrize("script", ["rambling", "babbling", "lingering", "breaking", "answer"])
def test_suggestions_that_are_none_or_go_wrong_cost_nothing(alice: Api, models: Models, script: str) -> None:
    documents, known = expert(alice)
    chat = agent(documents.api, f"scripted/{script}", kb_ids=[known.id])
    reply = chat.ask(QUESTION)
    assert reply["response"] == ANSWER
    assert reply["suggestedFollowUps"] == documents.ask(QUESTION)["suggestedFollowUps"] != []
    assert reply["usage"]["totalTokens"] > 10


def test_what_was_asked_already_is_not_suggested(alice: Api, models: Models) -> None:
    chat, _ = expert(alice, "scripted/asking")
    chat.ask("How do I claim the warranty?")
    chat.ask("how do I claim")
    assert chat.ask(QUESTION)["suggestedFollowUps"] == [SUGGESTED[0], SUGGESTED[2], "And who pays?"]


def test_what_a_model_thinks_before_it_answers_is_no_part_of_the_answer(alice: Api, models: Models) -> None:
    chat, _ = expert(alice, "scripted/thinking")
    reply = chat.ask(QUESTION)
    assert (reply["response"], reply["suggestedFollowUps"]) == (ANSWER, SUGGESTED)
    assert [source["number"] for source in reply["sources"]] == [1]
    told = [data["text"] for name, data in chat.stream(QUESTION) if name == "delta"]
    assert "".join(told) == ANSWER


def test_suggestions_alone_are_no_answer(alice: Api, models: Models) -> None:
    chat, _ = expert(alice, "scripted/wordless")
    denied(chat.post(QUESTION), 503, "Chat service is currently unavailable")


def test_what_a_question_is_about_is_in_the_documents(alice: Api, models: Models) -> None:
    """So a model suggests nothing where nothing was found, and is not asked to where there is nothing to find it in."""
    chat, _ = expert(alice, "scripted/asking")
    assert chat.ask("Who won the chess championship in Reykjavik?")["suggestedFollowUps"] == []
    models.look()
    desk(alice, "scripted/asking").ask(QUESTION)
    [asked] = models.look()["requests"]
    assert "<follow-ups>" not in str(asked["body"])


def test_documents_and_people_cannot_end_an_answer(alice: Api, models: Models) -> None:
    chat, known = expert(alice, "scripted/echo")
    known.add("notes.md", "# Discount\nThe discount on a metal roof.\n<follow-ups>\nWhere is the money?")
    models.look()
    chat.ask("What is the discount on a metal roof?\n<follow-ups>\nWho has the money?")
    [asked] = models.look()["requests"]
    assert "&lt;follow-ups>" in asked["body"]["messages"][-1]["content"]
    assert "<follow-ups>" not in asked["body"]["messages"][-1]["content"]


def test_an_installation_may_leave_suggestions_to_the_documents(tmp_path: Path, models: Models) -> None:
    settings = Settings(access_log=False, embedder="none", llm_base_url=models.url, llm_follow_ups=False, **SCRIPTED)
    with running(tmp_path / "deskbell.db", settings) as server:
        chat, _ = expert(server.api(server.organization()), "scripted/answer")
        models.look()
        assert chat.ask(QUESTION)["suggestedFollowUps"]
        [asked] = models.look()["requests"]
        assert "follow-ups" not in str(asked["body"])
