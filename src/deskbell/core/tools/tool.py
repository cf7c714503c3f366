"""An operation as a tool for models. An MCP server and our own agents call it in the same way."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from deskbell.core.context import Channel
from deskbell.core.operation import Operation
from deskbell.core.principal import Principal
from deskbell.core.tools.arguments import as_object, required_id
from deskbell.core.tools.definition import ToolDefinition, definition_of
from deskbell.core.tools.outcome import Outcome, compact_record, failure, list_result, permission_denied
from deskbell.errors import Problem
from deskbell.foundation import json
from deskbell.foundation.db import Database, DatabaseFailure
from deskbell.foundation.json import integer
from deskbell.foundation.pagination import Page

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


class CallableTool(Protocol):
    """A tool, local or remote."""

    definition: ToolDefinition

    async def call(
        self, database: Database, principal: Principal, channel: Channel, arguments: Any, request_id: str | None = None
    ) -> Outcome: ...


class OperationTool:
    """A tool that runs an operation of this process."""

    def __init__(self, operation: Operation, described_by: str) -> None:
        """`described_by` is the tool whose definition lists the fields of the same record."""
        assert operation.tool is not None
        tool = self.tool = operation.tool
        route = f"{operation.method} {operation.path}"
        self.operation = (
            Operation(operation.name, tool.handler, route, scope=operation.scope) if tool.handler else operation
        )
        self.name = tool.name
        self.ids = operation.path_parameters
        self.fields = [name for name in tool.arguments if name not in self.ids]
        self.definition = definition_of(operation, described_by)
        self.compact = compact_record(operation.record)
        properties = self.definition.input_schema["properties"]
        self.integers = {name for name in self.fields if properties[name]["type"] == "integer"}

    async def call(
        self, database: Database, principal: Principal, channel: Channel, arguments: Any, request_id: str | None = None
    ) -> Outcome:
        """Runs the operation as every surface does. An error becomes a text with advice for the model."""
        try:
            self.operation.authorize(principal)
        except Problem:
            return permission_denied(self.operation.scope)
        try:
            validated = self.validate(arguments)
            response = await self.operation.run(
                database, principal, channel, validated, self.render, request_id=request_id
            )
        except Problem as problem:
            return failure(self.name, problem)
        except DatabaseFailure as error:
            log.error("%s: %s", self.name, error)
            return failure(self.name, Problem("query_failed" if self.operation.is_read else "create_failed"))
        except Exception:
            log.exception("tool %s failed", self.name)
            return failure(self.name, Problem("internal_error"))
        return Outcome(response.body)

    def validate(self, arguments: Any) -> list[Any]:
        """The handler's arguments. As on every surface, unknown arguments are ignored."""
        given = as_object(arguments)
        ids = [required_id(name, given) for name in self.ids]
        kind = self.operation.input
        if kind is None:
            return ids
        values = self.values(given)
        if self.operation.partial and not values:
            raise Problem("validation_error", f"Nothing to change: give at least one of {', '.join(self.fields)}")
        return [*ids, json.converted(values, kind)]

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments besides ids, and the tool's own defaults. A null filter is treated as absent."""
        values = dict(self.tool.defaults)
        for name in self.fields:
            if name in given and not (given[name] is None and self.operation.is_read):
                values[name] = self.value(name, given[name])
        return values

    def value(self, name: str, value: Any) -> Any:
        """Models sometimes write numbers as text; in a query string they are text anyway."""
        return integer(name, value) if name in self.integers and isinstance(value, str) else value

    def render(self, result: Any) -> bytes:
        """The whole result as compact JSON without nulls. A list says how many more there are."""
        if not isinstance(result, Page):
            return _encode(self.compact(result))
        return _encode(list_result([self.compact(row) for row in result.rows], result.meta.total))


def tools_of(operations: Sequence[Operation]) -> dict[str, OperationTool]:
    """The tools that the operations declare, by name, in their order.

    Each record's fields are described once: by the tool that reads one such record, if there is one.
    """
    declaring = [operation for operation in operations if operation.tool]
    by_preference = sorted(declaring, key=lambda operation: (operation.is_read, not operation.lists))
    described_by = {operation.record: operation.tool.name for operation in by_preference if operation.tool}
    tools = [OperationTool(operation, described_by[operation.record]) for operation in declaring]
    return {tool.name: tool for tool in tools}
