"""The suite's tools that ask their client something: in a session while they run, and without one by their answer."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata

from deskbell.surfaces.mcp.sdk.server import HandlerContext as Context
from tests.conformance.words import Params, asks, field, given, question, said, strings, text, tool

SECRET = b"the same on every process, or else state that one has signed another would refuse"


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


def sampling(words: str, most: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": text(words)}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}


ROOTS = {"method": "roots/list", "params": {}}
NAME = question("What is your name?", "name")


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
