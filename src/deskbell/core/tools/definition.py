"""A tool's definition as models see it: its declaration, and schemas derived from the operation's types."""

from __future__ import annotations

from typing import Any, NamedTuple

from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema, struct_schema

#: The schema keywords of arguments. Others cost tokens, and some clients refuse them.
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
    whole: Schema = struct_schema(operation.input) if operation.input else {"properties": {}}
    properties: Schema = {}
    for name, description in tool.arguments.items():
        member: Schema = whole["properties"].get(name, {"type": "string"})
        argument = {key: member[key] for key in KEYWORDS if member.get(key) is not None}
        argument["type"] = plain_type(member)
        if "enum" in argument:
            argument["enum"] = [choice for choice in argument["enum"] if choice is not None]
        if name in tool.defaults:
            argument["default"] = tool.defaults[name]
        properties[name] = argument | {"description": description}
    required = [*operation.path_parameters, *(name for name in whole.get("required", []) if name in properties)]
    schema: Schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})


def output_schema(operation: Operation, described_by: str) -> Schema:
    assert operation.tool is not None
    if described_by == operation.tool.name:
        record = record_schema(operation.record)
    else:
        description = f"As {described_by} returns it"
        record = {"type": "object", "description": description, "properties": {"id": {"type": "string"}}}
    if not operation.lists:
        return record
    items = {"type": "array", "items": record}
    properties = {"items": items, "total": {"type": "integer"}, "note": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["items", "total"]}


def record_schema(kind: Any) -> Schema:
    """A record without its nulls: a field that can be null may be absent."""
    fields = struct_schema(kind)["properties"]
    names = [name for name in kind.__struct_fields__ if name != "organization_id"]  # of no use to a model
    properties = {name: {"type": plain_type(fields[name])} for name in names}
    return {"type": "object", "properties": properties, "required": ["id"]}


def plain_type(member: Schema) -> str:
    """The one type of a field that is not null."""
    types = member["type"] if isinstance(member["type"], list) else [member["type"]]
    return str(next(kind for kind in types if kind != "null"))
