"""JSON-RPC messages: what a client sends, parsed once, and the responses that need no SDK."""

from __future__ import annotations

import contextlib
from types import NoneType
from typing import Any

import msgspec

from deskbell.core.tools.outcome import Outcome
from deskbell.foundation import json

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602

#: The protocol revisions that begin with a handshake and have sessions, and the one that has neither.
SESSION_REVISIONS = frozenset({b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"})
STATELESS_REVISION = "2026-07-28"

_encode = msgspec.json.Encoder().encode


class JsonRpcError(Exception):
    """A JSON-RPC error response, with the HTTP status that goes with it."""

    def __init__(self, code: int, message: str, *, id: Any = None, status: int = 400, data: Any = None) -> None:
        super().__init__(message)
        self.status = status
        error: dict[str, Any] = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        self.body = _encode({"jsonrpc": "2.0", "id": id, "error": error})


class JsonRpcMessage:
    """One message of a client. `kind` is "request", "notification" or "response"; `raw` is the whole message, parsed."""

    __slots__ = ("id", "kind", "method", "params", "raw")

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.id: Any = raw.get("id")
        self.method: str = raw.get("method", "")
        self.params: dict[str, Any] = raw.get("params") or {}
        self.kind = ("request" if "id" in raw else "notification") if "method" in raw else "response"


def parse(body: bytes) -> JsonRpcMessage:
    """A body as a message. Raises the JsonRpcError that describes what is wrong with it."""
    try:
        raw = json.parse(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise JsonRpcError(PARSE_ERROR, f"Parse error: {json.plain(error)}") from None
    if type(raw) is list:
        raise JsonRpcError(INVALID_REQUEST, "Batches are not supported: send one message per request")
    if type(raw) is not dict or raw.get("jsonrpc") != "2.0":
        raise JsonRpcError(INVALID_REQUEST, 'The body must be one JSON-RPC message with "jsonrpc": "2.0"')
    id = raw.get("id")
    if "id" in raw and type(id) is not str and (type(id) is not int or abs(id) > json.MAX_INTEGER):
        raise JsonRpcError(INVALID_REQUEST, "`id` must be a string or an integer")
    if "method" in raw:
        if type(raw["method"]) is not str:
            raise JsonRpcError(INVALID_REQUEST, "`method` must be a string", id=id)
        if type(raw.get("params")) not in (dict, NoneType):
            raise JsonRpcError(INVALID_PARAMS, "`params` must be an object", id=id)
    elif "id" not in raw or ("result" in raw) == ("error" in raw):
        raise JsonRpcError(
            INVALID_REQUEST, "A message has a `method`, or an `id` and either `result` or `error`", id=id
        )
    return JsonRpcMessage(raw)


def validate(message: JsonRpcMessage) -> None:
    """Refuses what no text of ours may hold. A tool's arguments are left out: the tool validates them, and answers the model."""
    raw = message.raw
    if message.method == "tools/call" and "arguments" in message.params:
        raw = {**raw, "params": {name: value for name, value in message.params.items() if name != "arguments"}}
    try:
        json.inspect(raw)
    except ValueError as error:
        raise JsonRpcError(INVALID_REQUEST, f"The message is not acceptable: {error}", id=message.id) from None


def unpack_arguments(message: JsonRpcMessage) -> None:
    """Parses a tool's arguments where a client has sent them as text, which the SDK refuses."""
    text = message.params.get("arguments")
    if isinstance(text, str):
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
            message.params["arguments"] = json.parse(text.encode())


def response(id: Any, result: bytes) -> bytes:
    """The response to a request."""
    return b'{"jsonrpc":"2.0","id":' + _encode(id) + b',"result":' + result + b"}"


def result_of(body: bytes, id: Any) -> bytes | None:
    """The result in a response, or None where it is an error."""
    before, found, rest = body.partition(b'{"jsonrpc":"2.0","id":' + _encode(id) + b',"result":')
    return rest[:-1] if found and not before else None


def tool_response(id: Any, outcome: Outcome, stateless_members: bytes = b"") -> bytes:
    """The response to `tools/call`, byte for byte the SDK's. `stateless_members` is what the stateless revision adds."""
    content = b'{"content":[{"type":"text","text":' + _encode(outcome.text.decode()) + b"}]"
    if outcome.failed:
        tail = b',"isError":true'
    else:
        tail = b',"structuredContent":' + outcome.text + b',"isError":false'
    return response(id, content + tail + stateless_members + b"}")
