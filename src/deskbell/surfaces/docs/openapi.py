"""The OpenAPI 3.1 description of the CRM API, made from the operation table and the records' types."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

import deskbell
from deskbell.core import idempotency
from deskbell.core.api import CRM
from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema, reference, struct_schema
from deskbell.errors import CATALOGUE, Problem
from deskbell.foundation.ids import UUID_PATTERN
from deskbell.foundation.json import MAX_BODY, MAX_INTEGER, MOST_CONTAINERS
from deskbell.foundation.pagination import CursorMeta, Meta
from deskbell.surfaces.docs import examples, schemas

INTRODUCTION = f"""Leads, appointments, tasks and conversations of one organization: the one that the API key belongs to.

Send `Authorization: Bearer brk_...` with every request. A key with scopes may only do what they grant; write does not imply read.
Request and response bodies are JSON in UTF-8. A request body may have {MAX_BODY // 2**20} MiB and {MOST_CONTAINERS:,} lists and objects.
Unknown fields and query parameters are ignored. Strings must not contain the NUL character, and integers must fit 64 bits. Times are
ISO 8601; a time without an offset is read as UTC.
Updates are PUT with a partial body: absent fields keep their value, null clears a nullable one.

Rate limits are per key and minute, separate for reads (GET) and writes; the `RateLimit-*` headers of every response say what is left.
Errors have one form, `{{"error": {{"code", "message", "retryable"}}}}`: rely on `code`, obey `retryable`.
A write with an `Idempotency-Key` can be repeated safely for {idempotency.RETENTION // 3600} hours. HEAD works wherever GET does."""

_count: Schema = {"type": "integer", "format": "int64", "minimum": 0}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id in the server's log: the one that the client sent, or a new one",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    },
    "RateLimit-Limit": {"description": "The key's requests per minute", "schema": _count},
    "RateLimit-Remaining": {"description": "Requests left in this minute", "schema": _count},
    "RateLimit-Reset": {"description": "When the next minute begins, in Unix seconds", "schema": _count},
    "Retry-After": {"description": "Seconds to wait before a retry", "schema": _count},
    "WWW-Authenticate": {"description": "How to authenticate", "schema": {"const": CRM.dialect.challenge.decode()}},
    "Idempotency-Replayed": {
        "description": "Present if this is the stored response to an earlier request",
        "schema": {"const": "true"},
    },
}
ALWAYS = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
SOMETIMES = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any text, different for each write. A repeat with the same key and body returns the stored response.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The last event that the client has seen, to resume after it. It counts more than `after`",
    "schema": {"type": "string"},
}


