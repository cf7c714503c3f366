"""The OpenAPI 3.1 description of the agent API, made from its operation table like that of the CRM API."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

import deskbell
from deskbell.core.api import AGENT, phrase
from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema, reference, struct_schema
from deskbell.core.scopes import USE
from deskbell.errors import CATALOGUE, Problem
from deskbell.foundation.ids import PublicId
from deskbell.foundation.json import MAX_BODY, MAX_INTEGER, MOST_CONTAINERS
from deskbell.surfaces.docs import examples, openapi, schemas

INTRODUCTION = f"""Agents of one organization: the one that the API key belongs to.

Send `Authorization: Bearer brs_live_...` with every request. A key belongs to an application, whose type decides what the key may do:
keys of a `backend-service` may call everything, keys of an `agent-consumer` or a `web-integration` only what is marked "every key".
Requests are in snake_case, responses in camelCase and without an envelope. A request body is JSON in UTF-8 with at most
{MAX_BODY // 2**20} MiB and {MOST_CONTAINERS:,} lists and objects. Times are ISO 8601 in UTC with milliseconds. Lists accept `limit` and
`offset` and return the exact `total`. Updates are PUT with a partial body: absent fields keep their value, null clears a nullable one.

Rate limits are per key and minute; the `RateLimit-*` headers of every response say what is left. Errors have one form,
`{{"error", "message", "timestamp"}}`, where `error` is the reason phrase of the status. Retry 429 and 503 after the number of seconds in
`Retry-After`, then with doubled waits of up to half a minute. Web pages may call from the origins that an application lists."""

EVERY_KEY, BACKEND = "every key", "keys of backend services"
ACCESS = {
    EVERY_KEY: "keys of all applications: agent-consumer, web-integration and backend-service",
    BACKEND: "keys of a backend-service only; `DESKBELL_FULL_ACCESS_TYPES` can add other types",
}
FILE = {"type": "string", "format": "binary", "description": "The file, with its name"}
AWAY = 503  # the status when the database cannot be reached
TEXTS = {
    "unauthorized": "Invalid or revoked API key",
    "not_found": "Agent not found",
    "query_failed": "The service is temporarily unavailable",
}

HEADERS = openapi.HEADERS | {
    "WWW-Authenticate": {"description": "How to authenticate", "schema": {"const": AGENT.dialect.challenge.decode()}}
}


def build(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, as `/openapi-agents.json` serves it."""
    components = schemas.components(operations)
    components["Error"] = error_schema()
    paths: dict[str, dict[str, Any]] = {}
    refusals: dict[str, Any] = {}
    for operation in operations:
        for status, codes in errors(operation).items():
            refusals[openapi.refusal_name(status, codes)] = refusal(status, codes)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Deskbell agent API",
            "version": deskbell.__version__,
            "description": INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{"key": []}],
        "tags": openapi.tags(operations),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": dict(sorted(refusals.items())),
            "parameters": {"IdempotencyKey": openapi.IDEMPOTENCY_KEY},
            "headers": HEADERS,
            "examples": {code: error_example(code) for code in CATALOGUE},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "brs_live_ and 32 letters and digits"}
            },
        },
    }


def allowed(operation: Operation) -> str:
    """Whose keys may call an operation, in words."""
    return EVERY_KEY if operation.scope == USE else BACKEND


def described(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    """One operation object."""
    text = inspect.cleandoc(operation.description)
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [openapi.tag(operation)],
        "summary": re.split(r"[.:](?:\s|$)", text)[0],
        "description": f"{text}\n\nAllowed for {allowed(operation)}.",
    }
    if given := parameters(operation):
        made["parameters"] = given
    if operation.from_body and operation.input:
        made["requestBody"] = {"required": True, "content": body(operation, operation.input, components)}
    elif operation.upload:
        form = {"type": "object", "properties": {"file": FILE}, "required": ["file"]}
        content = {"multipart/form-data": {"schema": form}} | body(operation, operation.upload, components)
        made["requestBody"] = {"required": True, "content": content}
    made["responses"] = {str(operation.status): success(operation, components)} | {
        str(status): {"$ref": f"#/components/responses/{openapi.refusal_name(status, codes)}"}
        for status, codes in errors(operation).items()
    }
    return made


