"""deskbell kb: knowledge bases, their documents, and searching them."""

from __future__ import annotations

import contextlib
import mimetypes
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import click
import msgspec

from deskbell.core.context import operator_context
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import Database, Session
from deskbell.foundation.ids import PublicId, new_id
from deskbell.foundation.pagination import Window
from deskbell.knowledge import bases, documents, rules, uploads
from deskbell.knowledge.model import BaseState, Document, DocumentDraft, DocumentWindow, KnowledgeBase, NewKnowledgeBase
from deskbell.knowledge.retrieval.score_calibration import FittedCalibration
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import connected, program, read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table
from deskbell.surfaces.cli.progress import progress_bar

MOST = 100  # rows of a page
PART = 1024 * 1024  # bytes of a file in one transaction
kb_argument = click.argument("base", metavar="KB")


@click.group()
def kb() -> None:
    """Create, fill and search knowledge bases. KB is the id of a knowledge base."""


@kb.command()
@click.option("--org", "organization", metavar="ORG", required=True)
@click.option("--name", required=True, help="The knowledge base's name; agents show it with their sources.")
@click.option("--description", help="What it is for.")
@as_json
@click.pass_obj
def create(settings: Settings, organization: str, name: str, description: str | None, as_json: bool) -> None:
    """Create an empty knowledge base."""
    if not name.strip():
        raise click.BadParameter("must not be blank", param_hint="--name")

    async def unit(session: Session) -> KnowledgeBase:
        ctx = await lookups.context(session, organization)
        return await bases.create_base(ctx, NewKnowledgeBase(name=name, description=description))

    made = write(settings, unit)
    if as_json:
        show_json(made)
    else:
        show_record(made)
        click.echo(f"\nAdd documents: {program(settings)} kb add {made.id} FILE_OR_URL...")


@kb.command()
@kb_argument
@click.argument("sources", metavar="FILE_OR_URL...", nargs=-1, required=True)
@click.option("--feed", is_flag=True, help="Treat the URLs as feeds, each entry of which becomes a document.")
@as_json
@click.pass_obj
def add(settings: Settings, base: str, sources: tuple[str, ...], feed: bool, as_json: bool) -> None:
    """Add files and web pages, and wait until they are indexed. Exits with status 1 if one of them fails."""
    from deskbell.surfaces.cli.indexing import wait

    with connected(settings) as connection:
        owner = connection.read(partial(lookups.organization_of_base, id=base))
        added = [put(connection, settings, owner, base, source, feed=feed) for source in sources]
        with progress(added, shown=not as_json) as watch:
            done = wait(settings, connection, owner, [document.id for document in added], watch)
    if as_json:
        show_json(done[0] if len(done) == 1 else {"id": base, "documents": done})
    else:
        show_table(done, ("id", "file_name", "status", "chunk_count"), nothing="")
    if failed := [document for document in done if document.status == "failed"]:
        for document in failed:
            click.echo(f"{document.file_name}: {document.error}", err=True)
        sys.exit(1)


def put(
    connection: CommandConnection, settings: Settings, owner: str, base: str, source: str, *, feed: bool
) -> Document:
    """Stores a file or an address and queues its indexing."""
    if re.match(r"https?://", source, re.IGNORECASE):
        url = rules.validate_url("url", source)
        draft = DocumentDraft("feed" if feed else "url", url, url=url)
    else:
        draft = upload(connection, owner, Path(source), settings.upload_mib)

    async def unit(session: Session) -> Document:
        return await documents.put_document(await operator_context(session, owner), base, draft)

    return connection.write(unit)


def upload(connection: CommandConnection, owner: str, file: Path, most: int) -> DocumentDraft:
    """A file's bytes, stored in parts that keep a running server waiting for none of them."""
    if not file.is_file():
        raise click.ClickException(f"There is no file {file}.")
    size = file.stat().st_size
    if size > most * 1024 * 1024:
        raise click.ClickException(f"{file} is larger than {most} MiB; DESKBELL_UPLOAD_MIB sets the limit.")
    if not size:
        raise click.ClickException(f"{file} is empty.")
    id = new_id()
    kind = mimetypes.guess_type(file.name)[0]
    with file.open("rb") as content:
        for number, part in enumerate(iter(partial(content.read, PART), b"")):
            connection.write(partial(store, owner=owner, upload_id=id, number=number, part=part))
    return DocumentDraft("file", rules.file_name(file.name), media_type=kind, upload_id=id, bytes=size)


async def store(session: Session, *, owner: str, upload_id: str, number: int, part: bytes) -> None:
    await uploads.store_part(await operator_context(session, owner), upload_id, number, part)


