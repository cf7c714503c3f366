"""Searching a knowledge base: what is found, how it is shown, and what is refused."""

from __future__ import annotations

from tests.desk import Api
from tests.library import library


def test_an_uploaded_document_is_found(alice: Api) -> None:
    prices = library(alice)
    document = prices.add()
    answer = prices.api.post("/kb/search", {"kb_id": prices.id, "query": "what does a metal roof cost", "top_k": 1})
    [best] = answer.json()["results"]
    print(answer.text)
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
    assert 0 < best["score"] <= 1
