"""JSON Schemas of records and commands, derived from their types by msgspec and adapted to OpenAPI 3.1."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from deskbell.foundation.json import unwrapped

Schema = dict[str, Any]

_component = "#/components/schemas/{name}"


def reference(name: str) -> Schema:
    """A reference to the schema of a named type."""
    return {"$ref": _component.format(name=name)}


def struct_schema(kind: type) -> Schema:
    """The schema of one struct, its enumerations in the order of their declaration; structs inside it are references."""
    _, components = msgspec.json.schema_components([kind], schema_hook=own_schema, ref_template=_component)
    schema = simplified(components[kind.__name__])
    hints = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for name, member in schema["properties"].items():
        if "enum" in member:
            declared = unwrapped(hints[name])
            member["enum"].sort(key=lambda value: declared.index(value) if value in declared else len(declared))
    if not schema["required"]:
        del schema["required"]
    return schema


def own_schema(kind: type) -> Schema:
    """Our string types carry their schema."""
    schema: Schema = kind.schema  # type: ignore[attr-defined]
    return schema


def simplified(schema: Schema) -> Schema:
    """A simpler form of the schema: without titles, with `null` among the types, with 64-bit integers."""
    result = {name: value for name, value in schema.items() if name not in ("title", "anyOf")}
    if choice := [simplified(part) for part in schema.get("anyOf", [])]:
        plain = choice[-1] == {"type": "null"} and len(choice) == 2 and "type" in choice[0]
        result = nullable(choice[0]) | result if plain else {"anyOf": choice} | result
    if "description" in result:
        result["description"] = inspect.cleandoc(result["description"])
    if "examples" in result:  # for our own types, msgspec lists the type's examples first and the annotation's last
        result["examples"] = result["examples"][-1:]
    if "enum" in result:
        result.setdefault("type", "string")
    if result.get("type") == "integer":
        result["format"] = "int64"
    if "items" in result:
        result["items"] = simplified(result["items"])
    if "properties" in result:
        result["properties"] = {name: simplified(member) for name, member in result["properties"].items()}
    return result


def nullable(schema: Schema) -> Schema:
    result = schema | {"type": [schema["type"], "null"]}
    if "enum" in result:
        result["enum"] = [*result["enum"], None]
    return result
