"""Publishing: what is live, which versions there are, and who has to approve."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deskbell.agents import operations as agents
from deskbell.agents import versions
from deskbell.core.context import Context
from deskbell.core.principal import Principal
from deskbell.core.scopes import ROLE_SCOPES
from deskbell.credits import operations as credits
from deskbell.credits.rules import CREDIT
from deskbell.credits.store import reserved_amount
from deskbell.identity.lookups import get_person
from deskbell.organizations.operations import set_agent_approval
from tests.agents import MOMENT, AgentApi, application, denied
from tests.behaviours.test_agent_agents import PROMPT, agent
from tests.desk import Api, eventually
from tests.models import Models


@pytest.fixture
def backend(alice: Api) -> AgentApi:
    return application(alice.server, alice.organization_id)


@pytest.fixture
def path(backend: AgentApi) -> str:
    return f"/agents/{agent(backend, **PROMPT)['id']}"


def numbers(backend: AgentApi, path: str) -> list[int]:
    return [version["number"] for version in backend.get(path + "/versions").json()["versions"]]


def answering(alice: Api, path: str) -> tuple[str, str]:
    """Model and prompt that a conversation would get now."""
    found = alice.do(lambda ctx: agents.live_agent(ctx, path.rpartition("/")[2]))
    return found.model, found.system_prompt


def test_drafts_have_no_versions_and_the_first_publish_makes_one(backend: AgentApi, path: str) -> None:
    backend.put(path, {"model": "openai/gpt-4o-mini"})
    assert numbers(backend, path) == []
    published = backend.post(path + "/publish")
    assert published.status_code == 200
    assert [published.json()[key] for key in ("isDraft", "pendingEdits", "liveVersion")] == [False, False, 1]
    assert backend.post(path + "/publish").json() == published.json()
    assert numbers(backend, path) == [1]


def test_saves_of_a_published_agent_make_versions_and_publishing_makes_them_live(
    alice: Api, backend: AgentApi, path: str
) -> None:
    backend.post(path + "/publish")
    saved = backend.put(path, {"system_prompt": "Be brief.", "model": "x/y"}).json()
    assert [saved[key] for key in ("systemPrompt", "isDraft", "pendingEdits", "liveVersion")] == [
        "Be brief.",
        False,
        True,
        1,
    ]
    assert backend.get(path).json()["model"] == "openai/gpt-4o"
    assert answering(alice, path) == ("openai/gpt-4o", PROMPT["system_prompt"])
    assert numbers(backend, path) == [2, 1]
    backend.post(path + "/publish")
    assert backend.get(path).json()["model"] == "x/y"
    assert answering(alice, path) == ("x/y", "Be brief.")
    assert numbers(backend, path) == [2, 1]


def test_what_is_no_part_of_a_version_holds_at_once(backend: AgentApi, path: str) -> None:
    backend.post(path + "/publish")
    renamed = backend.put(path, {"name": "Reception"}).json()
    assert [renamed[key] for key in ("name", "pendingEdits", "liveVersion")] == ["Reception", False, 2]
    assert (
        backend.get(path + "/versions/2").json()["changeSummary"] == "Saved with the same model, prompt and variables"
    )


def test_a_version_shows_what_it_was(backend: AgentApi, path: str) -> None:
    backend.post(path + "/publish")
    backend.put(path, {"model": "x/y", "system_prompt": "You answer.\nBriefly.", "variables": {"city": "Austin"}})
    listed = backend.get(path + "/versions").json()
    summary = (
        "Model: openai/gpt-4o to x/y; Prompt: 1 line changed, 1 line added; Variables: city added, business removed"
    )
    assert listed["pagination"] == {"limit": 50, "offset": 0, "total": 2}
    assert MOMENT.fullmatch(listed["versions"][0].pop("createdAt"))
    assert listed["versions"][0] == {
        "number": 2, "model": "x/y", "changeSummary": summary, "isCurrent": True, "isLive": False,
    }  # fmt: skip
    first = backend.get(path + "/versions/1").json()
    first.pop("createdAt")
    assert first == {
        "number": 1, "model": "openai/gpt-4o", "systemPrompt": PROMPT["system_prompt"], "variables": {"business": "Acme"},
        "changeSummary": "First version", "isCurrent": False, "isLive": True,
    }  # fmt: skip
    assert backend.get(path + "/versions", limit=1, offset=1).json()["versions"][0]["number"] == 1


@pytest.mark.parametrize("number", ["0", "2", "-1", "1.0", "x", "99999999999999999999"])
def test_other_numbers_are_unknown_versions(backend: AgentApi, path: str, number: str) -> None:
    backend.post(path + "/publish")
    denied(backend.get(f"{path}/versions/{number}"), 404, "Version not found")
    denied(backend.post(f"{path}/versions/{number}/revert"), 404, "Version not found")


@pytest.mark.parametrize("budget", [None, 5 * CREDIT])
def test_a_model_tells_what_a_version_changes_where_one_is_configured(
    alice: Api, backend: AgentApi, models: Models, budget: int | None
) -> None:
    alice.do(lambda ctx: credits.set_budget(ctx, None, budget))
    said = "The desk now answers briefly."
    named = {"model": "scripted/typed", "system_prompt": "Take your time."}
    path = f"/agents/{agent(backend, **named)['id']}"
    backend.post(path + "/publish")
    backend.put(path, {"system_prompt": f"Be brief.\nSAY:{said}"})

    def summaries() -> list[str]:
        return [each["changeSummary"] for each in backend.get(path + "/versions").json()["versions"]]

    assert eventually(lambda: summaries() == [said, "First version"])
    backend.post(path + "/versions/1/revert")
    assert eventually(lambda: summaries() == [f"Restored version 1. {said}", said, "First version"])
    used = backend.get("/usage").json()["usage"]
    assert [(each["activity"], each["requests"]) for each in used] == [("summary", 2)]
    assert alice.do(lambda ctx: ctx.db.one(reserved_amount(ctx.organization_id))) == 0


def test_a_model_that_fails_leaves_the_counted_words(backend: AgentApi, models: Models) -> None:
    path = f"/agents/{agent(backend, model='scripted/html', system_prompt='Long.')['id']}"
    backend.post(path + "/publish")
    backend.put(path, {"system_prompt": "Short."})
    assert eventually(lambda: models.look()["summaries"])
    assert backend.get(path + "/versions/2").json()["changeSummary"] == "Prompt: 1 line changed"


def test_a_version_is_counted_whatever_its_lines(backend: AgentApi) -> None:
    prompts = ["a\nb\n" * 1000, "b\na\nc\n" * 666]
    path = f"/agents/{agent(backend, model='x/y', system_prompt=prompts[0])['id']}"
    backend.post(path + "/publish")
    assert backend.put(path, {"system_prompt": prompts[1]}).status_code == 200
    assert backend.put(path, {"system_prompt": "b\nc\na\n" * 666}).status_code == 200
    told = [each["changeSummary"] for each in backend.get(path + "/versions").json()["versions"]]
    assert told == ["Prompt: lines moved", "Prompt: 666 lines changed, 2 lines removed", "First version"]


def test_a_revert_adds_the_old_version_again_and_makes_it_live(alice: Api, backend: AgentApi, path: str) -> None:
    backend.post(path + "/publish")
    backend.put(path, {"system_prompt": "Worse."})
    backend.post(path + "/publish")
    restored = backend.post(path + "/versions/1/revert")
    assert restored.status_code == 200
    assert (restored.json()["number"], restored.json()["systemPrompt"]) == (3, PROMPT["system_prompt"])
    assert restored.json()["changeSummary"] == "Restored version 1. Prompt: 1 line changed"
    assert numbers(backend, path) == [3, 2, 1]
    assert backend.get(path + "/versions/2").json()["systemPrompt"] == "Worse."
    assert answering(alice, path) == ("openai/gpt-4o", PROMPT["system_prompt"])


@pytest.mark.parametrize("missing", ["model", "system_prompt"])
def test_an_agent_needs_model_and_prompt_to_go_live_and_to_stay(backend: AgentApi, path: str, missing: str) -> None:
    bare = f"/agents/{agent(backend, **{**PROMPT, missing: None})['id']}"
    denied(backend.post(bare + "/publish"), 400, f"The agent has no `{missing}` yet: set it first")
    backend.post(path + "/publish")
    denied(backend.put(path, {missing: None}), 400, f"The agent has no `{missing}` yet: set it first")
    assert numbers(backend, path) == [1]


def test_concurrent_saves_number_their_versions_one_by_one(backend: AgentApi, path: str) -> None:
    backend.post(path + "/publish")
    with ThreadPoolExecutor(4) as pool:
        saves = list(pool.map(lambda n: backend.put(path, {"system_prompt": f"Prompt {n}"}).status_code, range(12)))
    assert saves == [200] * 12
    assert numbers(backend, path) == list(range(13, 0, -1))


def act_as(role_of: Api, act: Any) -> Any:
    """Something that a person of the team does."""

    async def as_person(ctx: Context) -> Any:
        person = await get_person(ctx, role_of.person_id or "")
        scopes = ROLE_SCOPES[person.role]
        return await act(
            ctx.acting(
                Principal("person", ctx.principal.tenant, person.id, person.name, scopes, person.id, person.role)
            )
        )

    return role_of.do(as_person)


def test_with_approval_a_new_prompt_waits_for_an_owner(alice: Api, bob: Api, backend: AgentApi, path: str) -> None:
    id = path.rpartition("/")[2]
    alice.do(lambda ctx: set_agent_approval(ctx, True))
    asked = backend.post(path + "/publish").json()
    assert (asked["isDraft"], asked["awaitingApproval"]) == (True, True)
    act_as(bob, lambda ctx: agents.publish_agent(ctx, id))
    assert backend.get(path).json()["isDraft"] is True
    act_as(alice, lambda ctx: agents.publish_agent(ctx, id))
    backend.put(path, {"variables": {"business": "Roofers"}})
    assert backend.post(path + "/publish").json()["liveVersion"] == 2  # neither model nor prompt
    backend.put(path, {"system_prompt": "Sell."})
    assert backend.post(path + "/publish").json()["awaitingApproval"] is True
    assert answering(alice, path)[1] == PROMPT["system_prompt"]
    act_as(alice, lambda ctx: agents.publish_agent(ctx, id))
    assert answering(alice, path)[1] == "Sell."
    restored = act_as(bob, lambda ctx: versions.revert(ctx, id, 1))
    assert (restored.number, restored.is_live) == (4, False)
    assert answering(alice, path)[1] == "Sell."
