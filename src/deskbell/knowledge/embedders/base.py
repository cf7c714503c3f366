"""What an embedder is to the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from deskbell.knowledge.retrieval.score_calibration import Calibration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]


class EmbedderUnavailable(Exception):
    """The embedder cannot work now, or is not installed. The message tells a person what to do."""


class EmbeddingUsage:
    """What an embedder's provider has charged, in US dollars."""

    def __init__(self) -> None:
        self.cost = 0.0


class Embedder(Protocol):
    """Makes vectors whose dot product says how alike two texts are. One name, one space: vectors of another name do not compare."""

    @property
    def name(self) -> str:
        """Of model and space; stored with each vector."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def measured(self) -> bool:
        """Whether its calibration is known; else each knowledge base's is fitted to its headings."""
        ...

    async def embed(self, texts: Sequence[str], spent: EmbeddingUsage | None = None) -> Matrix:
        """One row of length 1 per text, float32. Raises `Unavailable`. What it costs is added to `spent`."""
        ...

    def calibration(self, language: str) -> Calibration:
        """How its cosines are weighed and read, for a query in a language."""
        ...
