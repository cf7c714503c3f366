"""An index on disk finds what the index in memory finds, however few chunks are candidates."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from deskbell.knowledge.index.disk.graph_builder import no_longer_awaited
from deskbell.knowledge.index.disk.model import Graph, PostingBlock
from deskbell.knowledge.index.disk.posting_blocks import Revision, names
from deskbell.knowledge.index.disk.search import DiskRanking
from deskbell.knowledge.index.disk.segment_writer import encode_segment
from deskbell.knowledge.index.disk.stored_chunks import DiskIndex, StoredChunks, decode_head
from deskbell.knowledge.index.memory import Hit, Index, IndexEntry
from deskbell.knowledge.scores import Calibration
from deskbell.knowledge.text.analysis import terms
from deskbell.knowledge.text.spelling import Speller

HALF = Calibration(0.5, 37.0, 10.6)
WORDS = [f"{first}{second}" for first in ("roof", "tile", "leak", "storm", "ladder") for second in "abcdefghij"]
DIMENSIONS = 16
EACH = 20  # chunks of a document


def entries(count: int) -> list[IndexEntry]:
    """Half of them short, some words frequent and others rare, random vectors."""
    chance, numbers = random.Random(3), np.random.default_rng(3)
    weights = [1 / (place + 1) for place in range(len(WORDS))]
    made = []
    for place in range(count):
        vector = numbers.standard_normal(DIMENSIONS).astype(np.float32)
        found = chance.choices(WORDS, weights, k=chance.choice([3, 30]))
        made.append(IndexEntry(f"c{place:05}", [], found, vector / np.linalg.norm(vector)))
    return made


class Shelf:
    """Chunks of which most are stored, in two segments; one document was deleted, and the last are newer than the segments."""

    def __init__(self) -> None:
        every = entries(1500)
        cuts = (every[:800], every[800:1400])
        self.blocks, heads, live = list[PostingBlock](), {}, dict[str, int]()
        for number, part in enumerate(cuts):
            revisions = [Revision(f"d{number}-{start}", 1, EACH) for start in range(0, len(part), EACH)]
            live |= {each.document_id: 1 for each in revisions}
            head, _, blocks = encode_segment(Index(0).changed(part), revisions)
            heads[str(number)] = decode_head(head)
            self.blocks += [PostingBlock(str(number), data) for _, data in blocks]
        del live["d0-0"]
        chunks = StoredChunks(heads)
        alive, documents = chunks.alive(live)
        assert documents == set(live)
        newer = Index(DIMENSIONS).changed(every[1400:])
        self.disk = DiskIndex(chunks, alive, newer.parts)
        self.disk.speller = Speller(WORDS)
        self.memory = Index(DIMENSIONS).changed(every[EACH:])
        self.vectors = {each.id: each.vector for each in every[EACH:1400]}

    def hits(self, question: str, vector: np.ndarray | None, most: int, top_k: int) -> tuple[list[Hit], bool]:
        words = terms(question, "en")
        postings = self.disk.stored.postings(self.blocks, [*words, *WORDS])
        ranking = DiskRanking(self.disk, self.disk.with_postings(postings), "en", words)
        cosines = {} if vector is None else {id: float(row @ vector) for id, row in self.vectors.items()}
        near = sorted(cosines, key=lambda id: -cosines[id])[:most]
        ranking.choose(near, most)
        return ranking.hits(cosines, vector, HALF, top_k, [cosines[id] for id in near], most)


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf()


def shown(hits: Sequence[Hit]) -> list[tuple[str, float, float, int | None, float]]:
    return [
        (hit.id, round(hit.score, 4), round(hit.fused, 4), hit.keyword_rank, round(hit.keyword_score, 3))
        for hit in hits
    ]


@pytest.mark.parametrize(
    "question", ["roofa", "roofa tileb", "stormj ladderf leakc", "roofa roofb roofc roofd", "laderj roofa roofa", "x"]
)
def test_what_is_certain_is_what_memory_finds(shelf: Shelf, question: str) -> None:
    for turn in range(6):
        vector = np.random.default_rng(turn).standard_normal(DIMENSIONS).astype(np.float32)
        vector /= np.linalg.norm(vector)
        exact = shown(shelf.memory.search(question, vector, lambda _: HALF, 10))
        for most in (20, 100, 2000):
            found, certain = shelf.hits(question, vector, most, 10)
            assert shown(found) == exact or not certain, most
        assert certain, "all of them were candidates"


def test_without_vectors_keywords_decide(shelf: Shelf) -> None:
    for question in ("roofa", "tilea leakj", "laderj"):
        found, certain = shelf.hits(question, None, 100, 10)
        assert (shown(found), certain) == (shown(shelf.memory.search(question, top_k=10)), True)


def test_few_blocks_hold_the_words_of_a_question() -> None:
    assert len(names(["roof", "tile"])) <= 4
    assert set(names(["roof"])) <= set(names(["roof", "tile"]))


def test_a_graph_that_is_queued_during_a_job_stays_for_the_next() -> None:
    awaited = Graph("new", "knowledge_graph_1", ready=False, adopted=False)
    assert not no_longer_awaited(awaited, None)
    assert no_longer_awaited(awaited, "new")
    assert no_longer_awaited(Graph("old", "knowledge_graph_2", ready=True, adopted=True), None)
