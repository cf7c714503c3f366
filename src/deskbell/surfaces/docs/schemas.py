"""The schemas that an API's description holds: one for each record and body of its operations."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema, reference, struct_schema
from deskbell.foundation.json import MAX_DEPTH, MAX_INTEGER, unwrapped
from deskbell.foundation.pagination import CursorMeta, Meta

#: What a body may hold where no schema says more.
ANYTHING: Schema = {
    "description": f"Any JSON value. Whole numbers fit 64 bits, and values nest at most {MAX_DEPTH} levels deep.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER - 1},
        {"type": "array", "items": {"$ref": "#/components/schemas/Json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Json"}},
    ],
}


def components(operations: Sequence[Operation]) -> dict[str, Schema]:
    """The schema of each record and body, by the name of its type, sorted."""
    kinds: list[type] = [CursorMeta if operation.by_cursor else Meta for operation in operations if operation.lists]
    for operation in operations:
        kinds += within(operation.record)
        if operation.from_body and operation.input:
            kinds.append(operation.input)
        if operation.upload:
            kinds.append(operation.upload)
    named = {kind.__name__: kind for kind in kinds}
    if twins := [kind for kind in kinds if named[kind.__name__] is not kind]:
        raise ValueError(f"two types would be one schema: {twins[0]} and {named[twins[0].__name__]}")
    found = {name: struct_schema(kind) for name, kind in named.items()}
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
