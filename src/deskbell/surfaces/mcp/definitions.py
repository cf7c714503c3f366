"""Tool definitions as `tools/list` sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from deskbell.core.operation import Operation
from deskbell.core.tools.definition import ToolDefinition
from deskbell.core.tools.tool import tools_of


def wire_definition(definition: ToolDefinition) -> dict[str, Any]:
    return {
        "name": definition.name,
        "title": definition.title,
        "description": definition.description,
        "inputSchema": definition.input_schema,
        "outputSchema": definition.output_schema,
        "annotations": {
            "readOnlyHint": definition.is_read,
            "destructiveHint": definition.destructive,
            "idempotentHint": definition.idempotent,
            "openWorldHint": definition.open_world,
        },
    }


def listing(operations: Sequence[Operation]) -> str:
    """Every definition as a text file, so that a change of what clients see shows up in review."""
    definitions = [wire_definition(tool.definition) for tool in tools_of(operations).values()]
    return msgspec.json.format(msgspec.json.encode(definitions), indent=2).decode() + "\n"
