"""JSON Schemas of records and inputs, from their types: as msgspec gives them, put into the words of OpenAPI 3.1."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

from deskbell.core.operation import Operation
from deskbell.foundation.json import MAX_DEPTH, MAX_INTEGER, unwrapped
from deskbell.foundation.pagination import Meta

Schema = dict[str, Any]

#: What a body may hold where nothing is said about it.
ANYTHING: Schema = {
    "description": f"Any JSON value. Whole numbers fit 64 bits, and values nest at most {MAX_DEPTH} levels deep.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER - 1},
        {"type": "array", "items": {"$ref": "#/components/schemas/Json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Json"}},
    ],
}

_place = "#/components/schemas/{name}"


def reference(name: str) -> Schema:
    return {"$ref": _place.format(name=name)}


def components(operations: Sequence[Operation]) -> dict[str, Schema]:
    """The schema of each record and body, by the name of its type, sorted."""
    kinds: list[type] = [Meta] if any(operation.lists for operation in operations) else []
    for operation in operations:
        kinds += within(operation.record)
        if operation.from_body and operation.input:
            kinds.append(operation.input)
        if operation.upload:
            kinds.append(operation.upload)
    named = {kind.__name__: kind for kind in kinds}
    if twins := [kind for kind in kinds if named[kind.__name__] is not kind]:
        raise ValueError(f"two types would be one schema: {twins[0]} and {named[twins[0].__name__]}")
    found = {name: of(kind) for name, kind in named.items()}
    for operation in operations:
        if operation.from_body and operation.input:
            schema = found[operation.input.__name__]
            schema["additionalProperties"] = reference("Json")
            for member in schema["properties"].values():
                if member["type"] == "object" and "additionalProperties" not in member:
                    member["additionalProperties"] = reference("Json")
            if operation.partial:
                schema["anyOf"] = [{"required": [name]} for name in schema["properties"]]
    return dict(sorted({**found, "Json": ANYTHING}.items()))


def within(kind: type) -> list[type]:
    """A struct and those that its fields hold."""
    found = [kind]
    for field in msgspec.structs.fields(kind):
        for inner in unwrapped(field.type):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found += within(inner)
    return found


def of(kind: type) -> Schema:
    """The schema of one struct, its enumerations in the order in which they are declared."""
    _, made = msgspec.json.schema_components([kind], schema_hook=own, ref_template=_place)
    schema = worded(made[kind.__name__])
    hints = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for name, member in schema["properties"].items():
        if "enum" in member:
            declared = unwrapped(hints[name])
            member["enum"].sort(key=lambda value: declared.index(value) if value in declared else len(declared))
    if not schema["required"]:
        del schema["required"]
    return schema


def own(kind: type) -> Schema:
    """Our string types carry their schema."""
    schema: Schema = kind.schema  # type: ignore[attr-defined]
    return schema


def worded(schema: Schema) -> Schema:
    """The same schema in fewer words: no titles, `null` among the types, whole numbers of 64 bits."""
    made = {name: value for name, value in schema.items() if name not in ("title", "anyOf")}
    if choice := [worded(part) for part in schema.get("anyOf", [])]:
        plain = choice[-1] == {"type": "null"} and len(choice) == 2 and "type" in choice[0]
        made = nullable(choice[0]) | made if plain else {"anyOf": choice} | made
    if "description" in made:
        made["description"] = inspect.cleandoc(made["description"])
    if "examples" in made:  # of a type of our own, msgspec lists the type's first and the annotation's last
        made["examples"] = made["examples"][-1:]
    if "enum" in made:
        made.setdefault("type", "string")
    if made.get("type") == "integer":
        made["format"] = "int64"
    if "items" in made:
        made["items"] = worded(made["items"])
    if "properties" in made:
        made["properties"] = {name: worded(member) for name, member in made["properties"].items()}
    return made


def nullable(schema: Schema) -> Schema:
    made = schema | {"type": [schema["type"], "null"]}
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made
