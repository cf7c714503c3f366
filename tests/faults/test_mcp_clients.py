"""The official Python client, whose every request meets another process than the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.conformance.clients import MODES, connected, look
from tests.conformance.proxy import RoundRobin, round_robin
from tests.conformance.serve import processes
from tests.desk import Api, Server
from tests.postgres import fresh_database


class Cluster(NamedTuple):
    """Two server processes on one PostgreSQL behind a round-robin, and a key for them."""

    proxy: RoundRobin
    api: Api
    started: dict[int, Any]

    @property
    def url(self) -> str:
        return f"{self.proxy.url}/mcp"


@pytest.fixture(scope="module")
def cluster(postgres_url: str) -> Iterator[Cluster]:
    url = fresh_database(postgres_url)
    desk = Server(url)
    api = desk.api(desk.organization())
    with processes(url, 2) as started, round_robin(started) as proxy:
        yield Cluster(proxy, api, started)


@pytest.mark.parametrize("mode", MODES)
def test_a_client_meets_both_processes_and_sees_no_difference(cluster: Cluster, mode: str) -> None:
    cluster.proxy.served.clear()
    seen = asyncio.run(look(cluster.url, cluster.api.key, mode))
    assert (seen["tools"], seen["organization"], seen["refused"]) == (11, "Acme Roofing", True)
    assert seen["revision"] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert set(cluster.proxy.served) == set(cluster.started), "not every process was asked"


def test_a_session_goes_on_when_a_process_is_killed(cluster: Cluster) -> None:
    """The last test here: one process is gone for good."""

    async def work() -> None:
        async with connected(cluster.url, cluster.api.key, "legacy") as client:
            await client.call_tool("create_lead", {"first_name": "Before"})
            port, victim = next(iter(cluster.started.items()))
            victim.kill()
            victim.wait()
            cluster.proxy.served.clear()
            for number in range(4):
                made = await client.call_tool("create_lead", {"first_name": f"After {number}"})
                assert not made.is_error
            assert port not in cluster.proxy.served
            found = await client.call_tool("list_leads", {})
            assert found.structured_content["total"] == 5

    asyncio.run(work())
