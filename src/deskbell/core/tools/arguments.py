"""Reads a tool's arguments as models send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from deskbell.errors import Problem, invalid
from deskbell.foundation import json
from deskbell.foundation.ids import canonical


def as_object(arguments: Any) -> Mapping[str, Any]:
    """Arguments as an object. Missing ones are an empty object, and some clients send the object as text."""
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


def required_id(name: str, given: Mapping[str, Any]) -> str:
    """An id from the path of the operation. Text that is not a UUID becomes an id that no record has."""
    if name not in given:
        raise invalid(name, "is required")
    if not isinstance(given[name], str):
        raise invalid(name, "must be a string")
    return canonical(given[name])
