"""Two servers of one PostgreSQL: any of them serves any MCP session, and what one learns all know."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp.server.lowlevel.server import Server as SdkServer
from mcp.shared.message import ServerMessageMetadata
from mcp_types import CallToolRequestParams, EmptyResult, PingRequest

from deskbell.app import Deskbell
from deskbell.identity.api_keys import revoke_key
from deskbell.settings import Settings
from deskbell.surfaces.mcp.catalog import Catalog
from deskbell.surfaces.mcp.request_context import ServerParts
from deskbell.surfaces.mcp.sdk.adapter import SdkAdapter
from tests.desk import Api, Server, eventually, refused, running
from tests.manual_clock import timed
from tests.mcp_client import Mcp, initialize, request
from tests.postgres import fresh_database

SETTINGS = Settings(access_log=False, mcp_sessions=5)


@pytest.fixture(scope="module")
def servers(postgres_url: str) -> Iterator[list[Server]]:
    url = fresh_database(postgres_url)
    with running(url, SETTINGS) as one, running(url, SETTINGS) as other:
        yield [one, other]


@pytest.fixture
def ours(servers: list[Server]) -> Iterator[list[Mcp]]:
    """A session that was opened at the first server, seen from both."""
    api = servers[0].api(servers[0].organization())
    clients = [Mcp(api, url=server.url) for server in servers]
    clients[1].session = clients[0].open().session
    yield clients
    clients[0].send(b"", "DELETE")


def test_a_session_works_at_every_server_and_dies_at_all(ours: list[Mcp], servers: list[Server]) -> None:
    for number in range(10):
        assert ours[number % 2].ask("ping") == {}
        assert ours[number % 2].call("list_leads")["structuredContent"]["total"] == 0
    stranger = Mcp(servers[1].api(servers[1].organization()), url=servers[1].url)
    stranger.session = ours[0].session
    refused(stranger.send(request("ping")), 403, "session_mismatch")
    assert ours[1].send(b"", "DELETE").status_code == 204
    refused(ours[0].send(request("ping")), 404, "not_found")
    refused(ours[1].send(b"", "DELETE"), 404, "not_found")


def test_the_cap_is_exact_over_both(servers: list[Server]) -> None:
    api = servers[0].api(servers[0].organization())
    clients = [Mcp(api, url=servers[number % 2].url) for number in range(24)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda client: client.send(initialize()), clients))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 19
    for answer in answers:
        if answer.status_code == 200:
            clients[0].session = answer.headers["mcp-session-id"]
            assert clients[0].send(b"", "DELETE").status_code == 204


def test_limits_are_one_for_both(servers: list[Server]) -> None:
    api = servers[0].api(servers[0].organization(), writes=3)
    clients = [Mcp(api, url=server.url) for server in servers]
    clients[1].session = clients[0].open().session
    frame = request("tools/call", {"name": "create_task", "arguments": {"title": "Call"}})
    assert [clients[number % 2].send(frame).status_code for number in range(5)] == [200, 200, 200, 429, 429]
    assert clients[0].send(b"", "DELETE").status_code == 204


def test_news_and_the_end_reach_the_streams_of_the_other(ours: list[Mcp], servers: list[Server]) -> None:
    with ours[1].listen() as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": ping"
        restarted = Server(servers[0].database, SETTINGS)  # it may bring other tools
        restarted.start()
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told[6:])["method"] == "notifications/tools/list_changed"
        restarted.stop()
        assert ours[0].send(b"", "DELETE").status_code == 204
        began = time.monotonic()
        assert [line for line in lines if line] == []
        assert time.monotonic() - began < 1


def test_a_revoked_key_ends_its_sessions_everywhere_within_a_second(ours: list[Mcp], servers: list[Server]) -> None:
    with ours[1].listen() as stream:
        began = time.monotonic()
        ours[0].api.do(lambda ctx: revoke_key(ctx, ours[0].api.key_id))
        stream.read()
        assert time.monotonic() - began < 1.2
    refused(ours[1].send(request("ping")), 401, "unauthorized")
    fresh = servers[0].api(servers[0].organization())
    many = [eventually(lambda: opened(fresh, servers[1].url), 3) for _ in range(5)]
    for client in many:
        client.send(b"", "DELETE")


def test_a_keys_longest_idle_session_is_known_to_all(postgres_url: str) -> None:
    url, settings = fresh_database(postgres_url), Settings(access_log=False, mcp_sessions_per_key=2)
    with running(url, settings) as one, timed(url, settings) as (other, clock):
        api = one.api(one.organization())
        used, idle = Mcp(api).open(), Mcp(api, url=other.url).open()
        used.url = idle.url
        assert used.ask("ping") == {}
        clock.advance(1)
        Mcp(api).open()
        refused(idle.send(request("ping")), 404, "not_found")
        assert used.ask("ping") == {}


def opened(api: Api, url: str) -> Mcp | None:
    client = Mcp(api, url=url)
    answer = client.send(initialize())
    client.session = answer.headers.get("mcp-session-id", "")
    return client if answer.status_code == 200 else None


# Another SDK server behind the same endpoint


def asking(parts: ServerParts) -> SdkAdapter:
    """A server whose one tool asks the client something, or waits to be cancelled."""

    async def call(ctx: Any, params: CallToolRequestParams) -> Any:
        if params.name == "wait":
            await ctx.session.report_progress(1)
            await asyncio.sleep(30)
        about = ServerMessageMetadata(related_request_id=ctx.request_id)
        await ctx.session.send_request(PingRequest(), EmptyResult, metadata=about)
        return {"content": [{"type": "text", "text": "they are there"}], "isError": False}

    server = SdkServer("asking", on_call_tool=call)
    return SdkAdapter(server, parts)


class Asking(Deskbell):
    def mcp_catalogs(self) -> dict[str, Catalog]:
        return {"/mcp": Catalog({}, asking)}


@pytest.fixture(scope="module")
def askers(postgres_url: str) -> Iterator[list[Server]]:
    url = fresh_database(postgres_url)
    made = [Server(url, Settings(access_log=False), application=Asking) for _ in range(2)]
    for server in made:
        server.start()
    yield made
    for server in made:
        server.stop()


@pytest.mark.parametrize("replying", [0, 1])
def test_a_reply_reaches_the_worker_that_asked(askers: list[Server], replying: int) -> None:
    api = askers[0].api(askers[0].organization())
    clients = [Mcp(api, url=server.url) for server in askers]
    clients[1].session = clients[0].open().session
    with clients[0].stream(request("tools/call", {"name": "ping", "arguments": {}}, 7)) as stream:
        events = data(stream)
        asked = next(events)
        assert asked["method"] == "ping"
        for server in askers:
            stranger = Mcp(server.api(server.organization())).open()
            stranger.send({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": 1, "message": "hijacked"}})
        assert clients[replying].send({"jsonrpc": "2.0", "id": asked["id"], "result": {}}).status_code == 202
        answer = next(events)
    assert (answer["id"], answer["result"]["content"][0]["text"]) == (7, "they are there")


@pytest.mark.parametrize("cancelling", [0, 1])
def test_a_request_can_be_cancelled_at_any_worker(askers: list[Server], cancelling: int) -> None:
    api = askers[0].api(askers[0].organization())
    clients = [Mcp(api, url=server.url) for server in askers]
    clients[1].session = clients[0].open().session
    frame = request("tools/call", {"name": "wait", "arguments": {}, "_meta": {"progressToken": "p"}}, "long")
    with clients[0].stream(frame) as stream:
        events = data(stream)
        assert next(events)["params"]["progressToken"] == "p"
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}}
        assert clients[cancelling].send(note).status_code == 202
        assert list(events) == []


def data(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])
