"""The words that fixtures are made of: contents, schemas, and the register of tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types

from deskbell.surfaces.mcp.sdk.server import HandlerContext as Context

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

Params = types.CallToolRequestParams
Tool = Callable[[Context, Params], Awaitable[dict[str, Any]]]
Handler = Callable[[Context, Any], Awaitable[dict[str, Any]]]

TOOLS: dict[str, Tool] = {}
SCHEMAS: dict[str, dict[str, Any]] = {}


def tool(schema: dict[str, Any] | None = None) -> Callable[[Tool], Tool]:
    """A tool named as its function, which takes no arguments unless a schema says otherwise."""

    def add(run: Tool) -> Tool:
        TOOLS[run.__name__] = run
        SCHEMAS[run.__name__] = schema or {"type": "object", "properties": {}}
        return run

    return add


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def said(words: str) -> dict[str, Any]:
    return {"content": [text(words)]}


def picture() -> dict[str, Any]:
    return {"type": "image", "data": PIXEL, "mimeType": "image/png"}


def embedded(uri: str, media_type: str, words: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "text": words}}


def strings(*names: str) -> dict[str, Any]:
    """The schema of an object with these strings, all required."""
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


def asks(requests: dict[str, Any], state: str | None = None) -> dict[str, Any]:
    result = {"resultType": "input_required", "inputRequests": requests}
    return result if state is None else result | {"requestState": state}


def question(message: str, name: str, kind: str = "string") -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def given(params: Any, name: str) -> Any:
    """What the client has answered to one question, as plain JSON; None when it has not."""
    answer = (params.input_responses or {}).get(name)
    return answer.model_dump(mode="json", by_alias=True) if hasattr(answer, "model_dump") else answer


def field(answer: Any, name: str) -> Any:
    content = answer.get("content") if isinstance(answer, dict) else None
    return content.get(name) if isinstance(content, dict) else None
