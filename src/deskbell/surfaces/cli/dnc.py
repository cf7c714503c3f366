"""deskbell dnc: numbers that must not be called or texted."""

from __future__ import annotations

import csv
import os
from collections.abc import Awaitable, Callable
from functools import partial

import click

from deskbell.compliance import suppressions
from deskbell.core.context import Context
from deskbell.errors import Problem
from deskbell.foundation.contact import e164
from deskbell.foundation.db import Session
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import connected
from deskbell.surfaces.cli.output import as_json, show_json

CHUNK = 100  # numbers per transaction, so that a running server never waits long
Line = tuple[str, str]  # the line of a number (empty on the command line), and the number as written
Change = Callable[[Context, str], Awaitable[None]]

org_option = click.option("--org", "organization", metavar="ORG", required=True)
numbers_argument = click.argument("given", metavar="NUMBER_OR_FILE")


@click.group()
def dnc() -> None:
    """Maintain the do-not-call list. Entries belong to numbers and do not depend on leads.

    A file has one number per line, or is a CSV file with the numbers in its first column.
    """


@dnc.command()
@org_option
@numbers_argument
@as_json
@click.pass_obj
def add(settings: Settings, organization: str, given: str, as_json: bool) -> None:
    """Add a number, or every number in a file, to the list."""
    change(settings, organization, given, suppressions.add_to_dnc_list, True, ("added", "already there"), as_json)


@dnc.command()
@org_option
@numbers_argument
@as_json
@click.pass_obj
def remove(settings: Settings, organization: str, given: str, as_json: bool) -> None:
    """Remove a number, or every number in a file, from the list. Opt-outs by STOP stay in force."""
    change(settings, organization, given, suppressions.remove_from_dnc_list, False, ("removed", "not there"), as_json)


def change(
    settings: Settings, organization: str, given: str, act: Change, listed: bool, words: tuple[str, str], as_json: bool
) -> None:
    """Changes what it can, reports the lines without a phone number, and then ends with status 1."""
    lines = lines_of(given)
    changed, bad = 0, list[str]()
    with connected(settings) as connection:
        for start in range(0, len(lines), CHUNK):
            chunk = lines[start : start + CHUNK]
            done, refused = connection.write(
                partial(work, organization=organization, chunk=chunk, act=act, listed=listed)
            )
            changed += done
            bad += refused
    unchanged = len(lines) - changed - len(bad)
    if as_json:
        show_json({words[0].replace(" ", "_"): changed, words[1].replace(" ", "_"): unchanged, "bad": bad})
    else:
        click.echo(f"{changed} {words[0]}, {unchanged} {words[1]}")
    for line in bad:
        click.echo(line, err=True)
    if bad:
        click.get_current_context().exit(1)


async def work(
    session: Session, organization: str, chunk: list[Line], act: Change, listed: bool
) -> tuple[int, list[str]]:
    """How many entries of the list changed, and a complaint for each line without a number."""
    ctx = await lookups.context(session, organization)
    changed, bad = 0, []
    for place, written in chunk:
        try:
            phone = e164(written, ctx.country)
        except Problem:
            known = (
                "is not a phone number"
                if place or not has_letters(written)
                else "is not a phone number, and there is no such file"
            )
            bad.append(f"{place}{written!r} {known}")
            continue
        if ((await suppressions.suppression_status(ctx, phone)).on_dnc_at is not None) != listed:
            await act(ctx, phone)
            changed += 1
    return changed, bad


def has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def lines_of(given: str) -> list[Line]:
    """A file's numbers with their lines, or the one number given. A first line without digits is a heading."""
    if not os.path.isfile(given):
        return [("", given)]
    with open(given, encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file)
        try:
            cells = [(rows.line_num, row[0].strip()) for row in rows if row and row[0].strip()]
        except csv.Error as error:
            raise click.ClickException(f"{given}, line {rows.line_num}: {error}. Nothing was changed.") from None
    if cells and not any(character.isdigit() for character in cells[0][1]):
        del cells[0]
    return [(f"{given}, line {number}: ", text) for number, text in cells]
