"""The index of a knowledge base in memory."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskbell.knowledge.index.memory import Hit, Index, IndexEntry
from deskbell.knowledge.index.ranking import MAX_CORRECTED
from deskbell.knowledge.retrieval.score_calibration import MIN_HEADINGS, fit_logistic, fit_to_headings
from deskbell.knowledge.scores import THRESHOLD, Calibration
from deskbell.knowledge.text.analysis import terms
from deskbell.knowledge.text.spelling import Speller, edits

HALF = Calibration(0.5, 37.0, 10.6)
WORDS = ["roof", "gutter", "price", "warranty", "storm", "tile", "leak", "invoice", "ladder", "copper"]


def entry(id: str, text: str, title: str = "", vector: list[float] | None = None) -> IndexEntry:
    row = None if vector is None else np.array(vector, np.float32)
    return IndexEntry(id, terms(title, "en"), terms(text, "en"), row)


def found(index: Index, question: str, top_k: int = 10) -> list[str]:
    return [hit.id for hit in index.search(question, top_k=top_k)]


def test_the_passage_with_the_rarer_words_comes_first() -> None:
    index = Index(0).changed([entry("a", "the roof leaks"), entry("b", "roof and gutter"), entry("c", "a price list")])
    assert found(index, "who repairs a gutter on my roof?") == ["b", "a"]
    assert found(index, "") == found(index, "the") == found(Index(0), "roof") == []


def test_a_word_of_the_title_counts_more() -> None:
    texts = [entry("a", "a roof, a storm and a ladder"), entry("b", "storm, ladder, and so on", title="Roof")]
    assert found(Index(0).changed(texts), "roof") == ["b", "a"]


def test_equal_passages_come_by_id_whatever_the_order_of_work() -> None:
    entries = [entry(f"{place:02}", "a roof of tiles", vector=[0.6, 0.8]) for place in range(40)]
    random.Random(1).shuffle(entries)
    whole, pieces = Index(2).changed(entries), Index(2)
    for each in entries:
        pieces = pieces.changed([each])
    vector = np.array([1, 0], np.float32)
    for index in (whole, pieces):
        assert [hit.id for hit in index.search("roof", vector, lambda _: HALF, 5)] == ["00", "01", "02", "03", "04"]


def test_many_unknown_words_are_not_all_compared_with_every_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    near = Speller.near
    monkeypatch.setattr(Speller, "near", lambda speller, word: compared.append(word) or near(speller, word))
    index = Index(0).changed([entry("a", "our warranty"), entry("b", "a copper roof")])
    assert found(
        index, "waranty " + " ".join(f"unknwon{'abcdefghij'[n % 10]}{'klmnopqrst'[n // 10]}" for n in range(99))
    ) == ["a"]
    assert len(compared) == MAX_CORRECTED


def test_a_misspelt_word_finds_what_was_meant_but_a_part_number_finds_itself_alone() -> None:
    index = Index(0).changed([entry("a", "our warranty"), entry("b", "filter XR-500"), entry("c", "filter XR-501")])
    assert found(index, "waranty") == found(index, "warrnaty") == ["a"]
    assert found(index, "xr500")[0] == "b"
    assert found(index, "xr502") == []
    (exact,), (meant,) = index.search("warranty"), index.search("waranty")
    assert exact.score > meant.score, "a correction is less certain"


def test_meaning_and_words_are_fused_and_both_are_told() -> None:
    rows = [entry("a", "we stand by our work", vector=[1, 0]), entry("b", "guarantee of a roof", vector=[0, 1])]
    index = Index(2).changed([*rows, entry("c", "guarantee, not embedded yet")])
    hits = {hit.id: hit for hit in index.search("guarantee work", np.array([1, 0], np.float32), lambda _: HALF)}
    assert (hits["a"].semantic_rank, hits["a"].semantic_score) == (1, 1.0)
    assert hits["b"].semantic_rank == 2
    assert hits["b"].keyword_rank is not None
    assert (hits["c"].semantic_rank, hits["c"].semantic_score) == (None, None)
    assert hits["a"].score > THRESHOLD > hits["b"].score


def test_a_passage_with_every_word_is_about_the_question() -> None:
    rows = [entry(str(place), f"{word} and nothing more", vector=[0, 1]) for place, word in enumerate(WORDS)]
    index = Index(2).changed([*rows, entry("part", "spare part BX-77/2", vector=[0, 1])])
    (first, second) = index.search("bx772", np.array([1, 0], np.float32), lambda _: HALF, top_k=2)
    assert first.id == "part"
    assert first.score > THRESHOLD > second.score


texts = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
changes = st.lists(st.tuples(st.integers(0, 12), st.one_of(st.none(), texts)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(changes, texts)
def test_an_index_that_was_changed_often_is_the_one_that_is_built_at_once(
    steps: list[tuple[int, str | None]], question: str
) -> None:
    index, kept = Index(0), dict[str, str]()
    for number, text in steps:
        id = f"{number:02}"
        if text is None:
            kept.pop(id, None)
            index = index.changed(removed=[id])
        else:
            kept[id] = text
            index = index.changed([entry(id, text)])
    fresh = Index(0).changed([entry(id, text) for id, text in kept.items()])
    assert len(index) == len(fresh) == len(kept)
    assert rounded(index.search(question, top_k=5)) == rounded(fresh.search(question, top_k=5))


def rounded(hits: list[Hit]) -> list[tuple[str, float, int | None]]:
    return [(hit.id, round(hit.score, 3), hit.keyword_rank) for hit in hits]


def test_what_was_removed_is_found_no_more_and_old_indexes_stay() -> None:
    before = Index(0).changed([entry(str(place), f"roof {word}") for place, word in enumerate(WORDS)])
    after = before.changed([entry("1", "a new text")], removed=["0", "unknown"])
    assert "0" in found(before, "roof")
    assert {"0", "1"}.isdisjoint(found(after, "roof"))
    assert found(after, "new text") == ["1"]
    assert after.size > 0


def test_a_question_is_read_in_a_language_that_the_knowledge_base_speaks() -> None:
    german = IndexEntry("d", [], terms("Reparaturen von Dächern", "de"), language="de")
    assert found(Index(0).changed([german]), "Reparatur Dach") == ["d"]
    both = Index(0).changed([german, entry("e", "the repairs of roofs")])
    assert found(both, "Wer repariert das Dach und die Dächer?") == ["d"]
    assert found(both, "who repairs a roof?") == ["e"]


@pytest.mark.parametrize(
    ("one", "other", "number"), [("roof", "roof", 0), ("rof", "roof", 1), ("orof", "roof", 1), ("roof", "tile", 3)]
)
def test_edits_are_counted_up_to_a_limit(one: str, other: str, number: int) -> None:
    assert edits(one, other, 2) == min(number, 3)


def test_a_curve_is_fitted_to_own_and_foreign_questions() -> None:
    curve = fit_logistic(0.5, [0.4, 0.5, 0.6, 0.7], [0.1, 0.2, 0.25])
    assert curve.probability(0.5) > 0.9 > THRESHOLD > 0.1 > curve.probability(0.15)
    assert 0 <= curve.probability(-1e9) < curve.probability(1e9) <= 1


@pytest.mark.parametrize(("start", "stretch"), [(0.0, 1.0), (0.7, 0.3), (-0.5, 2.0)])
def test_a_curve_between_headings_and_foreign_questions_fits_any_range_of_scores(start: float, stretch: float) -> None:
    headings = [start + stretch * score for score in (0.7, 0.75, 0.8, 0.85, 0.9)]
    foreign = [start + stretch * score for score in (0.08, 0.1, 0.12, 0.15, 0.2)]
    curve = fit_to_headings(0.5, headings, foreign)
    assert curve is not None
    assert curve.probability(start + stretch * 0.4) > THRESHOLD > curve.probability(start + stretch * 0.15)


def test_headings_that_tell_nothing_give_no_curve() -> None:
    foreign = [0.1, 0.2, 0.3]
    assert fit_to_headings(0.5, [0.9] * (MIN_HEADINGS - 1), foreign) is None
    assert fit_to_headings(0.5, [0.2] * MIN_HEADINGS, foreign) is None
    assert fit_to_headings(0.5, [0.9] * MIN_HEADINGS, []) is None
