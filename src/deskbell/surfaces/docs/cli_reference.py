"""The reference of settings and commands, from their declarations."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from textwrap import dedent

import click
import msgspec

from deskbell.foundation.json import unwrapped
from deskbell.settings import Settings


def outputs(folder: str) -> dict[str, str]:
    return {f"{folder}/settings.md": settings(), f"{folder}/cli.md": commands()}


def settings() -> str:
    """A table of the environment variables."""
    lines = [
        "# Settings",
        "",
        "Settings are environment variables. All of them have defaults.",
        "",
        "| variable | type | default | meaning |",
        "|---|---|---|---|",
    ]
    meaning = meanings()
    for field in msgspec.structs.fields(Settings):
        default = msgspec.json.encode(field.default).decode() if field.default != "" else ""
        shown = f"`{default.strip(chr(34))}`" if default else "none"
        plain = unwrapped(field.type)[0]
        kind = getattr(plain, "__name__", str(plain))
        lines.append(f"| `DESKBELL_{field.name.upper()}` | {kind} | {shown} | {meaning[field.name]} |")
    return "\n".join(lines) + "\n"


def meanings() -> dict[str, str]:
    """The text below each field of the settings."""
    body = ast.parse(dedent(inspect.getsource(Settings))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                found[name] = " ".join(meaning.split())
    return found


def commands() -> str:
    """Every command's help."""
    from deskbell.surfaces.cli import cli

    lines = ["# Commands", "", "`deskbell COMMAND --help` prints the same text.", ""]
    for path, text in helps(cli, context_of(cli, "deskbell", None)):
        lines += [f"## {path}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The path and help of a command and of all below it."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if below := command.get_command(context, name):
                yield from helps(below, context_of(below, name, context))


def context_of(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """The context in which a command's help is rendered."""
    return click.Context(command, parent, name, terminal_width=100, **command.context_settings)
