"""Citations: what a reply cites as `[n]` stands, word for word, in the source of that number."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from deskbell.demo.library import sample_files
from tests.agents import application
from tests.chats import agent
from tests.desk import Api
from tests.library import Library

SPAN = re.compile(r"(.+?) \[(\d+)\](?: |$)", re.DOTALL)
PLACE = Path(os.environ.get("BENCH_COLLECTIONS") or Path(__file__).parents[3] / "shared" / "ir") / "squad"
DOCUMENTS, QUESTIONS = 30, 40  # of the collection: seconds; bench/bench_retrieval_quality.py asks all

#: Questions about each paper of the demo.
ASKED = {
    "price-sheet.pdf": ["What does clay tile cost per square foot?", "What does a leak repair cost?", "LS-IR40 price"],
    "warranty.docx": ["Can the warranty be transferred to a new owner?", "Is hail damage covered?", "How do I make a warranty claim?"],
    "maintenance-guide.pdf": ["What does the maintenance plan cost?", "How much attic ventilation is needed?", "Should I trim branches?"],
    "contract-terms.docx": ["How much deposit do you ask for?", "Can I cancel after signing?", "Who pulls the building permit?"],
    "faq.md": ["Do you work in winter?", "Are you licensed and insured?", "Can new shingles go over old ones?"],
    "service-area.md": ["Do you work in San Antonio?", "Do you work in Hays county?"],
    "insurance-claims.md": ["Who pays the deductible?", "How long after the storm may I claim?", "Who files the claim?"],
    "storm-checklist.md": ["How fast do you come with an emergency tarp?", "What do I do with buckets below leaks?"],
    "scheduling.md": ["What are your office hours on Saturday?", "What does moving an appointment cost?"],
    "financing.html": ["What credit score do I need for financing?", "Do you offer months without interest?"],
    "about-us.html": ["Where do old shingles go for recycling?", "How do customers rate your reviews?"],
    "materials.csv": ["Which color is LS-AS31?", "What wind rating has standing seam metal?"],
}  # fmt: skip


def plain(text: str) -> str:
    """In one line, and without brackets, which a span has as round ones where they held a number."""
    return " ".join(text.translate(str.maketrans("[]", "()")).split())


def cited(reply: dict[str, Any], passages: list[str]) -> list[str]:
    """The file names that a reply cites. Fails unless each span stands in its source, one of the passages, and each source is cited."""
    spans = SPAN.findall(reply["response"])
    sources = {str(each["number"]): each for each in reply["sources"]}
    assert "".join(f"{text} [{number}] " for text, number in spans).strip() == reply["response"], "something is uncited"
    assert {number for _, number in spans} == set(sources)
    for text, number in spans:
        assert plain(text) in plain(sources[number]["text"])
        assert sources[number]["text"] in passages
    return [each["source"] for each in sources.values()]


def test_every_paper_of_the_demo_is_cited_word_for_word(alice: Api) -> None:
    api = application(alice.server, alice.organization_id)
    known = Library(api, "Roofing handbook")
    ids = [known.upload(file.name, file.data, file.media_type).json()["id"] for file in sample_files()]
    assert {known.settled(id)["status"] for id in ids} == {"ready"}
    chat = agent(api, kb_ids=[known.id])
    for name, questions in ASKED.items():
        for question in questions:
            reply = chat.post(question).json()
            assert name in cited(reply, known.texts(question)), question


def test_an_encyclopaedia_is_cited_word_for_word(alice: Api) -> None:
    if not PLACE.exists():
        pytest.skip(f"there is no collection in {PLACE}; BENCH_COLLECTIONS names the folder of collections")
    api = application(alice.server, alice.organization_id)
    known = Library(api, "Encyclopaedia")
    lines = (PLACE / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:DOCUMENTS]
    texts = [json.loads(line) for line in lines]
    ids = [known.upload(f"{each['id']}.txt", each["text"], "text/plain").json()["id"] for each in texts]
    assert {known.settled(id)["status"] for id in ids} == {"ready"}
    chat = agent(api, kb_ids=[known.id])
    answered = 0
    for line in (PLACE / "queries.jsonl").read_text(encoding="utf-8").splitlines()[:QUESTIONS]:
        question = json.loads(line)["text"]
        reply = chat.post(question).json()
        if "sources" in reply:
            cited(reply, known.texts(question))
            answered += 1
    assert answered > QUESTIONS / 2
