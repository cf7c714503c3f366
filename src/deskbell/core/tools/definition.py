"""What a model is told about a tool: its declaration, and schemas made from the operation's types."""

from __future__ import annotations

from typing import Any, NamedTuple

from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema, struct_schema

#: What an input schema keeps of an argument's schema. More costs tokens, and some clients refuse other keywords.
KEYWORDS = ("type", "enum", "minimum", "maximum", "minLength", "maxLength", "default")


class ToolDefinition(NamedTuple):
    """A tool's name, text, schemas and hints. The schemas are flat: no references or unions, which not every client can read."""

    name: str
    title: str
    description: str
    input_schema: Schema
    output_schema: Schema
    is_read: bool
    destructive: bool
    idempotent: bool
    open_world: bool


def definition_of(operation: Operation, described_by: str) -> ToolDefinition:
    """The definition of an operation's tool. `described_by` is the tool whose output schema lists the record's fields."""
    tool = operation.tool
    assert tool is not None
    return ToolDefinition(
        tool.name,
        tool.title,
        tool.description,
        input_schema(operation),
        output_schema(operation, described_by),
        operation.is_read,
        tool.destructive,
        operation.is_read or tool.idempotent,
        tool.open_world,
    )


def input_schema(operation: Operation) -> Schema:
    tool = operation.tool
    assert tool is not None
    known: Schema = struct_schema(operation.input) if operation.input else {"properties": {}}
    properties: Schema = {}
    for name, description in tool.arguments.items():
        member: Schema = known["properties"].get(name, {"type": "string"})
        kept = {key: member[key] for key in KEYWORDS if member.get(key) is not None}
        kept["type"] = plain_type(member)
        if "enum" in kept:
            kept["enum"] = [choice for choice in kept["enum"] if choice is not None]
        if name in tool.defaults:
            kept["default"] = tool.defaults[name]
        properties[name] = kept | {"description": description}
    required = [*operation.path_parameters, *(name for name in known.get("required", []) if name in properties)]
    schema: Schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})


def output_schema(operation: Operation, described_by: str) -> Schema:
    assert operation.tool is not None
    if described_by == operation.tool.name:
        record = record_schema(operation.record)
    else:
        pointer = f"As {described_by} returns it"
        record = {"type": "object", "description": pointer, "properties": {"id": {"type": "string"}}}
    if not operation.lists:
        return record
    items = {"type": "array", "items": record}
    properties = {"items": items, "total": {"type": "integer"}, "note": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["items", "total"]}


def record_schema(kind: Any) -> Schema:
    """A record without its nulls: a field that can be null may be absent."""
    known = struct_schema(kind)["properties"]
    names = [name for name in kind.__struct_fields__ if name != "organization_id"]  # which means nothing to a model
    properties = {name: {"type": plain_type(known[name])} for name in names}
    return {"type": "object", "properties": properties, "required": ["id"]}


def plain_type(member: Schema) -> str:
    """The one type of a field that is not null."""
    types = member["type"] if isinstance(member["type"], list) else [member["type"]]
    return str(next(kind for kind in types if kind != "null"))
