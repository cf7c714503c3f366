"""The offline embedder. It comes with `scripts/install`; without it these tests are skipped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from deskbell.knowledge.embedders import minilm
from deskbell.knowledge.embedders.base import EmbedderUnavailable
from deskbell.knowledge.embedders.minilm import BATCH, MiniLM, batched

needs_model = pytest.mark.skipif(
    minilm.model_folder() is None, reason=f"the offline embedder is not installed. {minilm.HOW}"
)


@needs_model
def test_like_meanings_are_near_and_others_are_not() -> None:
    roof, paraphrase, other = MiniLM().embed_blocking(
        ["How long is the warranty?", "guarantee period", "a recipe for soup"]
    )
    assert roof @ paraphrase > 0.4 > 0.2 > roof @ other


@needs_model
def test_a_vector_does_not_depend_on_the_texts_beside_it() -> None:
    texts = ["roof", "", "ein Dach " * 500, "字\u0000\ud800".encode("utf-8", "ignore").decode(), "🏠" * 40, "roof"]
    together = asyncio.run(MiniLM(2).embed(texts))
    alone = np.concatenate([MiniLM(1).embed_blocking([text]) for text in texts])
    assert together.shape == (len(texts), MiniLM.dimensions)
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert MiniLM().embed_blocking([]).shape == (0, MiniLM.dimensions)


@needs_model
def test_the_vectors_are_those_of_the_model() -> None:
    """First numbers of the vector that its authors' own library gives."""
    (vector,) = MiniLM().embed_blocking(["How long is the warranty?"])
    assert np.allclose(vector[:6], KNOWN, atol=2e-4)


def test_another_file_of_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(EmbedderUnavailable, match="SHA-256"):
        minilm.verify(tmp_path)


def test_texts_of_like_length_share_a_batch_of_bounded_size() -> None:
    lengths = [256, 3, 4, 255, 5] * 20
    batches = batched(lengths)
    assert sorted(place for batch in batches for place in batch) == list(range(100))
    assert all(len(batch) * max(lengths[place] for place in batch) <= BATCH for batch in batches)


KNOWN = [-0.0852, 0.0559, 0.0567, 0.0474, -0.0359, -0.012]
