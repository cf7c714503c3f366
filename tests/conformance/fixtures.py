"""What the official conformance suite asks a server for, behind our own endpoint: its tools, prompts and resources, and nothing of ours."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import ListenHandler, PromptsListChanged, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError

from deskbell.surfaces.mcp.request_context import ServerParts
from deskbell.surfaces.mcp.sdk.adapter import SdkAdapter
from deskbell.surfaces.mcp.sdk.dispatch import BroadcastBus
from deskbell.surfaces.mcp.sdk.server import HandlerContext as Context
from tests.conformance import contents, questions  # noqa: F401  they register their tools
from tests.conformance.words import (
    PIXEL,
    SCHEMAS,
    TOOLS,
    Handler,
    Params,
    Tool,
    asks,
    embedded,
    field,
    given,
    picture,
    question,
    said,
    text,
)

PROMPTS: dict[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}
RESOURCES = {
    "test://static-text": ("text/plain", "text", "This is the content of the static text resource."),
    "test://static-binary": ("image/png", "blob", PIXEL),
    "test://watched-resource": ("text/plain", "text", "Somebody may watch this."),
}
TEMPLATE = "test://template/{id}/data"


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> dict[str, Any]:
    given_arguments = params.arguments or {}
    contents: list[dict[str, Any]]
    match params.name:
        case "test_simple_prompt":
            contents = [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            one, two = given_arguments["arg1"], given_arguments["arg2"]
            contents = [text(f"Prompt with arguments: arg1='{one}', arg2='{two}'")]
        case "test_prompt_with_embedded_resource":
            words = "Embedded resource content for testing."
            contents = [embedded(given_arguments["resourceUri"], "text/plain", words)]
            contents.append(text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            contents = [picture(), text("Please analyze the image above.")]
        case "test_input_required_result_prompt":
            context = field(given(params, "user_context"), "context")
            if context is None:
                return asks({"user_context": question("What context should the prompt use?", "context")})
            contents = [text(f"The context is {context}")]
        case _:
            raise MCPError(types.INVALID_PARAMS, "There is no such prompt")
    return {"messages": [{"role": "user", "content": content} for content in contents]}


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> dict[str, Any]:
    uri = str(params.uri)
    if uri in RESOURCES:
        media_type, kind, content = RESOURCES[uri]
        return {"contents": [{"uri": uri, "mimeType": media_type, kind: content}]}
    start, end = TEMPLATE.split("{id}")
    if uri.startswith(start) and uri.endswith(end):
        id = uri.removeprefix(start).removesuffix(end)
        data = json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": data}]}
    raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})


def trigger(bus: BroadcastBus, event: ServerEvent) -> Tool:
    """A tool that tells every client of a change."""

    async def run(ctx: Context, params: Params) -> dict[str, Any]:
        await bus.publish(event)
        return said("Told everybody")

    return run


async def list_tools(ctx: Context, params: types.PaginatedRequestParams) -> dict[str, Any]:
    shown = [{"name": name, "description": f"Fixture {name}", "inputSchema": SCHEMAS[name]} for name in TOOLS]
    return {"tools": shown}


async def call_tool(ctx: Context, params: Params) -> dict[str, Any]:
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, "There is no such tool")
    return await TOOLS[params.name](ctx, params)


async def list_prompts(ctx: Context, params: types.PaginatedRequestParams) -> dict[str, Any]:
    shown: list[dict[str, Any]] = []
    for name, arguments in PROMPTS.items():
        told = [{"name": argument, "description": "A test argument", "required": True} for argument in arguments]
        shown.append({"name": name, "description": f"Fixture {name}", "arguments": told})
    return {"prompts": shown}


async def list_resources(ctx: Context, params: types.PaginatedRequestParams) -> dict[str, Any]:
    shown = [
        {"uri": uri, "name": uri.removeprefix("test://"), "description": "A fixture", "mimeType": media_type}
        for uri, (media_type, _, _) in RESOURCES.items()
    ]
    return {"resources": shown}


async def list_templates(ctx: Context, params: types.PaginatedRequestParams) -> dict[str, Any]:
    return {"resourceTemplates": [{"uriTemplate": TEMPLATE, "name": "template", "description": "A fixture"}]}


async def complete(ctx: Context, params: types.CompleteRequestParams) -> dict[str, Any]:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}


async def nothing(ctx: Context, params: Any) -> dict[str, Any]:
    return {}


def whole(handler: Handler) -> Handler:
    """A handler whose results have what the stateless revision asks for besides."""

    async def run(ctx: Context, params: Any) -> dict[str, Any]:
        result = await handler(ctx, params)
        if ctx.protocol_version != "2026-07-28":
            return result
        return {"resultType": "complete", "ttlMs": 1000, "cacheScope": "public"} | result

    return run


class Fixtures(Server[Any]):
    """Says at the handshake what the stateless revision sees by `subscriptions/listen` alone: that lists change."""

    def create_initialization_options(self, *_: Any, **more: Any) -> InitializationOptions:
        changing = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(changing)


def build(parts: ServerParts) -> SdkAdapter:
    """An SDK server with the fixtures."""
    bus = BroadcastBus(parts.broadcasts)
    for name, event in (
        ("test_trigger_tool_change", ToolsListChanged()),
        ("test_trigger_prompt_change", PromptsListChanged()),
    ):
        TOOLS[name], SCHEMAS[name] = trigger(bus, event), {"type": "object", "properties": {}}
    server = Fixtures("fixtures", version="1")
    paged = types.PaginatedRequestParams
    methods: list[tuple[str, Any, Handler]] = [
        ("tools/list", paged, list_tools),
        ("tools/call", Params, call_tool),
        ("prompts/list", paged, list_prompts),
        ("prompts/get", types.GetPromptRequestParams, get_prompt),
        ("resources/list", paged, list_resources),
        ("resources/templates/list", paged, list_templates),
        ("resources/read", types.ReadResourceRequestParams, read_resource),
        ("resources/subscribe", types.SubscribeRequestParams, nothing),
        ("resources/unsubscribe", types.UnsubscribeRequestParams, nothing),
        ("completion/complete", types.CompleteRequestParams, complete),
        ("logging/setLevel", types.SetLevelRequestParams, nothing),
    ]
    for method, kind, handler in methods:
        server.add_request_handler(method, kind, whole(handler))
    server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(bus))
    server.get_tool_input_schema = SCHEMAS.get
    return SdkAdapter(server, parts)
