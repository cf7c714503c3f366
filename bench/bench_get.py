"""One lead of 100,000 by its id, 32 connections: against the FastAPI app, and against a bare ASGI app on the same file."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import common
from load import Load, Request, request
from seed import Data, Tenant


def requests(tenant: Tenant) -> Iterator[Request]:
    chance = random.Random(1)
    while True:
        id = tenant.leads[int(chance.random() * len(tenant.leads))]
        yield Request(request("GET", f"/api/v1/leads/{id}", tenant.key), id)


def whole(body: Any, id: str) -> bool:
    lead = body["data"]
    return (
        lead["id"] == id and len(lead) == 23 and lead["tags"] == ["roof", "estimate"] and lead["created_at"][-1] == "Z"
    )


def bench(figures: common.Figures, data: Data) -> None:
    tenant = data.large
    bare_command = [sys.executable, *common.UVICORN, "reference_asgi:app"]
    ours = common.deskbell(data.deskbell)
    orm = common.fastapi(data.reference)
    bare = common.Server("bare ASGI", bare_command, DESKBELL_FILE=str(data.deskbell))
    load = Load(requests(tenant), 200, whole)
    deskbell, fastapi, asgi = common.alternate([(ours, load), (orm, load), (bare, load)])
    figures.faster("get one lead of 100k", deskbell, "FastAPI", fastapi, 16)
    figures.faster("get one lead of 100k", deskbell, "bare ASGI", asgi, 0.72)


if __name__ == "__main__":
    common.main(bench)
