"""In an organization of 100,000 leads, one request at a time: a filtered page with its total, and searches, against the plain page."""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import common
import seed
from load import Load, Request, request, run

TIMES = 4  # the bound: so many times the plain page
FEW = 500  # matches of a search that the bound is about
chance = random.Random(3)
syllable = [a + b for a in seed.SYLLABLES for b in seed.SYLLABLES]

Kind = Callable[[], tuple[str, Callable[[dict[str, Any]], bool]]]


def few(body: Any) -> bool:
    return 0 < body["meta"]["total"] <= FEW


def plain() -> Any:
    return f"page={chance.randrange(20) + 1}", lambda body: body["meta"]["total"] == seed.LARGE


def filtered() -> Any:
    temperature, page = chance.choice(["hot", "warm", "cold"]), chance.randrange(20) + 1
    return f"temperature={temperature}&page={page}", lambda body: 20_000 < body["meta"]["total"] < 30_000


def newly_filtered() -> Any:
    """Each moment is a new one, so nobody has counted this total before."""
    seconds = chance.randrange(86_400)
    moment = (
        f"2025-11-{chance.randrange(28) + 1:02d}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"
    )
    return f"temperature=hot&created_after={moment}", lambda body: 0 < body["meta"]["total"] < 30_000


def search_name() -> Any:
    """A whole last name, which about 125 leads have."""
    return (
        f"search={chance.choice(syllable)}{chance.choice(seed.SYLLABLES[:2])}s",
        lambda body: 0 < body["meta"]["total"] <= FEW,
    )


def search_phone() -> Any:
    """Eight digits of a number, which a hundred leads share."""
    return f"search=512%20{20000 + chance.randrange(1000)}", few


def search_two_words() -> Any:
    """A first name and the first letter of the last name."""
    return f"search={chance.choice(syllable)}n%20{chance.choice('bcdfg')}", few


def broad() -> Any:
    """Three letters that thousands of leads have."""
    return f"search={chance.choice(seed.SYLLABLES)}b", lambda body: body["meta"]["total"] > FEW


def short() -> Any:
    return f"search={chance.choice(seed.SYLLABLES)}", lambda body: body["meta"]["total"] > FEW


def requests(tenant: seed.Tenant, kind: Kind) -> Iterator[Request]:
    while True:
        path, check = kind()
        yield Request(request("GET", f"/api/v1/leads?{path}", tenant.key), check)


def p50(server: common.Server, loads: list[Load]) -> list[float]:
    """Median latencies in milliseconds, one connection, the loads in turns."""
    latencies: list[list[float]] = [[] for _ in loads]
    for _, (place, load) in itertools.product(range(common.ROUNDS), enumerate(loads)):
        latencies[place] += run(load, server.port, common.SECONDS / 4, 1).latencies
    return [statistics.median(each) * 1000 for each in latencies]


def bench(figures: common.Figures, data: seed.Data) -> None:
    kinds: list[tuple[str, Kind, float | None]] = [
        ("plain page", plain, None),
        ("filtered page", filtered, TIMES),
        ("filtered page, total not yet counted", newly_filtered, None),
        ("search, a last name", search_name, TIMES),
        ("search, first name and initial", search_two_words, TIMES),
        ("search, eight digits", search_phone, TIMES),
        ("search, broad", broad, None),
        ("search, two letters", short, None),
    ]
    server = common.deskbell(data.deskbell)
    loads = [Load(requests(data.large, kind), 200, lambda body, check: check(body)) for _, kind, _ in kinds]
    base, *others = p50(server, loads)
    for (name, _, bound), value in zip(kinds[1:], others, strict=True):
        figures.line(
            f"100k leads: {name}",
            f"p50 {value:.2f} ms",
            f"plain page {base:.2f} ms",
            f"{value / base:.2f}x",
            "reported" if bound is None else f"within {bound:g}x",
            None if bound is None else value / base <= bound,
        )


if __name__ == "__main__":
    common.main(bench)