def build(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, as `/openapi.json` serves it."""
    components = schemas.components(operations)
    components["Error"] = error_schema()
    paths: dict[str, dict[str, Any]] = {}
    refusals: dict[str, Any] = {}
    for operation in operations:
        for status, codes in errors(operation).items():
            refusals[refusal_name(status, codes)] = refusal(status, codes)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Deskbell CRM API",
            "version": deskbell.__version__,
            "description": INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{"key": []}],
        "tags": tags(operations),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": dict(sorted(refusals.items())),
            "parameters": {"IdempotencyKey": IDEMPOTENCY_KEY, "LastEventId": LAST_EVENT_ID},
            "headers": HEADERS,
            "examples": {code: error_example(code) for code in CATALOGUE},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "brk_ and 48 hexadecimal digits"}
            },
        },
    }


def tag(operation: Operation) -> str:
    """The slice that an operation belongs to: its package's name."""
    return operation.handler.__module__.split(".")[1]


def tags(operations: Sequence[Operation]) -> list[dict[str, str]]:
    """Each slice once, with the first line of its model as description."""
    found = {tag(each): sys.modules[each.record.__module__].__doc__ or "" for each in operations}
    return [{"name": name, "description": slice_summary(text)} for name, text in found.items()]


def slice_summary(text: str) -> str:
    first = text.split("\n")[0].split(": ", 1)[-1]
    return first[:1].upper() + first[1:]


def described(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    """One operation object."""
    text = inspect.cleandoc(operation.description)
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [tag(operation)],
        "summary": re.split(r"[.:](?:\s|$)", text)[0],
        "description": f"{text}\n\nScope: `{operation.scope}`.",
        "security": [{"key": [operation.scope]}],
    }
    if given := parameters(operation):
        made["parameters"] = given
    if operation.from_body and operation.input:
        made["requestBody"] = body(operation, operation.input.__name__, components)
    made["responses"] = {str(operation.status): success(operation, components)} | {
        str(status): {"$ref": f"#/components/responses/{refusal_name(status, codes)}"}
        for status, codes in errors(operation).items()
    }
    return made


def parameters(operation: Operation) -> list[dict[str, Any]]:
    """The parameters of path, query and headers."""
    made = [identifier(name) for name in operation.path_parameters]
    if operation.from_query and operation.input:
        for name, schema in struct_schema(operation.input)["properties"].items():
            given = {"name": name, "in": "query", "description": schema.pop("description", ""), "schema": schema}
            if schema.get("type") == "integer":
                schema.setdefault("maximum", MAX_INTEGER - 1)
            made.append(given)
    if operation.is_stream:
        made.append({"$ref": "#/components/parameters/LastEventId"})
    return made if operation.is_read else [*made, {"$ref": "#/components/parameters/IdempotencyKey"}]


def identifier(name: str) -> dict[str, Any]:
    whose = "record" if name == "id" else name.removesuffix("_id")
    schema = {"type": "string", "format": "uuid", "pattern": UUID_PATTERN, "examples": [examples.identifier(name)]}
    return {"name": name, "in": "path", "required": True, "description": f"The {whose}'s id", "schema": schema}


def body(operation: Operation, name: str, components: dict[str, Schema]) -> dict[str, Any]:
    content = {"schema": reference(name), "example": examples.sent(operation, components)}
    return {"required": True, "content": {"application/json": content}}


def success(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    """The response of a success: one record in `data`, or a list with `meta`."""
    name = operation.record.__name__
    record = examples.answer(operation, components)
    data: Schema = reference(name)
    properties: dict[str, Schema] = {"data": data}
    example: dict[str, Any] = {"data": record}
    if operation.is_stream:
        content = {"text/event-stream": {"schema": {"type": "string"}, "example": streamed(record)}}
        return {"description": "Server-sent events", "headers": headers(ALWAYS), "content": content}
    if operation.lists:
        meta = CursorMeta(50, str(record["id"])) if operation.by_cursor else Meta(1, 50, 1, 1)
        properties = {"data": {"type": "array", "items": data}, "meta": reference(type(meta).__name__)}
        example = {"data": [record], "meta": msgspec.to_builtins(meta)}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    names = ALWAYS if operation.is_read else (*ALWAYS, "Idempotency-Replayed")
    return {
        "description": HTTPStatus(operation.status).phrase,
        "headers": headers(names),
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def streamed(record: dict[str, Any]) -> str:
    """A record as a server-sent event."""
    return f"id: {record['id']}\nevent: {record['type']}\ndata: {msgspec.json.encode(record).decode()}\n\n"


def headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def errors(operation: Operation) -> dict[int, list[str]]:
    """Every status other than success that an operation can return, with its codes."""
    codes = ["unauthorized", "insufficient_scope", *operation.errors]
    if operation.input or not operation.is_read:
        codes.append("validation_error")
    if operation.path_parameters:
        codes.append("not_found")
    if not operation.is_read:
        codes += ["payload_too_large", "create_failed"]
        codes += [] if operation.is_external else ["idempotency_mismatch", "idempotency_in_progress"]
    found: dict[int, list[str]] = {415: ["validation_error"]} if operation.from_body or operation.upload else {}
    for code in dict.fromkeys([*codes, "rate_limit_exceeded", "query_failed", "internal_error"]):
        found.setdefault(CATALOGUE[code].status, []).append(code)
    return dict(sorted(found.items()))


def refusal_name(status: int, codes: list[str]) -> str:
    return ".".join([str(status), *codes])


def refusal(status: int, codes: list[str]) -> dict[str, Any]:
    """An error response: the envelope with these codes and no others."""
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    content = {
        "schema": {"allOf": [reference("Error"), narrowed]},
        "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
    }
    return {
        "description": HTTPStatus(status).phrase,
        "headers": headers([*ALWAYS, *SOMETIMES.get(status, ())]),
        "content": {"application/json": content},
    }


def error_example(code: str) -> dict[str, Any]:
    entry = CATALOGUE[code]
    return {
        "summary": entry.summary,
        "description": entry.fix,
        "value": msgspec.json.decode(CRM.dialect.envelope(Problem(code))),
    }


def error_schema() -> Schema:
    """The envelope. New codes may be added, so the list of today's is not part of it."""
    members: dict[str, Schema] = {
        "code": {"type": "string", "description": "The error, for programs. Stable; described at /docs/errors"},
        "message": {"type": "string", "description": "The error, for people. May change"},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later"},
    }
    inner = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    return {"type": "object", "properties": {"error": inner}, "required": ["error"], "additionalProperties": False}
