"""The references of both APIs for readers: pages, Markdown files and the short text for language models, from the OpenAPI document."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import deskbell
from deskbell.core.event_types import EVENT_TYPES
from deskbell.core.operation import Operation
from deskbell.core.schemas import Schema
from deskbell.core.scopes import SCOPES
from deskbell.errors import CATALOGUE
from deskbell.foundation.json import MAX_INTEGER
from deskbell.settings import Settings
from deskbell.surfaces.docs import openapi, openapi_agents, schemas

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
FOLDER = "docs/reference"

_words = {"uuid": "UUID", "date-time": "date and time", "email": "e-mail address", "phone": "phone number"}


class Reference:
    """Renders one table of operations. Nothing is computed before it is asked for."""

    about: Any = openapi  # the module that describes such operations
    title, heading, place = "Operations", "CRM API", "/docs"
    variable, first = "DESKBELL_KEY", "/api/v1/leads"
    access = SCOPES

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = operations

    @cached_property
    def specification(self) -> dict[str, Any]:
        made: dict[str, Any] = self.about.build(self.operations)
        return made

    @cached_property
    def environment(self) -> Environment:
        # Imported here: a server starts faster without it, and most never show a page.
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

        made = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        made.filters |= {"marked": marked, "cell": cell, "pretty": pretty}
        return made

    def render(self, template: str, **given: Any) -> str:
        common = {
            "version": deskbell.__version__,
            "introduction": self.about.INTRODUCTION.split("\n\n"),
            "scopes": self.access,
            "title": self.title,
            "heading": self.heading,
            "place": self.place,
            "variable": self.variable,
            "first": self.first,
            "catalogue": CATALOGUE,
            "event_types": EVENT_TYPES,
            "base": BASE,
        }
        return self.environment.get_template(template).render(common | given)

    def document(self) -> str:
        """`/openapi.json` or `/openapi-agents.json`."""
        return pretty(self.specification) + "\n"

    def page(self) -> str:
        """`/docs`."""
        return self.render("operations.html", sections=self.sections())

    def error_page(self) -> str:
        """`/docs/errors`."""
        return self.render("errors.html", errors=self.errors(), title="Errors")

    def style(self) -> str:
        return (TEMPLATES / "style.css").read_text(encoding="utf-8")

    def for_models(self, agent_sections: list[dict[str, Any]]) -> str:
        """`/llms.txt`: what this is, in the few lines that a language model needs to start."""
        return self.render("llms.txt", sections=self.sections(), agent_sections=agent_sections)

    def outputs(self) -> dict[str, str]:
        """The files in the repository."""
        return {
            f"{FOLDER}/openapi.json": self.document(),
            f"{FOLDER}/operations.md": self.render("operations.md", sections=self.sections()),
            f"{FOLDER}/errors.md": self.render("errors.md", errors=self.errors()),
            f"{FOLDER}/events.md": self.render("events.md"),
        }

    def errors(self) -> list[dict[str, Any]]:
        """Each code of the catalogue with its envelope."""
        examples = self.specification["components"]["examples"]
        return [
            {"code": code, "phrase": HTTPStatus(entry.status).phrase, "envelope": examples[code]["value"]}
            | entry._asdict()
            for code, entry in CATALOGUE.items()
        ]

    def sections(self) -> list[dict[str, Any]]:
        """The operations by slice."""
        found = []
        for tag in self.specification["tags"]:
            inside = [operation for operation in self.operations if openapi.tag(operation) == tag["name"]]
            records = dict.fromkeys(kind.__name__ for operation in inside for kind in schemas.within(operation.record))
            found.append(
                {
                    "name": tag["name"],
                    "description": tag["description"],
                    "operations": [self.described(operation) for operation in inside],
                    "records": [self.record(name) for name in records],
                }
            )
        return found

    def record(self, name: str) -> dict[str, Any]:
        schema = self.specification["components"]["schemas"][name]
        return {"name": name, "description": schema.get("description", ""), "rows": rows(schema)}

    def scope(self, operation: Operation) -> str:
        """What a key needs, in words."""
        return f"scope `{operation.scope}`"

    def described(self, operation: Operation) -> dict[str, Any]:
        """What a reader wants to know about one operation."""
        made = self.specification["paths"][operation.path][operation.method.lower()]
        given = [each for each in made.get("parameters", []) if "schema" in each]
        content = made.get("requestBody", {}).get("content", {}).get("application/json", {})
        body = self.specification["components"]["schemas"][content["schema"]["$ref"].split("/")[-1]] if content else {}
        success = made["responses"][str(operation.status)]["content"]
        success = success.get("application/json") or success["text/event-stream"]
        return {
            "name": operation.name,
            "method": operation.method,
            "path": operation.path,
            "scope": self.scope(operation),
            "summary": made["summary"],
            "description": paragraphs(operation.description.removeprefix(made["summary"] + ".")),
            "record": operation.record.__name__,
            "lists": operation.lists,
            "is_stream": operation.is_stream,
            "parameters": [row(each["name"], each["schema"], each.get("required", False), each) for each in given],
            "body": rows(body) if body else [],
            "curl": curl(operation, given, content.get("example"), self.variable),
            "repeatable": not (operation.is_read or operation.is_external),
            "status": operation.status,
            "phrase": HTTPStatus(operation.status).phrase,
            "answer": success["example"],
            "errors": self.about.errors(operation),
        }


class AgentReference(Reference):
    """The same of the agent API."""

    about = openapi_agents
    title, heading, place = "Agents", "Agent API", "/docs/agents"
    variable, first = "DESKBELL_AGENT_KEY", "/v1/agents"
    access = openapi_agents.ACCESS

    def scope(self, operation: Operation) -> str:
        return openapi_agents.allowed(operation)

    def outputs(self) -> dict[str, str]:
        return {
            f"{FOLDER}/openapi-agents.json": self.document(),
            f"{FOLDER}/agents.md": self.render("operations.md", sections=self.sections()),
        }


BASE = f"http://{Settings().host}:{Settings().port}"


def curl(operation: Operation, parameters: list[dict[str, Any]], body: Any, variable: str) -> str:
    """The operation as a command, with the key in an environment variable."""
    path = operation.path
    for each in parameters:
        if each["in"] == "path":
            path = path.replace("{" + each["name"] + "}", str(each["schema"]["examples"][0]))
    parts = ["curl " + ("" if operation.is_read or body else f"-X {operation.method} ") + BASE + path]
    parts.append(f'-H "Authorization: Bearer ${variable}"')
    if body:
        parts[0] = f"curl {'-X PUT ' if operation.method == 'PUT' else ''}{BASE}{path}"
        parts += ['-H "Content-Type: application/json"', "-d " + shlex.quote(pretty(body))]
    return " \\\n  ".join(parts)


def paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def rows(schema: Schema) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [row(name, member, name in required, member) for name, member in schema["properties"].items()]


def row(name: str, schema: Schema, required: bool, described: dict[str, Any]) -> dict[str, Any]:
    """A parameter or field in words."""
    default = schema.get("default")
    return {
        "name": name,
        "kind": kind(schema),
        "choices": [choice for choice in schema.get("enum", []) if choice is not None],
        "limits": limits(schema),
        "required": required,
        "default": None if default is None else msgspec.json.encode(default).decode().strip('"'),
        "description": described.get("description", ""),
    }


def kind(schema: Schema) -> str:
    """A type in a word or two: "string", "date and time or null", "list of strings"."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(kind(choice) for choice in schema["anyOf"])
    types: list[str] = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    word = _words.get(schema.get("format", ""), types[0])
    if word == "array":
        inner = schema["items"]
        word = f"list of {kind(inner)}{'' if '$ref' in inner else 's'}"
    return f"{word} or null" if "null" in types else word


def limits(schema: Schema) -> str:
    """A schema's bounds in words; those that every integer has are left out."""
    least, most = schema.get("minimum"), schema.get("maximum")
    least, unit = (least, "") if least is not None else (schema.get("minLength"), " characters")
    most = schema.get("maxLength") if most is None else None if most >= MAX_INTEGER - 1 else most
    if least is not None and most is not None:
        return f"{least} to {most}{unit}"
    if most is not None:
        return f"at most {most}{unit}"
    return f"at least {least}{unit}" if least is not None else ""


def pretty(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def marked(text: str) -> Any:
    """Plain text as HTML: escaped, with `code` in its element."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
