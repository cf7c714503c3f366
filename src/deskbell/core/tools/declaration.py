"""How a slice declares that a model may use one of its operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple


class Tool(NamedTuple):
    """An operation as a model sees it: a name, a description that says when to use it, and hints for clients that ask people for approval.

    `arguments` are the parts of the operation's input that are offered, the ids of its path included, each with a short description
    of its meaning, form or default. `defaults` replace the operation's, and so does `handler`, which has the same signature.
    `destructive` tools overwrite data, `idempotent` ones may be repeated, `open_world` ones reach people outside or return their words.
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
