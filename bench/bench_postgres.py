"""On PostgreSQL, 32 connections: against the FastAPI app on the same server, against SQLite, without the limiter, and two workers."""

from __future__ import annotations

import asyncio
import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import bench_create
import bench_get
import bench_list
import cluster
import common
import reference_fastapi as reference
import seed
from common import Measured, Server
from load import Load
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine
from tests.postgres import ask

from deskbell import app  # noqa: F401  the slices' tables must be known
from deskbell.foundation.postgres.copying import copy

BOUNDS = {"get": 3.0, "list": 2.5, "create": 2.0}
LIMITER = 0.85  # of the throughput without it


def loads(tenant: seed.Tenant) -> dict[str, Load]:
    """Fresh ones for each server: every one of them creates the same leads, in a database of its own."""
    return {
        "get": Load(bench_get.requests(tenant), 200, bench_get.whole),
        "list": Load(bench_list.requests(tenant, "created_at"), 200, bench_list.whole),
        "create": Load(bench_create.requests(tenant), 201, bench_create.stored),
    }


async def fill_reference(url: str, tenant: seed.Tenant) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(reference.Base.metadata.create_all)
        row = {name: seed.organization(tenant)[name] for name in ("id", "name", "country")}
        await connection.execute(insert(reference.Organization), [seed.typed(row)])
        key = seed.key_of(tenant) | {"scopes": [], "active": True, "expires_at": None}
        await connection.execute(insert(reference.ApiKey), [seed.typed(key)])
        leads = map(seed.reference_row, seed.people(tenant))
        while rows := list(islice(leads, 1000)):
            await connection.execute(insert(reference.Lead), rows)
        await connection.execute(insert(reference.Suppression), [seed.typed(row) for row in seed.suppressions(tenant)])
    await engine.dispose()


def seeded(own: cluster.Cluster, file: Path, tenant: seed.Tenant) -> tuple[str, str]:
    """The same organization for Deskbell, moved from a file as an operator would, and for the reference."""
    ours, theirs = own.made("deskbell"), own.made("reference").replace("postgresql:", "postgresql+asyncpg:")
    seed.fill_deskbell(file, [tenant])
    asyncio.run(copy(str(file), ours, lambda table, done, total: None))
    asyncio.run(fill_reference(theirs, tenant))
    for name in ("deskbell", "reference"):
        ask(own.named(name), "VACUUM ANALYZE")
    return ours, theirs


def served(own: cluster.Cluster, file: Path, tenant: seed.Tenant) -> dict[str, Server]:
    ours, theirs = seeded(own, file, tenant)
    for name in ("unlimited", "two"):
        ask(own.url, f"CREATE DATABASE {name} TEMPLATE deskbell")
    unlimited = [sys.executable, str(common.HERE / "serve_unlimited.py"), "serve", "--database", own.named("unlimited")]
    two = [sys.executable, "-m", "deskbell", "serve", "--workers", "2", "--database", own.named("two")]
    return {
        "ours": common.deskbell(ours),
        "FastAPI": common.fastapi(theirs),
        "SQLite": common.deskbell(file),
        "no limiter": Server("no limiter", unlimited),
        "two workers": Server("two workers", two, own=common.cores),
    }


def report(figures: common.Figures, name: str, found: dict[str, Measured]) -> None:
    ours = found["ours"]
    figures.faster(f"{name} on PostgreSQL", ours, "FastAPI", found["FastAPI"], BOUNDS[name])
    figures.faster(f"{name} on PostgreSQL", ours, "without limiter", found["no limiter"], LIMITER)
    figures.faster(f"{name} on PostgreSQL", ours, "SQLite", found["SQLite"], None)
    figures.faster(f"{name}, two workers", found["two workers"], "one", ours, None)
    behind = ", ".join(f"{who} {each.behind:,.0f} us" for who, each in found.items() if who != "SQLite")
    print(f"  PostgreSQL's own processor time per answer: {behind}")


def bench(figures: common.Figures, data: seed.Data) -> None:
    with cluster.cluster() as own, TemporaryDirectory() as folder:
        servers = served(own, Path(folder, "deskbell.db"), data.medium)
        ready = {who: loads(data.medium) for who in servers}
        for name in BOUNDS:
            pairs = [(server, ready[who][name]) for who, server in servers.items()]
            report(figures, name, dict(zip(servers, common.alternate(pairs, behind=own.cpu), strict=True)))
        for server in servers.values():
            server.stop()


if __name__ == "__main__":
    common.main(bench)
