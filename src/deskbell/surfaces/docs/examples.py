"""Example bodies and responses, from the examples that the types carry."""

from __future__ import annotations

import uuid
from typing import Any

from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema

_plain = {"string": "", "integer": 0, "boolean": False, "array": [], "object": {}}


def identifier(field: str) -> str:
    """An id that is the same wherever the field is shown."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "contact_id" if field == "lead_id" else field))


def sent(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    """A body that a client might send. An update shows one changed field, since it is partial."""
    if operation.input is None or operation.from_body is None:
        return {}
    schema = components[operation.input.__name__]
    members: dict[str, Schema] = schema["properties"]
    if operation.partial:
        name = next((name for name, member in members.items() if "enum" in member), next(iter(members)))
        choices = members[name].get("enum") or [value(name, members[name])]
        return {name: [choice for choice in choices if choice is not None][-1]}
    return {name: value(name, member) for name, member in members.items() if is_worth_showing(name, schema)}


def is_worth_showing(name: str, schema: Schema) -> bool:
    """Whether a field is worth showing: it is required, or has an example and is no reference to another record."""
    return name in schema["required"] or ("examples" in schema["properties"][name] and not name.endswith("_id"))


def answer(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    """The record that the server might return, consistent with the body that creates one."""
    name = operation.record.__name__
    record = created(components[f"New{name}"]) if f"New{name}" in components else {}
    members: dict[str, Schema] = components[name]["properties"]
    for field, member in members.items():
        if field not in record:
            record[field] = sample(field, member, components) if "$ref" in member else decided(field, member)
    if operation.method == "DELETE":
        record |= {"archived_at": record["updated_at"]} if "archived_at" in members else {"status": "cancelled"}
    record |= sent(operation, components)
    return {field: record[field] for field in members}


def created(new: Schema) -> dict[str, Any]:
    """The fields that creating a record sets: from the example body, else their defaults."""
    members: dict[str, Schema] = new["properties"]
    return {
        name: value(name, each) if is_worth_showing(name, new) else each["default"] for name, each in members.items()
    }


def decided(field: str, member: Schema) -> Any:
    """A field that the server decides; nothing, where it may be null."""
    return None if isinstance(member["type"], list) else value(field, member)


def sample(name: str, schema: Schema, components: dict[str, Schema]) -> Any:
    """A value of any schema: whole records, and lists of one."""
    if "$ref" in schema:
        members: dict[str, Schema] = components[schema["$ref"].rpartition("/")[2]]["properties"]
        return {field: sample(field, member, components) for field, member in members.items()}
    if schema.get("format") == "uuid" or "examples" in schema or "enum" in schema:
        return value(name, schema)
    if "anyOf" in schema:
        return sample(name, schema["anyOf"][0], components)
    kind = schema["type"][-1] if isinstance(schema["type"], list) else schema["type"]
    if kind == "array":
        return [sample(name.removesuffix("s"), schema["items"], components)]
    return None if kind == "null" else {**_plain, "number": 0.0}[kind]


def value(name: str, schema: Schema) -> Any:
    """One value: an id, the type's example, its first choice, else an empty value."""
    if schema.get("format") == "uuid":
        return identifier(name)
    if "examples" in schema:
        return schema["examples"][0]
    return schema["enum"][0] if "enum" in schema else _plain[schema["type"]]
