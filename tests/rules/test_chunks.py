"""Documents in passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell.knowledge.extraction.chunks import SIZE, SMALL, Chunk, split_into_chunks
from deskbell.knowledge.extraction.document import Block, ParsedDocument


def chunks(*blocks: Block) -> list[Chunk]:
    return split_into_chunks(ParsedDocument("Guide", list(blocks)))


def test_a_passage_ends_where_a_section_does_and_knows_its_path_and_page() -> None:
    found = chunks(
        Block("Roofs", 1, 1), Block("We repair roofs.", page=1), Block("Prices", 2, 2), Block("From $400.", page=2)
    )
    assert [(each.text, each.headings, each.page, each.position) for each in found] == [
        ("We repair roofs.", ["Roofs"], 1, 0),
        ("From $400.", ["Roofs", "Prices"], 2, 1),
    ]
    assert found[1].heading_line("Guide") == "Guide > Roofs > Prices"
    assert found[1].embedding_text(None) == "Roofs > Prices\nFrom $400."
    assert found[1].heading_line("Roofs") == "Roofs > Prices", "a title that is the first heading is said once"


def test_a_heading_without_a_text_is_not_lost() -> None:
    assert [each.text for each in chunks(Block("Closed on Sundays", 2), Block("Contact", 2), Block("Call us."))] == [
        "Closed on Sundays",
        "Call us.",
    ]
    assert [each.text for each in chunks(Block("A", 1), Block("B", 2))] == ["B"]


def test_paragraphs_are_put_together_and_long_ones_cut_between_sentences() -> None:
    sentence = "The storm took the tiles off. "
    (whole,) = chunks(Block("One."), Block("Two."))
    assert whole.text == "One.\nTwo."
    parts = chunks(Block(sentence * 100))
    assert all(each.text.endswith("off.") and SIZE / 2 < len(each.text) <= SIZE + SMALL for each in parts)
    assert " ".join(each.text for each in parts).split() == (sentence * 100).split()


blocks = st.builds(Block, st.text(max_size=3_000), st.integers(0, 6), st.none() | st.integers(1, 9))


@given(st.lists(blocks, max_size=12))
def test_no_document_breaks_it_and_no_word_is_lost(given: list[Block]) -> None:
    found = chunks(*given)
    assert [each.position for each in found] == list(range(len(found)))
    assert all(each.text.strip() and len(each.text) <= SIZE + SMALL + 10 for each in found)
    kept = {sign for each in found for part in (each.text, *each.headings) for sign in part}
    assert {sign for block in given for sign in block.text if not sign.isspace()} <= kept | set("\x1c\x1d\x1e\x1f")


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Price sheet", "Price sheet > Roofs\n"),
        ("价格", "价格 > Roofs\n"),
        ("2026-11 (3)", "Roofs\n"),
        ("t0a1", "Roofs\n"),
    ],
)
def test_a_title_without_a_word_is_searched_but_not_embedded(title: str, read: str) -> None:
    chunk = Chunk("A roof costs 400 dollars.", ["Roofs"], None, 0)
    assert chunk.embedding_text(title) == f"{read}A roof costs 400 dollars."
    assert chunk.heading_line(title) == f"{title} > Roofs"
