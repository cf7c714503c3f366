"""Agents: listed and read by every key, made and changed by a backend's."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.agents import MOMENT, AgentApi, application, denied
from tests.desk import Api, Server

PROMPT = {"model": "openai/gpt-4o", "system_prompt": "You answer for {{business}}.", "variables": {"business": "Acme"}}


@pytest.fixture
def backend(alice: Api) -> AgentApi:
    return application(alice.server, alice.organization_id)


@pytest.fixture
def stranger(charlie: Api) -> AgentApi:
    return application(charlie.server, charlie.organization_id)


def agent(api: AgentApi, **fields: Any) -> dict[str, Any]:
    answer = api.post("/agents", {"name": "Front desk", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_an_agent_is_created_as_a_draft_with_all_that_was_given(backend: AgentApi) -> None:
    made = agent(backend, description="Answers calls", welcome_message="Hello!", **PROMPT)
    assert str(uuid.UUID(made["id"])) == made["id"]
    assert made["organizationId"].startswith("org_")
    assert len(made["organizationId"]) == 20
    assert MOMENT.fullmatch(made["createdAt"])
    assert made == {
        "id": made["id"], "name": "Front desk", "description": "Answers calls", "model": "openai/gpt-4o",
        "systemPrompt": "You answer for {{business}}.", "variables": {"business": "Acme"}, "welcomeMessage": "Hello!",
        "isDraft": True, "pendingEdits": False, "awaitingApproval": False, "liveVersion": None,
        "organizationId": made["organizationId"], "knowledgeBases": [],
        "createdAt": made["createdAt"], "updatedAt": made["createdAt"],
    }  # fmt: skip


def test_the_list_has_the_documented_fields_and_exact_totals(backend: AgentApi) -> None:
    assert backend.get("/agents").json() == {"bots": [], "pagination": {"limit": 50, "offset": 0, "total": 0}}
    made = [agent(backend, name=f"Agent {number}") for number in range(3)]
    listed = backend.get("/agents").json()
    assert list(listed) == ["bots", "pagination"]
    assert listed["pagination"] == {"limit": 50, "offset": 0, "total": 3}
    assert [bot["id"] for bot in listed["bots"]] == [each["id"] for each in reversed(made)]
    assert listed["bots"][0] == {
        "id": made[2]["id"], "name": "Agent 2", "description": None, "model": None, "isDraft": True,
        "organizationId": made[2]["organizationId"], "createdAt": made[2]["createdAt"], "updatedAt": made[2]["updatedAt"],
    }  # fmt: skip
    part = backend.get("/agents", limit=1, offset=1).json()
    assert ([bot["name"] for bot in part["bots"]], part["pagination"]) == (
        ["Agent 1"],
        {"limit": 1, "offset": 1, "total": 3},
    )
    assert backend.get("/agents", offset=3).json() == {
        "bots": [],
        "pagination": {"limit": 50, "offset": 3, "total": 3},
    }


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=2.5", "limit=", "offset=-1", "offset=x", "limit=1&limit=2"]
)
def test_limit_and_offset_have_bounds(backend: AgentApi, query: str) -> None:
    answer = backend.http.get(f"/agents?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    assert f"`{query.split('=')[0]}`" in answer.json()["message"]


def test_one_agent_is_shown_without_its_prompt(backend: AgentApi) -> None:
    made = agent(backend, **PROMPT)
    shown = backend.get(f"/agents/{made['id'].upper()}").json()
    assert shown == {
        "id": made["id"], "name": "Front desk", "description": None, "model": "openai/gpt-4o", "isDraft": True,
        "organizationId": made["organizationId"], "knowledgeBases": [],
        "createdAt": made["createdAt"], "updatedAt": made["updatedAt"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "id", ["x", "agent_1", "00000000-0000-0000-0000-000000000000", "%00", "0198c0de-0000-7000-8000-000000000000"]
)
def test_an_id_that_is_none_is_an_unknown_agent(backend: AgentApi, id: str) -> None:
    denied(backend.get(f"/agents/{id}"), 404, "Agent not found")
    denied(backend.put(f"/agents/{id}", {"name": "x"}), 404, "Agent not found")
    denied(backend.post(f"/agents/{id}/publish"), 404, "Agent not found")
    denied(backend.get(f"/agents/{id}/versions"), 404, "Agent not found")


def test_another_organizations_agents_do_not_exist(backend: AgentApi, stranger: AgentApi) -> None:
    made = agent(backend, **PROMPT)
    backend.post(f"/agents/{made['id']}/publish")
    path = f"/agents/{made['id']}"
    for answer in (
        stranger.get(path),
        stranger.put(path, {"name": "Mine"}),
        stranger.post(path + "/publish"),
        stranger.get(path + "/versions"),
        stranger.get(path + "/versions/1"),
        stranger.post(path + "/versions/1/revert"),
    ):
        denied(answer, 404, "Agent not found")
    assert stranger.get("/agents").json()["bots"] == []
    assert backend.get(path).json()["name"] == "Front desk"


@pytest.mark.parametrize("type", ["agent-consumer", "web-integration"])
def test_keys_of_public_pages_read_agents_and_change_nothing(server: Server, backend: AgentApi, type: Any) -> None:
    public = application(server, backend.organization_id, type)
    made = agent(backend)
    assert public.get("/agents").json()["pagination"]["total"] == 1
    assert public.get(f"/agents/{made['id']}").status_code == 200
    for answer in (
        public.post("/agents", {"name": "x"}),
        public.post("/agents", "nonsense"),
        public.put(f"/agents/{uuid.uuid4()}", {"name": "x"}),
        public.post(f"/agents/{made['id']}/publish"),
        public.get(f"/agents/{made['id']}/versions"),
        public.get("/usage"),
    ):
        denied(answer, 403, "You do not have access to this resource")
    assert backend.get("/agents").json()["pagination"]["total"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required field: name"),
        ({"name": "  "}, "Missing required field: name"),
        ({"name": None, "model": 5}, "Missing required field: name"),
        ({"name": 5}, "`name` must be a string, not an integer"),
        ({"name": "x" * 201}, "`name` must have at most 200 characters"),
        ({"name": "x", "model": 5}, "`model` must be a string or null, not an integer"),
        ({"name": "x", "system_prompt": []}, "`system_prompt` must be a string or null, not a list"),
        ({"name": "x", "variables": "a=b"}, "`variables` must be an object, not a string"),
        ({"name": "x", "variables": {"a b": ""}}, "`variables` has the name 'a b'; use letters, digits, `_`, `-` and `.`, a letter or `_` first"),
        ({"name": "x", "variables": {"a": 1}}, "`variables[...]` must be a string, not an integer"),
        ({"name": "x", "kb_ids": "kb_1"}, "`kb_ids` must be a list, not a string"),
        ([], "The body must be a JSON object"),
    ],
)  # fmt: skip
def test_bad_bodies_are_named(backend: AgentApi, body: Any, message: str) -> None:
    denied(backend.post("/agents", body), 400, message)
    assert backend.get("/agents").json()["pagination"]["total"] == 0


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"name": "a\\u0000b"}', b'{"name": NaN}', b"[" * 1000])
def test_bodies_that_are_no_json_are_refused(backend: AgentApi, body: bytes) -> None:
    answer = backend.http.post("/agents", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")


def test_framework_errors_are_flat(backend: AgentApi) -> None:
    large = backend.http.post("/agents", content=b'{"name": "%b"}' % (b"x" * 2**20))
    assert (large.status_code, large.json()["error"]) == (413, "Payload Too Large")
    wrong = backend.http.request("PATCH", "/agents")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "Method Not Allowed")
    assert wrong.headers["Allow"] == "GET, HEAD, POST"
    denied(backend.get("/nowhere"), 404, "There is no such route")
    kind = backend.http.post("/agents", content=b"name=x", headers={"Content-Type": "text/plain"})
    assert (kind.status_code, kind.json()["error"]) == (415, "Unsupported Media Type")


def test_an_unknown_knowledge_base_is_not_linked(backend: AgentApi) -> None:
    denied(backend.post("/agents", {"name": "x", "kb_ids": ["kb_0000000000000000"]}), 404, "Knowledge base not found")
    made = agent(backend)
    denied(backend.put(f"/agents/{made['id']}", {"kb_ids": ["kb_1"]}), 404, "Knowledge base not found")
    assert backend.get("/agents").json()["pagination"]["total"] == 1


def test_a_change_leaves_out_what_is_absent_and_null_clears(backend: AgentApi) -> None:
    made = agent(backend, description="Old", welcome_message="Hi", **PROMPT)
    answer = backend.put(f"/agents/{made['id']}", {"description": None, "name": "New"})
    assert answer.status_code == 200
    assert {key: answer.json()[key] for key in ("name", "description", "welcomeMessage", "systemPrompt")} == {
        "name": "New", "description": None, "welcomeMessage": "Hi", "systemPrompt": PROMPT["system_prompt"],
    }  # fmt: skip
    empty = backend.put(f"/agents/{made['id']}", {"nickname": "x"})
    assert (empty.status_code, empty.json()["error"]) == (400, "Bad Request")


def test_a_repeated_creation_makes_one_agent(backend: AgentApi) -> None:
    first, again = (backend.post("/agents", {"name": "x"}, Idempotency_Key="one") for _ in range(2))
    assert first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert backend.get("/agents").json()["pagination"]["total"] == 1


def test_agents_and_knowledge_bases_are_linked_many_to_many(backend: AgentApi) -> None:
    prices, hours = (backend.post("/knowledge-bases", {"name": name}).json()["id"] for name in ("Prices", "Hours"))
    both, one = agent(backend, kb_ids=[hours, prices, hours]), agent(backend, kb_ids=[prices])
    links = [{"id": hours, "name": "Hours"}, {"id": prices, "name": "Prices"}]
    assert both["knowledgeBases"] == backend.get(f"/agents/{both['id']}").json()["knowledgeBases"] == links
    assert one["knowledgeBases"] == links[1:]
    assert backend.put(f"/agents/{one['id']}", {"kb_ids": [hours]}).json()["knowledgeBases"] == links[:1]
    assert backend.put(f"/agents/{one['id']}", {"name": "Other"}).json()["knowledgeBases"] == links[:1]
    assert backend.put(f"/agents/{one['id']}", {"kb_ids": []}).json()["knowledgeBases"] == []
    assert backend.delete(f"/knowledge-bases/{hours}").status_code == 200
    assert backend.get(f"/agents/{both['id']}").json()["knowledgeBases"] == links[1:]


def test_another_organizations_knowledge_base_cannot_be_linked(backend: AgentApi, stranger: AgentApi) -> None:
    theirs = stranger.post("/knowledge-bases", {"name": "Secrets"}).json()["id"]
    denied(backend.post("/agents", {"name": "x", "kb_ids": [theirs]}), 404, "Knowledge base not found")
