"""The tools: operations as AI clients see and call them. Definitions, arguments, results and errors, without any SDK."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from deskbell.core.operation import Operation, Principal
from deskbell.errors import Problem, invalid
from deskbell.foundation import json
from deskbell.foundation.db import Database, DatabaseFailure
from deskbell.foundation.ids import canonical
from deskbell.foundation.json import integer
from deskbell.foundation.pagination import Page
from deskbell.surfaces.docs import schemas

log = logging.getLogger(__name__)

Schema = dict[str, Any]
_encode = msgspec.json.Encoder().encode

#: What an input schema may say of an argument; more words mean more tokens, and some clients refuse others.
KEPT = ("type", "enum", "minimum", "maximum", "minLength", "maxLength", "default")

#: What a model should do about an error, and whether to try again.
ADVICE = {
    "validation_error": "Correct the arguments, then call again.",
    "not_found": "Look the id up with a list tool; the same id will fail again.",
    "lead_not_found": "Find the lead's id with list_leads; the same id will fail again.",
    "duplicate": "Find that lead with list_leads and change it with update_lead; do not retry.",
    "compliance_blocked": "Nothing was sent. Do not retry; only the person can opt in again, by texting START.",
    "query_failed": "Call again in a few seconds.",
    "create_failed": "Nothing was saved. Call again in a few seconds.",
    "internal_error": "Nothing was saved. Call again once; if it fails again, tell the person that you work for.",
}


class Outcome(NamedTuple):
    """What became of a call: compact JSON, or the words of an error."""

    text: bytes
    failed: bool = False


class AnyTool(Protocol):
    """What a kernel needs of a tool, wherever that runs."""

    definition: Schema

    async def call(self, database: Database, caller: Principal, arguments: Any) -> Outcome: ...


class OfferedTool:
    """One tool, made once from its operation: its definition, and the way from arguments to an outcome."""

    def __init__(self, operation: Operation, shown_by: str) -> None:
        assert operation.tool is not None
        tool = self.tool = operation.tool
        route = f"{operation.method} {operation.path}"
        self.operation = (
            Operation(operation.name, tool.handler, route, scope=operation.scope) if tool.handler else operation
        )
        self.name = tool.name
        self.ids = operation.path_parameters
        self.fields = [name for name in tool.arguments if name not in self.ids]
        self.definition = definition(operation, shown_by)
        self.rows = nulls_left_out(operation.record)
        properties: Schema = self.definition["inputSchema"]["properties"]
        self.integers = {name for name in self.fields if properties[name]["type"] == "integer"}

    async def call(self, database: Database, caller: Principal, arguments: Any) -> Outcome:
        """Runs the operation by the path of every surface. Whatever is wrong is told in words for a model."""
        try:
            self.operation.authorize(caller)
        except Problem:
            return self.denied()
        try:
            taken = self.taken(arguments)
            answer = await self.operation.run(database, caller, "mcp", taken, self.render)
        except Problem as problem:
            return self.failure(problem)
        except DatabaseFailure as failure:
            log.error("%s: %s", self.name, failure)
            return self.failure(Problem("query_failed" if self.operation.is_read else "create_failed"))
        except Exception:
            log.exception("tool %s failed", self.name)
            return self.failure(Problem("internal_error"))
        return Outcome(answer.body)

    def denied(self) -> Outcome:
        """The documented text, and nothing else."""
        text = f"Permission denied: API key missing scope '{self.operation.scope}'"
        return Outcome(text.encode(), failed=True)

    def failure(self, problem: Problem) -> Outcome:
        message = problem.message.rstrip(".")
        return Outcome(f"{self.name} failed ({problem.code}): {message}. {ADVICE[problem.code]}".encode(), failed=True)

    def taken(self, arguments: Any) -> list[Any]:
        """The handler's arguments, validated. As on every surface, unknown ones are ignored."""
        given = as_object(arguments)
        ids = [given_id(name, given) for name in self.ids]
        kind = self.operation.input
        if kind is None:
            return ids
        values = self.values(given)
        if self.operation.partial and not values:
            raise Problem("validation_error", f"Nothing to change: give at least one of {', '.join(self.fields)}")
        return [*ids, json.converted(values, kind)]

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is given besides ids, and the tool's own defaults. To leave a filter out and to say null are the same."""
        values = dict(self.tool.defaults)
        for name in self.fields:
            if name in given and not (given[name] is None and self.operation.is_read):
                values[name] = self.value(name, given[name])
        return values

    def value(self, name: str, value: Any) -> Any:
        """Models write numbers as text at times; in a query they are text anyway."""
        return integer(name, value) if name in self.integers and isinstance(value, str) else value

    def render(self, result: Any) -> bytes:
        """The whole result as compact JSON, nulls left out. A list says how much of it there is."""
        if not isinstance(result, Page):
            return _encode(self.rows(result))
        return _encode(listed([self.rows(row) for row in result.rows], result.meta.total))