@contextlib.contextmanager
def progress(added: Sequence[Document], *, shown: bool) -> Iterator[Any]:
    """A progress bar for all documents, on a terminal only."""
    label = added[0].file_name[-60:] if len(added) == 1 else f"{len(added)} documents"
    with progress_bar(100 * len(added), label, shown=shown) as bar:

        def watch(found: Sequence[Document]) -> None:
            done = sum(100 if each.status == "failed" else each.progress for each in found)
            bar.update(done - bar.pos)

        yield watch


@kb.command()
@kb_argument
@click.argument("query")
@click.option("--top-k", type=click.IntRange(1, 100), default=5, show_default=True, help="The most results to show.")
@click.option("--explain", is_flag=True, help="Show how each result was ranked.")
@as_json
@click.pass_obj
def search(settings: Settings, base: str, query: str, top_k: int, explain: bool, as_json: bool) -> None:
    """Search a knowledge base by meaning and by keywords, like POST /v1/kb/search."""
    if not query.strip():
        raise click.BadParameter("must not be blank", param_hint="QUERY")
    found, next_ones = search_base(settings, base, query, top_k)
    if as_json:
        from deskbell.knowledge.retrieval.results import result_of

        results = [result_of(position, each, with_ranks=explain) for position, each in enumerate(found)]
        show_json({"id": base, "results": results, "suggestedFollowUps": next_ones})
        return
    for each in found:
        page = f", page {each.page}" if each.page else ""
        click.secho(f"{each.score:.2f}  {each.source}{page}  {' > '.join(each.headings)}".rstrip(), bold=True)
        if explain:
            hit = each.hit
            click.echo(f"      keyword {hit.keyword_rank or '-'} ({hit.keyword_score:.2f})  ", nl=False)
            meaning = "-" if hit.semantic_score is None else f"{hit.semantic_score:.3f}"
            click.echo(f"meaning {hit.semantic_rank or '-'} ({meaning})  fused {hit.fused:.3f}")
        click.echo(f"      {' '.join(each.text.split())[:400]}\n")
    if not found:
        click.echo("Nothing found.")


def search_base(settings: Settings, base: str, query: str, top_k: int) -> tuple[list[Any], list[str]]:
    """The passages, and what could be asked next."""
    from deskbell.knowledge.retrieval.search import next_questions
    from deskbell.knowledge.retrieval.search import search as searched
    from deskbell.knowledge.slice import embedder_of, search_service

    async def run(database: Database, owner: str) -> tuple[list[Any], list[str]]:
        knowledge = search_service(settings, database, embedder_of(settings))
        found = await searched(knowledge, owner, [base], query, top_k)
        return found, await next_questions(knowledge, owner, query, found)

    with connected(settings) as connection:
        owner = connection.read(partial(lookups.organization_of_base, id=base))
        return connection.run(run(connection.database, owner))


@kb.command()
@kb_argument
@as_json
@click.pass_obj
def status(settings: Settings, base: str, as_json: bool) -> None:
    """Show a knowledge base and the state of its documents."""

    async def unit(session: Session) -> tuple[KnowledgeBase, BaseState, list[Document]]:
        ctx = await operator_context(session, await lookups.organization_of_base(session, id=base))
        found: list[Document] = []
        id = cast(PublicId, base)
        while page := (
            await documents.list_documents(ctx, id, DocumentWindow(limit=MOST, offset=len(found)))
        ).documents:
            found += page
        return await bases.get_base(ctx, id), await bases.state_of_base(ctx, id), found

    shown, state, inside = read(settings, unit)
    fitted = msgspec.json.decode(state.calibration, type=FittedCalibration) if state.calibration else None
    meaning = {"embedder": state.embedder, "headingsFitted": fitted.headings if fitted else 0}
    if as_json:
        show_json({**msgspec.to_builtins(shown), **meaning, "documents": inside})
        return
    show_record(shown)
    click.echo(f"\nSearched by keywords{meant(state, fitted)}.")
    click.echo()
    show_table(
        inside, ("id", "file_name", "status", "progress", "chunk_count", "error"), nothing="It has no documents yet."
    )


def meant(state: BaseState, fitted: FittedCalibration | None) -> str:
    """What else a knowledge base is searched by, and how its scores are calibrated."""
    if state.embedder is None:
        return " only"
    curve = f"; scores are calibrated with {fitted.headings} headings" if fitted and fitted.headings else ""
    return f" and by {state.embedder}{curve}"


@kb.command(name="list")
@click.option("--org", "organization", metavar="ORG", required=True)
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List an organization's knowledge bases, newest first."""

    async def unit(session: Session) -> list[KnowledgeBase]:
        ctx = await lookups.context(session, organization)
        found: list[KnowledgeBase] = []
        while page := (await bases.list_bases(ctx, Window(limit=MOST, offset=len(found)))).knowledge_bases:
            found += page
        return found

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        columns = ("id", "name", "document_count", "ready_count", "failed_count", "chunk_count")
        show_table(found, columns, nothing="This organization has no knowledge bases yet.")
