"""What an operation refuses must be in the reference: servers of this process note every error that its operation does not declare."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache, wraps
from typing import Any

from deskbell.core.api import AGENT
from deskbell.core.operation import Operation
from deskbell.errors import Problem
from deskbell.surfaces.docs import openapi, openapi_agents

#: "leads.create answers `duplicate` (409) and does not declare it", of the test that runs.
UNDECLARED: list[str] = []


@cache
def declared(operation: Operation) -> dict[int, list[str]]:
    """The codes that the reference names for an operation, by status."""
    api = openapi_agents if operation.api is AGENT else openapi
    return api.errors(operation)


def note(operation: Operation, problem: Problem) -> None:
    if problem.code not in declared(operation).get(problem.status, []):
        UNDECLARED.append(f"{operation.name} answers `{problem.code}` ({problem.status}) and does not declare it")


def watch() -> None:
    """From now on, every way through an operation is looked at."""
    for name in ("run", "run_external"):
        setattr(Operation, name, watched(getattr(Operation, name)))


def watched(act: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(act)
    async def acting(self: Operation, *arguments: Any, **options: Any) -> Any:
        try:
            response = await act(self, *arguments, **options)
        except Problem as problem:
            note(self, problem)
            raise
        if response.events:
            response.events.events = watched_events(self, response.events.events)
        return response

    return acting


async def watched_events(operation: Operation, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for event in events:
            yield event
    except Problem as problem:
        note(operation, problem)
        raise
