"""What operators and their tools ask: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import secrets
import time
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Integer, Select, and_, column, func, or_, select, table
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

import deskbell
from deskbell.core.api import CRM
from deskbell.errors import Problem
from deskbell.foundation.db import Database, DatabaseSize, Session, query
from deskbell.foundation.jobs import jobs
from deskbell.foundation.migrations import latest
from deskbell.surfaces.ops.access_log import AccessLog

log = logging.getLogger(__name__)

DATABASE_TIMEOUT = 2.0  # seconds
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

_migrations = table("migrations", column("number", Integer()))


class DatabaseCounts(msgspec.Struct):
    """Jobs by state, and the size of the database in bytes."""

    waiting: int
    failed: int
    size: int


@query(int)
def schema_number() -> Select[Any]:
    return select(func.max(_migrations.c.number))


@query(DatabaseCounts)
def counts() -> Select[Any]:
    last_run_failed = and_(jobs.c.interval_seconds.is_not(None), jobs.c.error.is_not(None))
    failed = func.count().filter(or_(jobs.c.failed_at.is_not(None), last_run_failed))
    waiting = func.count().filter(jobs.c.failed_at.is_(None), jobs.c.interval_seconds.is_(None))
    return select(waiting.label("waiting"), failed.label("failed"), DatabaseSize().label("size")).select_from(jobs)


class Health:
    """Answers `/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, database: Database, access_log: AccessLog, token: str) -> None:
        self.database = database
        self.access_log = access_log
        self.token = token
        self.started = time.time()

    async def alive(self, request: Request) -> Response:
        """The process is running. Does not ask the database."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Whether the database answers in time and has this program's schema; else 503 with the reason."""
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                found = await self.database.read(schema)
        except TimeoutError:
            return unready(f"The database did not answer within {DATABASE_TIMEOUT:g} seconds")
        except Exception as error:
            log.error("not ready: %s", error)
            return unready("The database cannot be read; the server's log says why")
        if found != latest():
            return unready(f"The database has schema version {found}, this program needs {latest()}")
        return JSONResponse({"status": "ok", "schema": found, "version": deskbell.__version__})

    async def metrics(self, request: Request) -> Response:
        """Metrics in the Prometheus text format, for those who may read them."""
        if not self.may_read(request):
            return self.refused()
        lines = [*self.process(), *self.requests(), *await self.stored()]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    def may_read(self, request: Request) -> bool:
        """With a token set, everybody who sends it. Without, this machine only, and not through a proxy on it."""
        if self.token:
            sent = request.headers.getlist("authorization")
            wanted = f"Bearer {self.token}".encode()
            return len(sent) == 1 and secrets.compare_digest(sent[0].encode("latin-1"), wanted)
        return local(request) and not any(name in request.headers for name in FORWARDED)

    def refused(self) -> Response:
        """401 where a token is set, since sending it would help; else 403."""
        if self.token:
            problem, headers = (
                Problem("unauthorized", "Metrics need the bearer token of this server"),
                {"WWW-Authenticate": "Bearer"},
            )
        else:
            problem, headers = Problem("forbidden"), {}
        return Response(CRM.dialect.envelope(problem), problem.status, headers, "application/json")

    def process(self) -> list[str]:
        lines = metric("deskbell_info", "gauge", "The version that runs", {f'{{version="{deskbell.__version__}"}}': 1})
        lines += metric(
            "process_start_time_seconds", "gauge", "When this process began, in Unix seconds", {"": self.started}
        )
        if (memory := resident()) is not None:
            lines += metric("process_resident_memory_bytes", "gauge", "Memory held by this process", {"": memory})
        return lines

    def requests(self) -> list[str]:
        """Requests by operation (`-` is a request that matched none) and status, and the seconds that they took."""
        numbers, taken = dict(self.access_log.requests), dict(self.access_log.seconds)
        by_status, by_operation = {}, dict.fromkeys(taken, 0)
        for (operation, status), number in sorted(numbers.items()):
            by_status[f'{{operation="{operation}",status="{status}"}}'] = number
            by_operation[operation] = by_operation.get(operation, 0) + number
        spent: dict[str, float] = {}
        for operation, number in sorted(by_operation.items()):
            label = f'{{operation="{operation}"}}'
            spent |= {f"_sum{label}": round(taken.get(operation, 0.0), 6), f"_count{label}": number}
        lines = metric("deskbell_requests_total", "counter", "Requests answered", by_status)
        return lines + metric("deskbell_request_seconds", "summary", "Seconds from request to answer", spent)

    async def stored(self) -> list[str]:
        """Metrics from the database; if it does not answer, only that."""
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                found = await self.database.read(count)
        except Exception as error:
            log.error("metrics: %s", error)
            return metric("deskbell_database_up", "gauge", "Whether the database answers", {"": 0})
        states = {'{state="waiting"}': found.waiting, '{state="failed"}': found.failed}
        lines = metric("deskbell_database_up", "gauge", "Whether the database answers", {"": 1})
        lines += metric(
            "deskbell_jobs", "gauge", "Jobs that wait or run, and jobs that have failed permanently", states
        )
        return lines + metric("deskbell_database_bytes", "gauge", "Size of the database", {"": found.size})


def unready(reason: str) -> Response:
    return JSONResponse({"status": "unavailable", "reason": reason}, 503, {"Retry-After": "1"})


async def schema(session: Session) -> int | None:
    return await session.one(schema_number())


async def count(session: Session) -> DatabaseCounts:
    found = await session.one(counts())
    assert found is not None
    return found


def local(request: Request) -> bool:
    """Whether the other end of the connection is on this machine."""
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def metric(name: str, kind: str, meaning: str, samples: dict[str, Any]) -> list[str]:
    """One metric family; each sample is a suffix with its labels, and a number."""
    return [
        f"# HELP {name} {meaning}",
        f"# TYPE {name} {kind}",
        *(f"{name}{at} {each}" for at, each in samples.items()),
    ]


def resident() -> int | None:
    """Bytes of memory that this process uses, on systems with /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
