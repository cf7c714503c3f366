"""What the official conformance suite asks a server for, behind our own front: its tools, prompts and resources, and nothing of ours."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import ListenHandler, PromptsListChanged, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata

from deskbell.surfaces.mcp.exchange import Parts
from deskbell.surfaces.mcp.kernel import Bus, Context, Kernel

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
SECRET = b"the same on every process, or else state that one has signed another would refuse"

Params = types.CallToolRequestParams
Tool = Callable[[Context, Params], Awaitable[dict[str, Any]]]
Handler = Callable[[Context, Any], Awaitable[dict[str, Any]]]

BUS: Bus  # of this process, made with the kernel
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


# Contents


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


# Messages on the way to an answer


async def log(ctx: Context, words: str) -> None:
    """A log message; the modern era wants it only from a request that asks for it."""
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


def trigger(event: ServerEvent) -> Tool:
    """A tool that tells every client of a change."""

    async def run(ctx: Context, params: Params) -> dict[str, Any]:
        await BUS.publish(event)
        return said("Told everybody")

    return run


for name, event in (
    ("test_trigger_tool_change", ToolsListChanged()),
    ("test_trigger_prompt_change", PromptsListChanged()),
):
    TOOLS[name], SCHEMAS[name] = trigger(event), {"type": "object", "properties": {}}


# Questions to a client with a session


def client_can(ctx: Context, name: str) -> bool:
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and getattr(capabilities, name) is not None


async def elicited(ctx: Context, message: str, schema: dict[str, Any]) -> tuple[str, Any]:
    if not client_can(ctx, "elicitation"):
        raise MCPError(types.INVALID_REQUEST, "This client does not take elicitations")
    answer = await ctx.session.elicit_form(message, schema, ctx.request_id)
    return answer.action, answer.content


@tool(strings("prompt"))
async def test_sampling(ctx: Context, params: Params) -> dict[str, Any]:
    if not client_can(ctx, "sampling"):
        raise MCPError(types.INVALID_REQUEST, "This client does not take samplings")
    words = types.TextContent(text=(params.arguments or {})["prompt"])
    asked = types.CreateMessageRequestParams(
        messages=[types.SamplingMessage(role="user", content=words)], max_tokens=100
    )
    answer = await ctx.session.send_request(
        types.CreateMessageRequest(params=asked),
        types.CreateMessageResult,
        metadata=ServerMessageMetadata(related_request_id=ctx.request_id),
    )
    return said(f"LLM response: {getattr(answer.content, 'text', '')}")


@tool(strings("message"))
async def test_elicitation(ctx: Context, params: Params) -> dict[str, Any]:
    schema = strings("username", "email")
    schema["properties"]["username"]["description"] = "User's response"
    schema["properties"]["email"]["description"] = "User's email address"
    action, content = await elicited(ctx, (params.arguments or {})["message"], schema)
    return said(f"User response: action: {action}, content: {json.dumps(content)}")


@tool()
async def test_elicitation_sep1034_defaults(ctx: Context, params: Params) -> dict[str, Any]:
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    action, content = await elicited(ctx, "Check the defaults", {"type": "object", "properties": properties})
    return said(f"Elicitation completed: action={action}, content={json.dumps(content)}")


def titled(*choices: str) -> list[dict[str, str]]:
    return [{"const": f"value{number}", "title": title} for number, title in enumerate(choices, 1)]


@tool()
async def test_elicitation_sep1330_enums(ctx: Context, params: Params) -> dict[str, Any]:
    plain = {"type": "string", "enum": ["option1", "option2", "option3"]}
    properties = {
        "untitledSingle": plain,
        "titledSingle": {"type": "string", "oneOf": titled("First Option", "Second Option", "Third Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": plain},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("First Choice", "Second Choice", "Third Choice")}},
    }
    action, content = await elicited(ctx, "Choose", {"type": "object", "properties": properties})
    return said(f"Elicitation completed: action={action}, content={json.dumps(content)}")


# Questions to a client without one: the answer asks, and the client calls again


def asks(requests: dict[str, Any], state: str | None = None) -> dict[str, Any]:
    result = {"resultType": "input_required", "inputRequests": requests}
    return result if state is None else result | {"requestState": state}


def question(message: str, name: str, kind: str = "string") -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(words: str, most: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": text(words)}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}


ROOTS = {"method": "roots/list", "params": {}}
NAME = question("What is your name?", "name")


def given(params: Any, name: str) -> Any:
    """What the client has answered to one question, as plain JSON; None when it has not."""
    answer = (params.input_responses or {}).get(name)
    return answer.model_dump(mode="json", by_alias=True) if hasattr(answer, "model_dump") else answer


def field(answer: Any, name: str) -> Any:
    content = answer.get("content") if isinstance(answer, dict) else None
    return content.get(name) if isinstance(content, dict) else None


def signed(state: str) -> str:
    return f"{state}.{hmac.new(SECRET, state.encode(), hashlib.sha256).hexdigest()}"


def checked(state: str | None) -> str:
    """The state that we have signed. Anything else is refused."""
    words = (state or "").rpartition(".")[0]
    if not hmac.compare_digest(signed(words), state or ""):
        raise MCPError(types.INVALID_PARAMS, "The request state is not one that this server has given")
    return words


@tool()
async def test_input_required_result_elicitation(ctx: Context, params: Params) -> dict[str, Any]:
    name = field(given(params, "user_name"), "name")
    return said(f"Hello, {name}!") if isinstance(name, str) else asks({"user_name": NAME})


@tool()
async def test_streaming_elicitation(ctx: Context, params: Params) -> dict[str, Any]:
    await ctx.session.report_progress(1, 2)
    return await test_input_required_result_elicitation(ctx, params)


@tool()
async def test_input_required_result_sampling(ctx: Context, params: Params) -> dict[str, Any]:
    answer = given(params, "capital_question")
    if answer is None:
        return asks({"capital_question": sampling("What is the capital of France?", 100)})
    return said(f"The model says: {json.dumps(answer)}")


@tool()
async def test_input_required_result_list_roots(ctx: Context, params: Params) -> dict[str, Any]:
    answer = given(params, "client_roots")
    return asks({"client_roots": ROOTS}) if answer is None else said(f"Your roots: {json.dumps(answer)}")


async def confirmed(ctx: Context, params: Params) -> dict[str, Any]:
    if given(params, "confirm") is None:
        return asks({"confirm": question("Please confirm", "ok", "boolean")}, signed("confirm"))
    checked(params.request_state)
    return said("state-ok")


@tool()
async def test_input_required_result_request_state(ctx: Context, params: Params) -> dict[str, Any]:
    return await confirmed(ctx, params)


@tool()
async def test_input_required_result_tampered_state(ctx: Context, params: Params) -> dict[str, Any]:
    return await confirmed(ctx, params)


@tool()
async def test_input_required_result_multiple_inputs(ctx: Context, params: Params) -> dict[str, Any]:
    wanted = {"user_name": NAME, "greeting": sampling("Generate a greeting", 50), "client_roots": ROOTS}
    if any(given(params, name) is None for name in wanted):
        return asks(wanted, signed("three"))
    checked(params.request_state)
    return said(f"All three are here, {field(given(params, 'user_name'), 'name')}")


@tool()
async def test_input_required_result_multi_round(ctx: Context, params: Params) -> dict[str, Any]:
    if params.request_state is None:
        return asks({"step1": question("Step 1: What is your name?", "name")}, signed("round 1"))
    if checked(params.request_state) == "round 1":
        name = field(given(params, "step1"), "name")
        return asks({"step2": question("Step 2: What is your favorite color?", "color")}, signed(f"round 2: {name}"))
    return said(f"{params.request_state.split('.')[0]} likes {field(given(params, 'step2'), 'color')}")


@tool()
async def test_input_required_result_capabilities(ctx: Context, params: Params) -> dict[str, Any]:
    possible = {"sampling": sampling("Say hello", 20), "elicitation": NAME, "roots": ROOTS}
    return asks({name: request for name, request in possible.items() if client_can(ctx, name)})


@tool()
async def test_missing_capability(ctx: Context, params: Params) -> dict[str, Any]:
    if not client_can(ctx, "sampling"):
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling", needed)
    return said("This client takes samplings")


# Prompts and resources

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
    """A handler whose results have what the modern era asks for besides."""

    async def run(ctx: Context, params: Any) -> dict[str, Any]:
        result = await handler(ctx, params)
        if ctx.protocol_version != "2026-07-28":
            return result
        return {"resultType": "complete", "ttlMs": 1000, "cacheScope": "public"} | result

    return run


class Fixtures(Server[Any]):
    """Says at the handshake what the modern era sees by `subscriptions/listen` alone: that lists change."""

    def create_initialization_options(self, *_: Any, **more: Any) -> InitializationOptions:
        changing = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(changing)


def build(parts: Parts) -> Kernel:
    """A kernel with the fixtures."""
    global BUS
    BUS = Bus(parts.events)
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
    server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(BUS))
    server.get_tool_input_schema = SCHEMAS.get
    return Kernel(server, parts)
