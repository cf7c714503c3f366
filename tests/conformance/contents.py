"""The suite's tools that need nothing of the client: contents, an error, schemas, and messages on the way to an answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import mcp_types as types

from deskbell.surfaces.mcp.sdk.server import HandlerContext as Context
from tests.conformance.words import SILENCE, Params, embedded, picture, said, text, tool


@tool()
async def test_simple_text(ctx: Context, params: Params) -> dict[str, Any]:
    return said("This is a simple text response for testing.")


@tool()
async def test_image_content(ctx: Context, params: Params) -> dict[str, Any]:
    return {"content": [picture()]}


@tool()
async def test_audio_content(ctx: Context, params: Params) -> dict[str, Any]:
    return {"content": [{"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}]}


@tool()
async def test_embedded_resource(ctx: Context, params: Params) -> dict[str, Any]:
    words = "This is an embedded resource content."
    return {"content": [embedded("test://embedded-resource", "text/plain", words)]}


@tool()
async def test_multiple_content_types(ctx: Context, params: Params) -> dict[str, Any]:
    data = json.dumps({"test": "data", "value": 123})
    mixed = embedded("test://mixed-content-resource", "application/json", data)
    return {"content": [text("Multiple content types test:"), picture(), mixed]}


@tool()
async def test_error_handling(ctx: Context, params: Params) -> dict[str, Any]:
    return said("This tool intentionally returns an error for testing") | {"isError": True}


@tool(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
)
async def json_schema_2020_12_tool(ctx: Context, params: Params) -> dict[str, Any]:
    return said(json.dumps(params.arguments))


@tool(
    {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
        "required": ["region"],
    }
)
async def test_x_mcp_header(ctx: Context, params: Params) -> dict[str, Any]:
    return said(f"region: {(params.arguments or {})['region']}")


async def log(ctx: Context, words: str) -> None:
    """A log message; the stateless revision wants it only from a request that asks for it."""
    if ctx.protocol_version == "2026-07-28" and types.LOG_LEVEL_META_KEY not in (ctx.meta or {}):
        return
    message = types.LoggingMessageNotificationParams(level="info", data=words)
    await ctx.session.send_notification(types.LoggingMessageNotification(params=message), ctx.request_id)


@tool()
async def test_tool_with_logging(ctx: Context, params: Params) -> dict[str, Any]:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(ctx, words)
        await asyncio.sleep(0.05)
    return said("Three messages were logged")


@tool()
async def test_logging_tool(ctx: Context, params: Params) -> dict[str, Any]:
    await log(ctx, "Whoever asked for logs reads this")
    return said("Logged to those who asked")


@tool()
async def test_tool_with_progress(ctx: Context, params: Params) -> dict[str, Any]:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return said("Progress went from 0 to 100")
