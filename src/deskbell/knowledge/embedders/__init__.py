"""What turns texts into vectors: the offline default, and any OpenAI-compatible endpoint."""

from __future__ import annotations

import logging

from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.embedders.minilm import HOW, MiniLM, place
from deskbell.knowledge.embedders.openai import OpenAIEmbedder

log = logging.getLogger(__name__)


def chosen(kind: str, base_url: str, api_key: str, model: str, dimensions: int, price: float = 0.0) -> Embedder | None:
    """The embedder that an installation has decided on; None where search goes by keywords alone."""
    if kind == "openai":
        if not base_url or not model or not dimensions:
            raise ValueError(
                "DESKBELL_EMBEDDER=openai needs DESKBELL_EMBEDDER_BASE_URL, DESKBELL_EMBEDDER_MODEL and DESKBELL_EMBEDDER_DIMENSIONS"
            )
        return OpenAIEmbedder(base_url, api_key, model, dimensions, price=price)
    if kind == "minilm":
        if place() is not None:
            return MiniLM()
        log.warning("searching by keywords alone, as the offline embedder is not installed. %s", HOW)
    return None


def former(name: str) -> Embedder | None:
    """The embedder whose vectors a knowledge base still has, if questions can be compared with them."""
    return MiniLM() if name == MiniLM.name and place() is not None else None
