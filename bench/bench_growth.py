"""What a request costs as the installation grows: 200 organizations with 10,000, 100,000 and 1,000,000 leads in all, on both databases.

The organization that is measured keeps 5,000 leads. Each size has a database and a server of its own, and they take turns. What
counts is the processor time per answer, of the server and of PostgreSQL: it says what growth costs where the rate also says what
else the machine was doing. The rate is printed beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import os
import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bench_create
import bench_get
import cluster
import common
import seed
from common import Server
from load import Load, Request, request
from tests.postgres import ask

from deskbell import app  # noqa: F401  the slices' tables must be known
from deskbell.foundation import sqlite
from deskbell.foundation.postgres.copying import copy
from deskbell.foundation.sqlite import search
from deskbell.leads.store import leads

BOUNDS = {"get": 1.2, "list": 1.5, "create": 1.3}
SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "10000,100000,1000000").split(",")]
OWN, ORGANIZATIONS = 5_000, 200

_names = ", ".join(column.name for column in leads.columns if column.name != "organization_id")


def spread(own: seed.Tenant, size: int) -> list[str]:
    """Statements for either database: every other organization gets its share of the measured one's leads, under its own name.

    They come in turns, as over the years, so that an organization's rows lie apart. 7919 scatters the places (it is prime).
    """
    each = (size - OWN) // (ORGANIZATIONS - 1)
    return [
        f"""CREATE TEMP TABLE first AS SELECT row_number() OVER (ORDER BY id) AS place, {_names}
            FROM leads WHERE organization_id = '{own.id}'""",
        "DELETE FROM leads",
        f"""INSERT INTO leads (organization_id, {_names})
            SELECT owner, {_names} FROM first CROSS JOIN (SELECT id AS owner FROM organizations) AS owners
            WHERE owner = '{own.id}' OR place * 7919 % {OWN} < {each} ORDER BY place, owner""",
    ]


def base(file: Path, own: seed.Tenant, writer: seed.Tenant) -> None:
    """A file with all organizations, and leads of the measured one."""
    seed.fill_deskbell(file, [own, writer])
    connection = sqlite.connect(str(file))
    with connection:
        others = (seed.organization(seed.tenant(f"other {n}", 0)) for n in range(ORGANIZATIONS - 2))
        seed.add(connection, "organizations", others)
    connection.close()


def grown_file(file: Path, grown: Path, own: seed.Tenant, size: int) -> Path:
    shutil.copy(file, grown)
    connection = sqlite.connect(str(grown))
    connection.execute("PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000")
    with connection:
        for text in spread(own, size):
            connection.execute(text)
            search.sync_search_index(connection)
    connection.close()
    return grown


def grown_database(server: cluster.Cluster, own: seed.Tenant, size: int) -> str:
    """The search index is made anew, which is faster than to keep it up."""
    name = f"size{size}"
    ask(server.url, f"CREATE DATABASE {name} TEMPLATE base")
    index = ask(server.named(name), "SELECT pg_get_indexdef('leads_search'::regclass)")[0][0]
    server.run(name, "DROP INDEX leads_search", *spread(own, size), index)
    ask(server.named(name), "VACUUM (ANALYZE, INDEX_CLEANUP ON)")
    return server.named(name)


def listed(body: Any, page: int) -> bool:
    return len(body["data"]) == 50 and body["meta"]["total"] == OWN // 2 and body["meta"]["page"] == page


def pages(tenant: seed.Tenant) -> Iterator[Request]:
    for page in itertools.cycle(range(1, 21)):
        yield Request(request("GET", f"/api/v1/leads?status=new&page={page}&limit=50", tenant.key), page)


def loads(own: seed.Tenant, writer: seed.Tenant) -> dict[str, Load]:
    """Leads are created in another organization, so that the measured one keeps its size."""
    return {
        "get": Load(bench_get.requests(own), 200, bench_get.whole),
        "list": Load(pages(own), 200, listed),
        "create": Load(bench_create.requests(writer), 201, bench_create.stored),
    }


def compare(
    figures: common.Figures,
    kind: str,
    servers: list[Server],
    tenants: tuple[seed.Tenant, seed.Tenant],
    behind: Callable[[], float],
) -> None:
    ready = [loads(*tenants) for _ in servers]
    for name, bound in BOUNDS.items():
        pairs = [(server, each[name]) for server, each in zip(servers, ready, strict=True)]
        small, *grown = common.alternate(pairs, behind=behind)
        for size, measured in zip(SIZES[1:], grown, strict=True):
            ratio = statistics.median(map(operator.truediv, measured.costs, small.costs))  # of neighbours in time
            figures.line(
                f"{kind}: {name} among {size:,} leads",
                f"{measured.rate:,.0f}/s {measured.cpu:,.0f}+{measured.behind:,.0f} us",
                f"{SIZES[0]:,} {small.rate:,.0f}/s {small.cpu:,.0f}+{small.behind:,.0f} us",
                f"{ratio:.2f}x cpu",
                f"within {bound:g}x",
                ratio <= bound,
            )
    for server in servers:
        server.stop()


def bench(figures: common.Figures, data: seed.Data) -> None:
    tenants = own, writer = seed.tenant("growing", OWN), seed.tenant("writing", 40)
    with TemporaryDirectory(dir=seed.KEPT) as name:
        folder = Path(name)
        base(folder / "base.db", own, writer)
        files = [grown_file(folder / "base.db", folder / f"{size}.db", own, size) for size in SIZES]
        compare(figures, "SQLite", [common.deskbell(file) for file in files], tenants, lambda: 0.0)
        with cluster.cluster() as server:
            asyncio.run(copy(str(folder / "base.db"), server.made("base"), lambda table, done, total: None))
            places = [grown_database(server, own, size) for size in SIZES]
            compare(figures, "PostgreSQL", [common.deskbell(place) for place in places], tenants, server.cpu)


if __name__ == "__main__":
    common.main(bench)
