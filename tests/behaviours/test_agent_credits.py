"""Credits: what is recorded, who pays, and when work is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from deskbell.agents import operations as agents
from deskbell.credits import operations as credits
from deskbell.credits.rules import CREDIT
from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.settings import Settings
from tests.agents import AgentApi, application, denied
from tests.behaviours.test_agent_agents import PROMPT, agent
from tests.desk import PLENTY, Api, eventually, running
from tests.embeddings import answering
from tests.library import Library

NOON = datetime(2033, 5, 18, 12, 0, 20, tzinfo=UTC)


@pytest.fixture
def midmonth() -> Iterator[None]:
    """It is noon in the middle of a month, so that neither day nor month ends within a test."""
    with time_machine.travel(NOON):
        yield


@pytest.fixture
def backend(alice: Api) -> AgentApi:
    return application(alice.server, alice.organization_id)


def chatted(alice: Api, id: str, cost: float = 0.02) -> None:
    spent: dict[str, Any] = {"input_tokens": 42, "output_tokens": 28, "cost": cost}
    alice.do(lambda ctx: credits.record(ctx, activity="chat", agent_id=id, **spent))


@pytest.mark.usefixtures("midmonth")
def test_usage_is_told_by_day_agent_and_activity(alice: Api, backend: AgentApi) -> None:
    id = agent(backend)["id"]
    for _ in range(2):
        chatted(alice, id)
    alice.do(lambda ctx: credits.record(ctx, activity="search", count=3))
    today = clock.now()[:10]
    chat = {"requests": 2, "inputTokens": 84, "outputTokens": 56, "totalTokens": 140, "cost": 0.04, "credits": 4.0}
    search = {"requests": 3, "inputTokens": 0, "outputTokens": 0, "totalTokens": 0, "cost": 0.0, "credits": 0.03}
    answer = backend.get("/usage", **{"from": today, "to": today}).json()
    assert sorted(answer.pop("usage"), key=lambda row: row["activity"]) == [
        {"day": today, "agentId": id, "activity": "chat", **chat},
        {"day": today, "agentId": None, "activity": "search", **search},
    ]
    totals = {name: pytest.approx(chat[name] + search[name]) for name in chat}
    assert answer == {"from": today, "to": today, "totals": totals, "balance": 0.0}
    assert backend.get("/usage").json()["totals"] == totals
    assert backend.get("/usage", **{"from": "2020-01-01", "to": "2020-02-01"}).json()["usage"] == []


def test_searches_documents_and_files_are_recorded_with_their_credits(alice: Api, backend: AgentApi) -> None:
    prices = Library(backend)
    prices.add()
    for _ in range(3):
        prices.search("metal")
    backend.post("/kb/search", {"kb_id": "kb_0000000000000000", "query": "metal"})  # refused, hence free

    def told() -> Any:
        found = {row["activity"]: row for row in backend.get("/usage").json()["usage"]}
        return found if found.get("search", {}).get("requests") == 3 else None

    usage = eventually(told)
    assert {name: row["requests"] for name, row in usage.items()} == {"search": 3, "indexing": 1, "file": 1}
    assert (usage["search"]["credits"], usage["file"]["credits"]) == (0.03, 0.1)
    assert 30 < usage["indexing"]["inputTokens"] < 100


def test_usage_is_an_organizations_own(alice: Api, charlie: Api, backend: AgentApi) -> None:
    chatted(alice, agent(backend)["id"])
    assert application(charlie.server, charlie.organization_id).get("/usage").json()["usage"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=x", "from"), ("to=soon", "to"), ("from=2026-02-01&to=2026-01-01", "to"), ("from=2020-01-01&to=2022-01-01", "to"), ("to=0001-01-01", "")],
)  # fmt: skip
def test_the_days_of_a_report_are_checked(backend: AgentApi, query: str, field: str) -> None:
    answer = backend.http.get(f"/usage?{query}")
    assert answer.status_code == (400 if field else 200)
    assert f"`{field}`" in answer.text or not field


def test_without_metering_an_empty_wallet_stops_nothing(alice: Api, backend: AgentApi) -> None:
    id = agent(backend, **PROMPT)["id"]
    chatted(alice, id)
    assert alice.do(lambda ctx: agents.live_agent(ctx, id)).model == "openai/gpt-4o"
    assert alice.do(credits.balance) == 0


def test_a_metered_wallet_pays_and_an_empty_one_stops_the_work(tmp_path: Path) -> None:
    with running(tmp_path / "metered.db", Settings(access_log=False, metering=True)) as server:
        alice = server.api(server.organization())
        id = agent(application(server, alice.organization_id), **PROMPT)["id"]
        with pytest.raises(Problem, match="do not cover this request") as refusal:
            alice.do(lambda ctx: agents.live_agent(ctx, id))
        assert (refusal.value.status, refusal.value.code) == (402, "payment_required")
        backend = application(server, alice.organization_id)
        base = backend.post("/knowledge-bases", {"name": "Prices"}).json()["id"]
        for answer in (
            backend.post("/kb/search", {"kb_id": base, "query": "metal"}),
            backend.post(f"/knowledge-bases/{base}/documents", {"title": "Prices", "text": "Metal"}),
        ):
            denied(answer, 402, "The organization's credits or a monthly budget do not cover this request.")
        alice.do(lambda ctx: credits.add(ctx, 3 * CREDIT))
        alice.do(lambda ctx: agents.live_agent(ctx, id))
        chatted(alice, id)
        assert alice.do(credits.balance) == CREDIT


@pytest.mark.usefixtures("midmonth")
@pytest.mark.parametrize("of_agent", [True, False])
def test_a_budget_of_the_month_is_hard(alice: Api, backend: AgentApi, of_agent: bool) -> None:
    ours, other = (agent(backend, **PROMPT)["id"] for _ in range(2))
    alice.do(lambda ctx: credits.set_budget(ctx, ours if of_agent else None, 2 * CREDIT))
    chatted(alice, ours, cost=0.0199)
    alice.do(lambda ctx: agents.live_agent(ctx, ours))
    chatted(alice, ours, cost=0.0001)
    with pytest.raises(Problem, match="monthly budget"):
        alice.do(lambda ctx: agents.live_agent(ctx, ours))
    if of_agent:
        alice.do(lambda ctx: agents.live_agent(ctx, other))
    else:
        with pytest.raises(Problem, match="monthly budget"):
            alice.do(lambda ctx: agents.live_agent(ctx, other))
    alice.do(lambda ctx: credits.set_budget(ctx, ours if of_agent else None, None))
    alice.do(lambda ctx: agents.live_agent(ctx, ours))


def test_a_key_has_so_many_requests_a_minute_reads_and_writes_together(tmp_path: Path) -> None:
    with running(tmp_path / "few.db", Settings(access_log=False, agent_requests_per_minute=3)) as server:
        website = application(server, server.organization())
        with time_machine.travel(NOON, tick=False):  # no minute ends in between
            for number in range(4):
                answer = website.get("/agents") if number % 2 else website.post("/agents", {"name": "x"})
        denied(answer, 429, "Rate limit exceeded (3/min). Try again shortly.")
        assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("3", "0")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_what_an_endpoint_charges_for_vectors_is_recorded(tmp_path: Path) -> None:
    with answering() as endpoint:
        endpoint.usage = {"prompt_tokens": 2_000, "total_tokens": 2_000}
        settings = Settings(
            access_log=False,
            agent_requests_per_minute=PLENTY,
            embedder="openai",
            embedder_base_url=f"http://127.0.0.1:{endpoint.server_port}/v1",
            embedder_model="small",
            embedder_dimensions=2,
            llm_prices="small=50/0 *=1/1",
        )
        with running(tmp_path / "deskbell.db", settings) as server:
            shelf = Library(application(server, server.organization()))
            shelf.add()

            def row() -> dict[str, Any]:
                (found,) = [each for each in shelf.api.get("/usage").json()["usage"] if each["activity"] == "indexing"]
                return dict(found)

            # One request for the document, and two for the headings and questions that its scores are read by.
            eventually(lambda: row()["cost"] == pytest.approx(0.3))
            assert len(endpoint.asked) == 3
            assert row()["requests"] == 1
            assert row()["credits"] >= 30
