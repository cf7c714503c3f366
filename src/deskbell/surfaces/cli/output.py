"""Output: one JSON value for scripts, otherwise lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


def show_json(value: Any) -> None:
    """A record, a list of records, or plain values."""
    click.echo(msgspec.json.encode(value).decode())


def show_record(record: msgspec.Struct, **more: Any) -> None:
    """One field per line; what is unset is left out."""
    fields = {name: text(value) for name, value in {**msgspec.structs.asdict(record), **more}.items()}
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        if value:
            click.echo(f"{name:<{width}}  {value}")


def show_table(records: Sequence[msgspec.Struct], columns: Sequence[str], *, nothing: str) -> None:
    """One record per line under its column names, or the line `nothing`."""
    if not records:
        click.echo(nothing)
        return
    rows = [list(columns), *([text(getattr(record, name)) for name in columns] for record in records)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case msgspec.Raw():
            return " ".join(bytes(value).decode().split())
    return str(value)
