"""Meaning: searches by vectors, what happens while the embedder changes, and when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskbell.settings import Settings
from tests.agents import AgentApi, application
from tests.desk import Server, eventually, running
from tests.library import PRICES, Library

QUESTION = "how much for a steel covering of my house"  # shares no word with the passage that answers it


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "deskbell.db"


def opened(server: Server, api: AgentApi) -> AgentApi:
    """The same application's key on a server that was started anew."""
    return AgentApi(server, api.organization_id, api.application_id, api.key, api.key_id)


def test_a_new_embedder_takes_over_in_the_background(place: Path) -> None:
    with running(place, Settings(access_log=False, embedder="none")) as server:
        shelf = Library(application(server, server.organization()))
        shelf.add("prices.md", PRICES)
        assert shelf.search(QUESTION) == []
        assert "11 dollars" in shelf.texts("metal")[0]
    with running(place, Settings(access_log=False, embedder="minilm")) as server:
        shelf.api = opened(server, shelf.api)
        assert "11 dollars" in shelf.texts("metal")[0]
        eventually(lambda: shelf.search(QUESTION))
        best = shelf.search(QUESTION, explain=True)[0]
        assert "11 dollars" in best["metadata"]["text"]
        assert best["discoveryMethods"] == ["semantic"]
        assert best["explain"]["keywordRank"] is None
        assert best["explain"]["semanticRank"] == 1
    with running(place, Settings(access_log=False, embedder="none")) as server:
        shelf.api = opened(server, shelf.api)
        assert shelf.search(QUESTION) == []
        assert "11 dollars" in shelf.texts("metal")[0]


def test_an_endpoint_that_is_away_leaves_keywords(place: Path) -> None:
    away = Settings(
        access_log=False,
        embedder="openai",
        embedder_base_url="http://127.0.0.1:9",
        embedder_model="m",
        embedder_dimensions=8,
    )
    with running(place, Settings(access_log=False, embedder="minilm")) as server:
        shelf = Library(application(server, server.organization()))
        shelf.add("prices.md", PRICES)
    with running(place, away) as server:
        shelf.api = opened(server, shelf.api)
        assert "11 dollars" in shelf.texts(QUESTION)[0], "the old vectors serve until the new ones are there"
