"""Searching a knowledge base: what is found, how it is shown, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents import application, denied
from tests.desk import Api
from tests.library import Library, library


@pytest.fixture
def prices(alice: Api) -> Library:
    made = library(alice)
    made.add()
    return made


def test_a_result_has_exactly_the_documented_fields(prices: Library) -> None:
    answer = prices.api.post("/kb/search", {"kb_id": prices.id, "query": "what does a metal roof cost", "top_k": 1})
    assert set(answer.json()) == {"results", "suggestedFollowUps"}
    [best] = answer.json()["results"]
    document = prices.api.get(f"/knowledge-bases/{prices.id}/documents").json()["documents"][0]
    assert best == {
        "id": best["id"],
        "score": best["score"],
        "knowledgeBaseId": prices.id,
        "discoveryMethods": ["keyword"],
        "metadata": {
            "documentId": document["id"],
            "text": "Standing seam metal costs 11 dollars per square foot and lasts fifty years.",
            "fileName": "prices.md",
            "chunkIndex": 1,
        },
    }
    assert best["id"].startswith("chunk_")
    assert 0 < best["score"] <= 1


def test_a_part_number_is_found_to_the_letter(prices: Library) -> None:
    assert "ZX-4417" in prices.texts("ZX-4417")[0]


def test_the_best_come_first_and_no_more_than_asked_for(prices: Library) -> None:
    scores = [each["score"] for each in prices.search("what does a roof cost per square foot", top_k=2)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 2


def test_explain_tells_ranks_scores_and_what_a_chat_leaves_out(prices: Library) -> None:
    first, *rest = prices.search("metal roof", explain=True, top_k=100)
    assert first["explain"]["keywordRank"] == 1
    assert first["explain"]["keywordScore"] > 0
    assert first["explain"]["semanticRank"] is first["explain"]["semanticScore"] is None
    assert all((each["explain"]["leftOut"] is None) == each["explain"]["usedInChat"] for each in [first, *rest])
    assert "explain" not in prices.search("metal roof")[0]
    [weak] = prices.search("austin elephants giraffes zebras", explain=True)
    assert not weak["explain"]["usedInChat"]
    assert "below" in weak["explain"]["leftOut"]


def test_scores_are_shown_with_four_digits(prices: Library) -> None:
    for each in prices.search("What does a metal roof cost?", explain=True):
        told = [each["score"], each["explain"]["keywordScore"], each["explain"]["fusedScore"]]
        assert told == [round(score, 4) for score in told]


def test_what_to_ask_next_comes_from_the_documents_headings(prices: Library) -> None:
    answer = prices.api.post("/kb/search", {"kb_id": prices.id, "query": "asphalt shingles price"}).json()
    assert any("Metal" in each for each in answer["suggestedFollowUps"])


def test_an_empty_knowledge_base_has_nothing(alice: Api) -> None:
    empty = library(alice)
    answer = empty.api.post("/kb/search", {"kb_id": empty.id, "query": "roof"})
    assert (answer.status_code, answer.json()) == (200, {"results": [], "suggestedFollowUps": []})


@pytest.mark.parametrize("good", [1, 100, 3.0, None])
def test_a_whole_number_up_to_100_is_a_good_top_k(prices: Library, good: Any) -> None:
    more = {} if good is None else {"top_k": good}
    assert len(prices.search("roof shingles metal inspection", **more)) <= (good or 5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"top_k": 0}, "`top_k` must be 1 or more"),
        ({"top_k": 101}, "`top_k` must be 100 or less"),
        ({"top_k": -5}, "`top_k` must be 1 or more"),
        ({"top_k": "3"}, "`top_k` must be an integer, not a string"),
        ({"top_k": 2.5}, "`top_k` must be an integer, not a number"),
        ({"top_k": True}, "`top_k` must be an integer, not true or false"),
        ({"top_k": None}, "`top_k` must be an integer, not null"),
        ({"query": "  "}, "Missing required field: query"),
        ({"query": None}, "Missing required field: query"),
        ({"query": 7}, "`query` must be a string, not an integer"),
        ({"kb_id": ""}, "Missing required field: kb_id"),
        ({"kb_id": 7}, "`kb_id` must be a string, not an integer"),
        ({"explain": "yes"}, "`explain` must be true or false, not a string"),
    ],
)
def test_a_bad_field_is_named(prices: Library, body: dict[str, Any], message: str) -> None:
    asked = {"kb_id": prices.id, "query": "roof"} | body
    denied(prices.api.post("/kb/search", asked), 400, message)


def test_the_first_missing_field_is_named(prices: Library) -> None:
    denied(prices.api.post("/kb/search", {"query": "roof"}), 400, "Missing required field: kb_id")
    denied(prices.api.post("/kb/search", {"kb_id": prices.id}), 400, "Missing required field: query")


@pytest.mark.parametrize("unknown", ["kb_0000000000000000", "kb_", "nonsense", "' or 1=1", "😀"])
def test_an_unknown_knowledge_base_is_not_found(prices: Library, unknown: str) -> None:
    denied(prices.api.post("/kb/search", {"kb_id": unknown, "query": "roof"}), 404, "Knowledge base not found")


def test_every_kind_of_application_may_search(alice: Api, prices: Library) -> None:
    page = application(alice.server, alice.organization_id, "web-integration")
    assert page.post("/kb/search", {"kb_id": prices.id, "query": "metal"}).status_code == 200
    denied(page.get("/knowledge-bases"), 403, "You do not have access to this resource")


def test_no_search_ever_shows_another_organizations_chunk(alice: Api, charlie: Api) -> None:
    mine, theirs = library(alice, "Mine"), library(charlie, "Theirs")
    for number in range(3):
        mine.add(f"mine{number}.md", f"Alice keeps roof secret number {number}.")
        theirs.add(f"theirs{number}.md", f"Charlie keeps roof secret number {number}.")
    for ours, others, name in ((mine, theirs, "Alice"), (theirs, mine, "Charlie")):
        for question in ("roof secret", "secret number 2", "Alice Charlie keeps", "theirs0 mine0"):
            found = ours.texts(question, top_k=50)
            assert found
            assert all(text.startswith(name) for text in found)
        denied(ours.api.post("/kb/search", {"kb_id": others.id, "query": "roof"}), 404, "Knowledge base not found")
