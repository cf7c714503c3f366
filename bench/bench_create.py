"""A new lead, durable, 32 connections: against the FastAPI app, and against our own path committing each write by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import common
import seed
from load import Load, Request, request

SLOW = 4.0  # milliseconds


def requests(tenant: seed.Tenant) -> Iterator[Request]:
    """Leads with numbers and addresses that nobody has yet."""
    for number in count(1):
        lead = {
            "first_name": "Maria",
            "last_name": f"Lopez {number}",
            "phone": f"(713) {200 + number // 10_000:03d}-{number % 10_000:04d}",
            "email": f"maria.{number}@example.org",
            "address_street": f"{number} Cedar Street",
            "city": "Houston",
            "state": "TX",
            "zip": "77001",
            "temperature": "hot",
            "notes": "Asked for an estimate of a new roof; call after five.",
            "tags": ["roof"],
            "custom_fields": {"roof_age": number % 40},
        }
        yield Request(request("POST", "/api/v1/leads", tenant.key, lead), lead)


def stored(body: Any, sent: dict[str, Any]) -> bool:
    lead = body["data"]
    digits = "+1" + "".join(c for c in sent["phone"] if c.isdigit())
    return (
        lead["phone"] == digits
        and lead["email"] == sent["email"]
        and lead["sms_opted_out"] is False
        and lead["id"] > ""
    )


def fsync_ms(folder: Path) -> float:
    """The median time that this disk takes to make a 4 KiB append durable."""
    times = []
    with open(folder / "fsync", "wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


@contextlib.contextmanager
def copies(data: seed.Data) -> Iterator[Path]:
    """A folder with a file of its own for each server."""
    with tempfile.TemporaryDirectory(dir=seed.KEPT) as name:
        folder = Path(name)
        shutil.copy(data.reference, folder / "reference.db")
        for copy in ("batched", "single", "slow", "slow-single"):
            shutil.copy(data.deskbell, folder / f"{copy}.db")
        yield folder


def bench(figures: common.Figures, data: seed.Data) -> None:
    with copies(data) as folder:
        print(f"this disk's fsync takes {fsync_ms(folder):.2f} ms")
        servers = [
            common.deskbell(folder / "batched.db"),
            common.fastapi(folder / "reference.db"),
            common.deskbell(folder / "single.db", batch=1),
            common.deskbell(folder / "slow.db", fsync_ms=SLOW),
            common.deskbell(folder / "slow-single.db", batch=1, fsync_ms=SLOW),
        ]
        loads = [(server, Load(requests(data.medium), 201, stored)) for server in servers]
        batched, fastapi, single, slow, slow_single = common.alternate(loads)
        for server in servers:
            server.stop()
    figures.faster("create a lead", batched, "FastAPI", fastapi, 11)
    figures.faster("create a lead", batched, "a commit each", single, 2)
    figures.faster(f"create a lead, fsync {SLOW:g} ms", slow, "a commit each", slow_single, 5)


if __name__ == "__main__":
    common.main(bench)
