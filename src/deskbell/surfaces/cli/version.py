"""deskbell version."""

from __future__ import annotations

import click

from deskbell import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"deskbell {__version__}")