def parameters(operation: Operation) -> list[dict[str, Any]]:
    """The parameters of path, query and headers."""
    kinds = dict(zip(operation.path_parameters, operation.path_readers, strict=True))
    made = [identifier(name, reader) for name, reader in kinds.items()]
    if operation.from_query and operation.input:
        for name, schema in struct_schema(operation.input)["properties"].items():
            if schema.get("type") == "integer":
                schema.setdefault("maximum", MAX_INTEGER - 1)
            made.append({"name": name, "in": "query", "description": schema.pop("description", ""), "schema": schema})
    repeatable = not (operation.is_read or operation.is_external)
    return [*made, {"$ref": "#/components/parameters/IdempotencyKey"}] if repeatable else made


def identifier(name: str, reader: Any) -> dict[str, Any]:
    if reader.__name__ == "whole_number":
        schema: Schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999, "examples": [1]}
        return {"name": name, "in": "path", "required": True, "description": "The version's number", "schema": schema}
    if reader == PublicId.read:
        return {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The record's id",
            "schema": PublicId.schema,
        }
    return openapi.identifier(name)


def body(operation: Operation, kind: type, components: dict[str, Schema]) -> dict[str, Any]:
    content = {"schema": reference(kind.__name__), "example": sent(operation, kind, components)}
    return {"application/json": content}


def sent(operation: Operation, kind: type, components: dict[str, Schema]) -> dict[str, Any]:
    """A body with what is required and what has an example; of an update, one field."""
    schema = components[kind.__name__]
    members: dict[str, Schema] = schema["properties"]
    names = schema.get("required", []) + [name for name, member in members.items() if "examples" in member]
    chosen = dict.fromkeys(names[:1] if operation.partial else names)
    return {name: examples.sample(name, members[name], components) for name in chosen or members}


def success(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    """The response of a success: one bare record, or events."""
    schema = reference(operation.record.__name__)
    content: dict[str, Any] = {
        "application/json": {"schema": schema, "example": examples.sample("", schema, components)}
    }
    if operation.streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    repeatable = not (operation.is_read or operation.is_external)
    names = (*openapi.ALWAYS, "Idempotency-Replayed") if repeatable else openapi.ALWAYS
    return {
        "description": HTTPStatus(operation.status).phrase,
        "headers": openapi.headers(names),
        "content": content,
    }


def errors(operation: Operation) -> dict[int, list[str]]:
    """Every status other than success that an operation can return, with its codes."""
    found = openapi.errors(operation)
    found[500] = [code for code in found[500] if code not in ("query_failed", "create_failed")]
    found.setdefault(AWAY, []).append("query_failed")
    return dict(sorted(found.items()))


def refusal(status: int, codes: list[str]) -> dict[str, Any]:
    """An error response: the envelope with the status in words."""
    narrowed = {"properties": {"error": {"const": phrase(status)}}}
    content = {
        "schema": {"allOf": [reference("Error"), narrowed]},
        "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes if status != 415},
    }
    return {
        "description": phrase(status),
        "headers": openapi.headers([*openapi.ALWAYS, *openapi.SOMETIMES.get(status, ())]),
        "content": {"application/json": content},
    }


def error_example(code: str) -> dict[str, Any]:
    entry = CATALOGUE[code]
    status = AWAY if code in ("query_failed", "create_failed") else None
    value = msgspec.json.decode(AGENT.dialect.envelope(Problem(code, TEXTS.get(code), status=status)))
    value["timestamp"] = "2026-05-10T14:30:00.000Z"
    return {"summary": entry.summary, "description": entry.fix, "value": value}


def error_schema() -> Schema:
    members: dict[str, Schema] = {
        "error": {"type": "string", "description": "The reason phrase of the status"},
        "message": {"type": "string", "description": "What happened, and how to fix it"},
        "timestamp": {"type": "string", "format": "date-time"},
    }
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
