"""The event log of a busy business: reads among 1,000,000 events against the same among 10,000, and 200 open streams.

What counts is the processor time per answer. Each lead has ten events; the newest cursors are asked for as often as the oldest. The
streams are measured on the large log: how long after the acknowledgement of a write the last of them has its event, and what it costs
to keep them open.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import common
import seed
from common import Server
from load import Load, Request, request

from deskbell.foundation import sqlite

SIZES = (10_000, int(os.environ.get("BENCH_EVENTS", "1000000")))
BOUND = 1.3
LEADS = 1_000  # that exist; the others of the log were erased
OF_EACH = 10  # events of a lead
RARE = 5  # events of the rarest type
STREAMS, WRITES = 200, 30
IDLE = 10.0  # seconds in which streams are open and nothing happens
TYPES = ["lead.created", "lead.updated", "message.accepted", "message.sent", "message.delivered", "message.received"]
TYPES += ["task.created", "task.updated", "appointment.created", "appointment.updated"]
DATA = '{"id":"%s","first_name":"Maria","notes":"Asked for an estimate of a new roof; call after five."}'


def event_id(number: int) -> str:
    return seed.fixed_uuid("event", number)


def rows(owner: seed.Tenant, size: int) -> Iterator[dict[str, Any]]:
    """A log: the events of a lead lie far apart, a rare type lies among the others."""
    leads = size // OF_EACH
    for number in range(size):
        lead = owner.leads[number % leads] if number % leads < LEADS else seed.fixed_uuid("gone", number % leads)
        rare = number % (size // RARE) == 7
        type = "suppression.added" if rare else TYPES[number // leads % len(TYPES)]
        kind = type.partition(".")[0]
        yield {
            "organization_id": owner.id,
            "position": number + 1,
            "id": event_id(number),
            "type": type,
            "created_at": seed.text(seed.SINCE),
            "principal_type": "api_key",
            "principal_id": seed.fixed_uuid("key", owner.id, 0),
            "principal_name": "bench",
            "channel": "api",
            "request_id": "f00dfeed",
            "lead_id": lead,
            "object_type": kind,
            "object_id": lead if kind == "lead" else seed.fixed_uuid(kind, number),
            "changes": '{"notes":[null,"Asked for an estimate."]}' if type.endswith("updated") else None,
            "data": DATA % lead,
        }


def filled(place: Path, owner: seed.Tenant, size: int) -> Path:
    seed.fill_deskbell(place, [owner])
    connection = sqlite.connect(str(place))
    connection.execute("PRAGMA synchronous=OFF; PRAGMA cache_size=-500000")
    with connection:
        seed.add(connection, "events", rows(owner, size))
    connection.close()
    return place


def asked(owner: seed.Tenant, paths: Iterator[str], wanted: Any) -> Iterator[Request]:
    for path in paths:
        yield Request(request("GET", f"/api/v1{path}", owner.key), wanted)


def many(body: Any, wanted: int) -> bool:
    return len(body["data"]) == wanted


def loads(owner: seed.Tenant, size: int) -> dict[str, Load]:
    places = itertools.cycle(number * 7919 % (size - 200) for number in range(5000))  # 7919 scatters (it is prime)
    after = (f"/events?limit=100&after={event_id(number)}" for number in places)
    leads = itertools.cycle(owner.leads[:LEADS])
    objects = (f"/events?object_id={id}" for id in itertools.cycle(owner.leads[:LEADS]))
    kinds = {
        "100 after a cursor": (after, 100),
        "the latest 50": (itertools.repeat("/events"), 50),
        "a page of a timeline": ((f"/leads/{id}/timeline" for id in leads), OF_EACH),
        "a lead's own events": (objects, 2),
        "50 of all texts": (itertools.repeat("/events?type=message.*"), 50),
        "a type of five events": (itertools.repeat("/events?after=0&type=suppression.*"), RARE),
        "a type without events": (itertools.repeat("/events?after=0&type=grant.*"), 0),
    }
    return {name: Load(asked(owner, paths, wanted), 200, many) for name, (paths, wanted) in kinds.items()}


def compare(figures: common.Figures, owner: seed.Tenant, servers: list[Server]) -> None:
    ready = [loads(owner, size) for size in SIZES]
    for name in ready[0]:
        pairs = [(server, each[name]) for server, each in zip(servers, ready, strict=True)]
        small, large = common.alternate(pairs)
        ratio = statistics.median(map(operator.truediv, large.costs, small.costs))  # of neighbours in time
        bound = name == "100 after a cursor"
        figures.line(
            f"events: {name}, among {SIZES[1]:,}",
            f"{large.rate:,.0f}/s {large.cpu:,.0f} us",
            f"{SIZES[0]:,} {small.rate:,.0f}/s {small.cpu:,.0f} us",
            f"{ratio:.2f}x cpu",
            f"below {BOUND:g}x" if bound else "reported",
            ratio < BOUND if bound else None,
        )


async def opened(port: int, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("GET", "/api/v1/events/stream", key))
    await reader.readuntil(b": after ")
    return reader, writer


async def streams(server: Server, owner: seed.Tenant) -> tuple[list[float], float]:
    """Milliseconds from the acknowledgement of a write to its event in the last stream; percent of a core while nothing happens."""
    followers = [await opened(server.port, owner.key) for _ in range(STREAMS)]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    waits = []
    for number in range(WRITES):
        writer.write(request("POST", "/api/v1/leads", owner.key, {"first_name": f"Stream {number}"}))
        await reader.readuntil(b"}}")
        written = time.perf_counter()
        await asyncio.gather(*(follower.readuntil(b"}}\n\n") for follower, _ in followers))
        waits.append(1000 * (time.perf_counter() - written))
    used = server.cpu()
    await asyncio.sleep(IDLE)
    return waits, 100 * (server.cpu() - used) / IDLE


def bench(figures: common.Figures, data: seed.Data) -> None:
    owner = seed.tenant("eventful", LEADS)
    with TemporaryDirectory(dir=seed.KEPT) as name:
        files = [filled(Path(name) / f"{size}.db", owner, size) for size in SIZES]
        servers = [common.deskbell(file) for file in files]
        compare(figures, owner, servers)
        waits, idle = asyncio.run(streams(servers[1], owner))
        shown = f"p50 {statistics.median(waits):.0f} ms, longest {max(waits):.0f} ms"
        figures.line(
            f"events: in the last of {STREAMS} streams", shown, "after the acknowledgement", "", "reported", None
        )
        figures.line(f"events: {STREAMS} open streams, idle", f"{idle:.1f} % of a core", "", "", "reported", None)


if __name__ == "__main__":
    common.main(bench)
