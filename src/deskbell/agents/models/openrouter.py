"""What OpenRouter wants beyond plain Chat Completions. Its replies need nothing: costs and reasoning are read of every endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from deskbell.agents.models.base import ModelUnavailable

HOSTS = ("openrouter.ai",)


def is_openrouter(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return any(f".{host}".endswith(f".{each}") for each in HOSTS)


def extras(model: str, providers: Sequence[str]) -> dict[str, Any]:
    """The fields that a request to OpenRouter has too: it says what a reply costs only when asked to.

    `providers` are the only ones that may answer, in their order; without any OpenRouter chooses. Raises ModelUnavailable for a name
    that no model there can have.
    """
    if "/" not in model:
        raise ModelUnavailable(f"{model!r} is no model of OpenRouter: their names are author/model")
    choice = {"provider": {"order": list(providers), "allow_fallbacks": False}} if providers else {}
    return {"usage": {"include": True}, **choice}
