"""Embedders turn texts into vectors: the offline default, and any OpenAI-compatible endpoint."""

from __future__ import annotations

import logging

from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.embedders.minilm import HOW, MiniLM, model_folder
from deskbell.knowledge.embedders.openai import OpenAIEmbedder

log = logging.getLogger(__name__)


def configured(
    kind: str, base_url: str, api_key: str, model: str, dimensions: int, price: float = 0.0
) -> Embedder | None:
    """The embedder that the settings name; None for keyword search only."""
    if kind == "openai":
        if not base_url or not model or not dimensions:
            raise ValueError(
                "DESKBELL_EMBEDDER=openai needs DESKBELL_EMBEDDER_BASE_URL, DESKBELL_EMBEDDER_MODEL and DESKBELL_EMBEDDER_DIMENSIONS"
            )
        return OpenAIEmbedder(base_url, api_key, model, dimensions, price=price)
    if kind == "minilm":
        if model_folder() is not None:
            return MiniLM()
        log.warning("searching by keywords only, as the offline embedder is not installed. %s", HOW)
    return None


def embedder_named(name: str) -> Embedder | None:
    """The embedder of this name, whose vectors a knowledge base still has; None if it cannot embed questions any more."""
    return MiniLM() if name == MiniLM.name and model_folder() is not None else None
