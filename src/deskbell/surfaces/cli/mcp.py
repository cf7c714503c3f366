"""deskbell mcp: the tools for AI clients that start a local program, and the configuration of such clients."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import click

from deskbell.settings import Settings
from deskbell.surfaces.cli.loopback import address_of

if TYPE_CHECKING:
    from deskbell.surfaces.mcp.remote import RemoteConnection

PLACEHOLDER = "brk_YOUR_API_KEY"


class NotConfigured(click.ClickException):
    """A missing or wrong environment variable: one line, and the exit status of a usage error."""

    exit_code = 2


@click.group(invoke_without_command=True)
@click.pass_context
def mcp(ctx: click.Context) -> None:
    """Serve the tools to an AI client on standard input and output (MCP).

    Calls are forwarded to the Deskbell at BRIGHTLY_API_URL (or DESKBELL_URL; default http://127.0.0.1:8000), with the API key in
    BRIGHTLY_API_KEY (or DESKBELL_KEY). Clients start this command themselves: `deskbell mcp config` prints the configuration.
    """
    if ctx.invoked_subcommand is None:
        run()


def run() -> None:
    """Serves until the client closes standard input."""
    import asyncio

    from deskbell.surfaces.mcp.remote import RemoteConnection

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="deskbell mcp: %(message)s")
    try:
        remote = RemoteConnection()
    except ValueError as error:
        raise NotConfigured(worded(str(error))) from None
    try:
        asyncio.run(serve(remote))
    except KeyboardInterrupt:
        return


async def serve(remote: RemoteConnection) -> None:
    from deskbell.app import OPERATIONS
    from deskbell.core.tools.tool import tools_of
    from deskbell.surfaces.mcp.stdio import StdioServer

    try:
        await StdioServer(remote.tools(tools_of(OPERATIONS)), sys.stdin.fileno(), exclusive_output()).serve()
    finally:
        await remote.close()


def exclusive_output() -> BinaryIO:
    """Standard output for messages only: from now on, everything else that is printed goes to standard error."""
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(kept, "wb")


def worded(complaint: str) -> str:
    if complaint.startswith("No API key"):
        return "BRIGHTLY_API_KEY is not set: set it to an API key (`deskbell key create`) in the environment of `deskbell mcp`."
    return f"{complaint} (BRIGHTLY_API_KEY, BRIGHTLY_API_URL)."


class ClientConfig(NamedTuple):
    """An AI client: its name, where its configuration is, and what to write there for the server at a URL."""

    title: str
    place: str
    snippet: Callable[[str], dict[str, Any]]


def program() -> list[str]:
    """How to start Deskbell, by absolute paths: desktop programs do not have a shell's PATH."""
    beside = Path(sys.executable).with_name("deskbell")
    return [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-m", "deskbell"]


def started(url: str) -> dict[str, Any]:
    """For clients that start a program and talk to it."""
    command, *arguments = program()
    environment = {"BRIGHTLY_API_KEY": PLACEHOLDER, "BRIGHTLY_API_URL": url}
    return {"mcpServers": {"deskbell": {"command": command, "args": [*arguments, "mcp"], "env": environment}}}


def connected(url: str, authorization: str) -> dict[str, Any]:
    return {"type": "http", "url": f"{url}/mcp", "headers": {"Authorization": authorization}}


def claude_code(url: str) -> dict[str, Any]:
    """The file is shared by a team, so the key comes from each person's environment."""
    return {"mcpServers": {"deskbell": connected(url, "Bearer ${BRIGHTLY_API_KEY}")}}


def vscode(url: str) -> dict[str, Any]:
    """The editor asks for the key once and remembers it."""
    asked = {"type": "promptString", "id": "deskbell-key", "description": "Deskbell API key", "password": True}
    return {"inputs": [asked], "servers": {"deskbell": connected(url, "Bearer ${input:deskbell-key}")}}


CLIENTS = {
    "claude-desktop": ClientConfig(
        "Claude Desktop", "Settings > Developer > Edit Config (claude_desktop_config.json)", started
    ),
    "claude-code": ClientConfig(
        "Claude Code", ".mcp.json in your project, with BRIGHTLY_API_KEY in the environment", claude_code
    ),
    "cursor": ClientConfig("Cursor", "~/.cursor/mcp.json, or .cursor/mcp.json in your project", started),
    "vscode": ClientConfig("VS Code", ".vscode/mcp.json in your project", vscode),
}


@mcp.command()
@click.argument("client", required=False, type=click.Choice(list(CLIENTS)))
@click.option(
    "--url",
    envvar=["DESKBELL_URL", "BRIGHTLY_API_URL"],
    help="The address of Deskbell. Default: where this machine serves it.",
)
@click.pass_obj
def config(settings: Settings, client: str | None, url: str | None) -> None:
    """Print the configuration of an AI client; without CLIENT, of every client.

    The configuration is printed to standard output; where to put it, to standard error.
    """
    address = (url or address_of(settings.host, settings.port)).rstrip("/").removesuffix("/mcp")
    if not address.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://", param_hint="--url")
    for name in [client] if client else list(CLIENTS):
        shown = CLIENTS[name]
        click.echo(f"{shown.title}: {shown.place}", err=True)
        click.echo(json.dumps(shown.snippet(address), indent=2))
