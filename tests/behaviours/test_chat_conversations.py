"""Conversations: list, read, continue, delete; each with its usage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.agents import MOMENT, denied
from tests.chats import AgentChat, agent, desk, expert
from tests.desk import Api, eventually
from tests.models import Models


def test_a_conversation_keeps_its_messages(alice: Api) -> None:
    chat, _ = expert(alice, welcome_message="Hi!")
    reply = chat.ask("How long is the warranty\non a metal roof?")
    chat.ask("And on shingles?")
    found = chat.api.get(f"/conversations/{chat.conversation}").json()
    welcome, asked, answered, *rest = found["messages"]
    assert [welcome["role"], welcome["content"], welcome["usage"]] == ["assistant", "Hi!", None]
    assert (asked["role"], asked["content"]) == ("user", "How long is the warranty\non a metal roof?")
    assert answered == {
        "id": answered["id"],
        "role": "assistant",
        "content": reply["response"],
        "model": reply["model"],
        "usage": reply["usage"],
        "sources": reply["sources"],
        "createdAt": answered["createdAt"],
    }
    assert len(rest) == 2
    assert found["title"] == "How long is the warranty on a metal roof?"
    assert found["messageCount"] == 5
    assert found["agentId"] == chat.agent_id
    assert found["usage"]["totalTokens"] == sum(m["usage"]["totalTokens"] for m in found["messages"] if m["usage"])
    assert all(MOMENT.fullmatch(found[name]) for name in ("createdAt", "updatedAt"))


def test_conversations_are_listed_by_agent_the_latest_first(alice: Api) -> None:
    first, second = desk(alice), desk(alice)
    ids = [first.post(f"Hello {number}").json()["conversationId"] for number in range(3)]
    first.post("Again", conversation_id=ids[0])
    other = second.ask("Hello")["conversationId"]
    api = first.api
    own = api.get("/conversations", agent_id=first.agent_id).json()
    assert [chat["id"] for chat in own["conversations"]] == [ids[0], ids[2], ids[1]]
    assert own["pagination"] == {"limit": 50, "offset": 0, "total": 3}
    everything = api.get("/conversations", limit=2, offset=1).json()
    assert [chat["id"] for chat in everything["conversations"]] == [ids[0], ids[2]]
    assert everything["pagination"] == {"limit": 2, "offset": 1, "total": 4}
    assert api.get("/conversations").json()["conversations"][0]["id"] == other
    assert api.get("/conversations", agent_id="x").json()["conversations"] == []
    assert api.get("/conversations", limit=101).status_code == 400
    assert "messages" not in everything["conversations"][0]


def test_a_deleted_conversation_is_gone(alice: Api) -> None:
    chat = desk(alice)
    chat.ask("Hello")
    gone = chat.api.delete(f"/conversations/{chat.conversation}")
    assert gone.status_code == 200
    assert gone.json()["messages"][0]["content"] == "Hello"
    for again in (chat.api.get, chat.api.delete):
        denied(again(f"/conversations/{chat.conversation}"), 404, "Conversation not found")
    denied(chat.post("Hello?", conversation_id=chat.conversation), 404, "Conversation not found")


def test_strangers_have_no_part_in_a_conversation(alice: Api, charlie: Api) -> None:
    mine, theirs = desk(alice), desk(charlie)
    mine.ask("Hello")
    for act in (theirs.api.get, theirs.api.delete):
        denied(act(f"/conversations/{mine.conversation}"), 404, "Conversation not found")
    assert theirs.api.get("/conversations", agent_id=mine.agent_id).json()["conversations"] == []
    assert mine.api.get(f"/conversations/{mine.conversation}").status_code == 200


def test_answers_come_from_the_own_documents(alice: Api, charlie: Api) -> None:
    """However good another organization's are."""
    chat, known = expert(alice)
    stranger, own = expert(charlie)
    own.add("secret.md", "# Metal roofs\nThe warranty on a metal roof is one hundred years.")
    reply = chat.ask("How long is the warranty on a metal roof?")
    assert "hundred" not in str(reply)
    assert stranger.api.post("/agents", {"name": "Spy", "kb_ids": [known.id]}).status_code == 404
    document = known.add("new.md", "# Gutters\nGutters carry a warranty of seven years.")
    assert "seven years" in chat.ask("How long is the warranty on gutters?")["response"]
    known.api.delete(f"/documents/{document['id']}")
    again = agent(chat.api, kb_ids=[known.id]).ask("How long is the warranty on gutters?")
    assert "seven years" not in str(again)


def test_two_messages_at_once_are_one_too_many(alice: Api, models: Models) -> None:
    """The second is refused, and what is kept is one turn after the other."""
    chat = desk(alice, "scripted/answer")
    chat.ask("Hello")
    models.look()
    speaking(chat, "scripted/held")
    with ThreadPoolExecutor(4) as crowd:
        asked = [crowd.submit(chat.post, f"Message {n}", conversation_id=chat.conversation) for n in range(4)]
        eventually(lambda: sum(each.done() for each in asked) == 3 and models.peek()["requests"])
        models.let_go()
        answers = [each.result() for each in asked]
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    busy = next(answer for answer in answers if answer.status_code == 409)
    denied(busy, 409, "This conversation is answering another message; wait for its reply")
    assert chat.api.get(f"/conversations/{chat.conversation}").json()["messageCount"] == 4
    speaking(chat, "scripted/answer")
    assert chat.post("Now?", conversation_id=chat.conversation).status_code == 200


def speaking(chat: AgentChat, model: str) -> None:
    """Gives the agent another model."""
    chat.api.put(f"/agents/{chat.agent_id}", {"model": model})
    assert chat.api.post(f"/agents/{chat.agent_id}/publish").status_code == 200
