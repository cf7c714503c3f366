"""The interface of embedders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from deskbell.knowledge.scores import Calibration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]


class EmbedderUnavailable(Exception):
    """The embedder does not work at present, or is not installed. The message says what to do."""


class EmbeddingUsage:
    """What an embedder's provider has charged, in US dollars; calls add to it."""

    def __init__(self) -> None:
        self.cost = 0.0


class Embedder(Protocol):
    """Makes vectors whose dot product says how alike two texts are. Only vectors of embedders of the same name can be compared."""

    @property
    def name(self) -> str:
        """Stands for the model and its vector space; stored with each vector."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def measured(self) -> bool:
        """Whether its calibration was measured; if not, one is fitted to each knowledge base's headings."""
        ...

    async def embed(self, texts: Sequence[str], usage: EmbeddingUsage | None = None) -> Matrix:
        """One row of length 1 per text, float32. Raises `EmbedderUnavailable`. The cost is added to `usage`."""
        ...

    def calibration(self, language: str) -> Calibration:
        """How scores with its cosines are weighed and read, for a query in a language."""
        ...
