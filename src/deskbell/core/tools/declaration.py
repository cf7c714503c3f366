"""How a slice declares that a model may use one of its operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple


class Tool(NamedTuple):
    """An operation as a model sees it: a name, text that says when to use it, and hints for clients that ask people for approval.

    `arguments` are the parts of the operation's input that are offered, the ids of its path included, each with a few words on
    its meaning, form or default. `defaults` are the tool's own. `handler` replaces the operation's, with the same signature.
    `destructive` overwrites data, `idempotent` may be repeated, `open_world` reaches people outside or carries their words.
    """

    name: str
    title: str
    description: str
    arguments: Mapping[str, str] = {}
    defaults: Mapping[str, Any] = {}
    handler: Callable[..., Coroutine[Any, Any, Any]] | None = None
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
