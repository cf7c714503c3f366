"""Fifty of an organization's 5,000 matching leads, sorted, with the exact total, 32 connections: against the FastAPI app."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import common
import seed
from load import Load, Request, request


def requests(tenant: seed.Tenant, sort: str) -> Iterator[Request]:
    """The first twenty pages at random."""
    chance = random.Random(2)
    while True:
        page = chance.randrange(20) + 1
        path = f"/api/v1/leads?status=new&sort_by={sort}&page={page}&limit=50"
        yield Request(request("GET", path, tenant.key), (sort, page))


def whole(body: Any, wanted: tuple[str, int]) -> bool:
    sort, page = wanted
    values = [(lead[sort].casefold(), lead["id"]) for lead in body["data"]]
    return (
        len(values) == 50
        and values == sorted(values, reverse=True)
        and all(lead["status"] == "new" for lead in body["data"])
        and body["meta"] == {"page": page, "limit": 50, "total": seed.MEDIUM // 2, "total_pages": seed.MEDIUM // 100}
    )


def bench(figures: common.Figures, data: seed.Data) -> None:
    ours, orm = common.deskbell(data.deskbell), common.fastapi(data.reference)
    for sort, bound in (("created_at", 14), ("last_name", 9)):
        load = Load(requests(data.medium, sort), 200, whole)
        deskbell, fastapi = common.alternate([(ours, load), (orm, load)])
        figures.faster(f"list 50 of 5k leads by {sort}", deskbell, "FastAPI", fastapi, bound)


if __name__ == "__main__":
    common.main(bench)