def listed(items: Sequence[Any], total: int) -> dict[str, Any]:
    """A list as its tool answers it, with a word to the model when it is not the whole."""
    answer: dict[str, Any] = {"items": items, "total": total}
    if more := total - len(items):
        answer["note"] = f"{more} more not shown: use a narrower filter, or a larger limit (at most 100)."
    return answer


def as_object(arguments: Any) -> Mapping[str, Any]:
    """Arguments as an object; missing ones are none, and some clients send the object as text."""
    if arguments is None or arguments is msgspec.UNSET:
        return {}
    try:
        if isinstance(arguments, str):
            arguments = json.parse(arguments.encode())
        json.inspect(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise Problem("validation_error", f"The arguments are not acceptable JSON: {json.plain(error)}") from None
    if not isinstance(arguments, dict):
        raise Problem("validation_error", "The arguments must be an object")
    return arguments


def given_id(name: str, given: Mapping[str, Any]) -> str:
    """An id that stands in a path elsewhere: what is no UUID is one that no record has."""
    if name not in given:
        raise invalid(name, "is required")
    if not isinstance(given[name], str):
        raise invalid(name, "must be a string")
    return canonical(given[name])


def nulls_left_out(kind: Any) -> Any:
    names: tuple[str, ...] = kind.__struct_fields__

    def compact(record: Any) -> dict[str, Any]:
        values = zip(names, msgspec.structs.astuple(record), strict=True)
        return {name: value for name, value in values if value is not None}

    return compact


def offered(operations: Sequence[Operation]) -> dict[str, OfferedTool]:
    """Every tool by its name, in the order of the operations. A record's fields are told once, by the tool that reads it best."""
    those = [operation for operation in operations if operation.tool]
    by_reading = sorted(those, key=lambda operation: (operation.is_read, not operation.lists))
    shown_by = {operation.record: operation.tool.name for operation in by_reading if operation.tool}
    tools = [OfferedTool(operation, shown_by[operation.record]) for operation in those]
    return {tool.name: tool for tool in tools}


def definition(operation: Operation, shown_by: str) -> Schema:
    """A tool as `tools/list` shows it: flat schemas without references or unions, which not every client can read."""
    tool = operation.tool
    assert tool is not None
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": input_schema(operation),
        "outputSchema": output_schema(operation, shown_by),
        "annotations": {
            "readOnlyHint": operation.is_read,
            "destructiveHint": tool.destructive,
            "idempotentHint": operation.is_read or tool.idempotent,
            "openWorldHint": tool.open_world,
        },
    }


def input_schema(operation: Operation) -> Schema:
    tool = operation.tool
    assert tool is not None
    known: Schema = schemas.of(operation.input) if operation.input else {"properties": {}}
    properties: Schema = {}
    for name, words in tool.arguments.items():
        member: Schema = known["properties"].get(name, {"type": "string"})
        kept = {key: member[key] for key in KEPT if member.get(key) is not None}
        kept["type"] = plain_type(member)
        if "enum" in kept:
            kept["enum"] = [choice for choice in kept["enum"] if choice is not None]
        if name in tool.defaults:
            kept["default"] = tool.defaults[name]
        properties[name] = kept | {"description": words}
    required = [*operation.path_parameters, *(name for name in known.get("required", []) if name in properties)]
    schema: Schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})


def output_schema(operation: Operation, shown_by: str) -> Schema:
    assert operation.tool is not None
    if shown_by == operation.tool.name:
        record = record_schema(operation.record)
    else:
        words = f"As {shown_by} returns it"
        record = {"type": "object", "description": words, "properties": {"id": {"type": "string"}}}
    if not operation.lists:
        return record
    items = {"type": "array", "items": record}
    shown = {"items": items, "total": {"type": "integer"}, "note": {"type": "string"}}
    return {"type": "object", "properties": shown, "required": ["items", "total"]}


def record_schema(kind: Any) -> Schema:
    """A record without its nulls: what can be null need not be there."""
    known = schemas.of(kind)["properties"]
    names = [name for name in kind.__struct_fields__ if name != "organization_id"]  # which says nothing to a model
    properties = {name: {"type": plain_type(known[name])} for name in names}
    return {"type": "object", "properties": properties, "required": ["id"]}


def plain_type(member: Schema) -> str:
    """The one type of a field that is not null."""
    types = member["type"] if isinstance(member["type"], list) else [member["type"]]
    return str(next(kind for kind in types if kind != "null"))


def listing(operations: Sequence[Operation]) -> str:
    """Every definition, for people and for a look at what has changed."""
    made = _encode([tool.definition for tool in offered(operations).values()])
    return msgspec.json.format(made, indent=2).decode() + "\n"
