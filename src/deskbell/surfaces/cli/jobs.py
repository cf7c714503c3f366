"""deskbell jobs: the work that runs in the background."""

from __future__ import annotations

import click
import msgspec

from deskbell.app import JOB_KINDS
from deskbell.foundation import clock, job_control
from deskbell.foundation.clock import Timestamp
from deskbell.foundation.db import Session
from deskbell.foundation.job_control import StoredJob
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_table

ALL = 1_000_000
OVERDUE = 60.0  # seconds after which a due job is late
KINDS = msgspec.json.encode(sorted(JOB_KINDS)).decode()
COLUMNS = ("id", "state", "kind", "organization", "due", "attempts", "error")


class ListedJob(msgspec.Struct):
    """A job as it is shown; `error` is the last line of what went wrong."""

    id: str
    state: str
    kind: str
    organization: str | None
    due: Timestamp
    attempts: int
    error: str
    created: Timestamp
    failed: Timestamp | None
    last_run: Timestamp | None
    interval_seconds: int | None


@click.group()
def jobs() -> None:
    """List, retry and drop jobs, the work that runs in the background."""


@jobs.command("list")
@click.option("--failed", "failed_only", is_flag=True, help="Only those that have failed for good.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Jobs shown at most.")
@as_json
@click.pass_obj
def list_jobs(settings: Settings, failed_only: bool, limit: int, as_json: bool) -> None:
    """Show jobs: failed ones first, then by when they are due.

    The state is failed, running, waiting, recurring, or unknown: this version of Deskbell cannot do a job of that kind, and keeps it.
    """

    async def unit(session: Session) -> list[StoredJob]:
        found = await session.all(job_control.failed_jobs(limit))
        return found if failed_only else found + await session.all(job_control.live_jobs(limit - len(found)))

    found = [listed(job) for job in read(settings, unit)]
    if as_json:
        show_json(found)
    else:
        show_table(found, COLUMNS, nothing="No job has failed." if failed_only else "There are no jobs.")


@jobs.command()
@click.argument("id", required=False)
@click.option("--all-failed", is_flag=True, help="Every job that has failed.")
@click.pass_obj
def retry(settings: Settings, id: str | None, all_failed: bool) -> None:
    """Make a job due now, with fresh attempts. Do this once the cause of a failure is removed."""
    if (id is None) != all_failed:
        raise click.UsageError("Give the ID of a job, or --all-failed.")

    async def unit(session: Session) -> tuple[list[StoredJob], list[StoredJob]]:
        found = await session.all(job_control.failed_jobs(ALL)) if id is None else [await find(session, id)]
        done = [job for job in found if await job_control.retry(session, job)]
        return done, [job for job in found if job not in done]

    done, rest = write(settings, unit)
    for job in done:
        click.echo(f"due now: {named(job)}")
    for job in rest:
        click.echo(
            f"skipped: {named(job)}: a newer job does the same work; `deskbell jobs drop {job.id}` deletes this one"
        )
    if not done and not rest:
        click.echo("No job has failed.")


@jobs.command()
@click.argument("id")
@click.pass_obj
def drop(settings: Settings, id: str) -> None:
    """Delete a job without doing its work. A recurring one comes back at the next start of a server."""

    async def unit(session: Session) -> StoredJob:
        job = await find(session, id)
        await session.run(job_control.delete_job(job.id))
        return job

    click.echo(f"dropped: {named(write(settings, unit))}")


async def find(session: Session, id: str) -> StoredJob:
    """The job with this id, which does not run at present."""
    job = await session.one(job_control.job_row(lookups.id_of("job", id)))
    if job is None:
        raise click.ClickException(f"No job has the id {id}; `deskbell jobs list` shows all.")
    if job.is_running():
        raise click.ClickException(
            f"This job runs at present: {named(job)}. Wait until it has ended, or stop the server."
        )
    return job


def named(job: StoredJob) -> str:
    """A job in a line: kind, id, organization and what went wrong."""
    words = [job.kind, job.id, *([f"of organization {job.organization_id}"] if job.organization_id else [])]
    return " ".join(words) + (f" ({job.last_line()})" if job.error else "")


def listed(job: StoredJob) -> ListedJob:
    return ListedJob(
        id=job.id,
        state=job.state(JOB_KINDS),
        kind=job.kind,
        organization=job.organization_id,
        due=job.due_at[:19] + "Z",
        attempts=job.attempts,
        error=job.last_line(),
        created=job.created_at,
        failed=job.failed_at,
        last_run=job.ran_at,
        interval_seconds=job.interval_seconds,
    )


async def count_jobs(session: Session) -> job_control.Counts:
    """How many jobs there are of all organizations."""
    counts = await session.one(job_control.job_counts(KINDS, clock.seconds_from_now(-OVERDUE)))
    assert counts is not None
    return counts


async def jobs_of_unknown_kinds(session: Session) -> list[job_control.StoredJob]:
    """Some of the jobs that this version has no handler for."""
    return await session.all(job_control.unknown_jobs(KINDS, 100))
