"""MCP sessions: who may use them, when they end, and what every refusal says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deskbell.identity.api_keys import revoke_key
from deskbell.settings import Settings
from deskbell.surfaces.mcp import store
from deskbell.surfaces.mcp.broadcasts import ChangeNotification
from tests.desk import PATIENCE, SOON, Api, eventually, refused, running
from tests.manual_clock import timed
from tests.mcp_client import LEGACY, MODERN, Mcp, ending, enveloped, initialize, request


@pytest.mark.parametrize("version", LEGACY)
def test_a_handshake_agrees_on_the_clients_revision(alice: Api, version: str) -> None:
    answer = Mcp(alice).send(initialize(version))
    assert answer.json()["result"]["protocolVersion"] == version
    assert answer.json()["result"]["serverInfo"]["name"] == "deskbell"
    assert len(answer.headers["mcp-session-id"]) > 40


def test_an_unknown_revision_is_answered_by_the_newest_with_a_handshake(alice: Api) -> None:
    assert Mcp(alice).send(initialize("1999-01-01")).json()["result"]["protocolVersion"] == LEGACY[-1]


def test_every_request_needs_a_key(alice: Api) -> None:
    client = Mcp(alice).open()
    for given in ("", "Bearer brk_" + "0" * 48, "Basic abc"):
        answer = client.send(request("ping"), authorization=given)
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="brightly"'


def test_a_request_without_a_session_is_told_to_open_one(alice: Api) -> None:
    refused(Mcp(alice).send(request("ping")), 400, "no_session", "initialize")
    refused(Mcp(alice).send(b"", "GET"), 400, "no_session")
    refused(Mcp(alice).send(b"", "DELETE"), 400, "no_session")


def test_a_dead_session_is_not_found_so_that_clients_begin_again(alice: Api) -> None:
    client = Mcp(alice).open()
    assert client.send(b"", "DELETE").status_code == 204
    refused(client.send(request("ping")), 404, "not_found")
    refused(client.send(b"", "DELETE"), 404, "not_found")
    refused(client.send(b"", "GET"), 400, "no_session")
    client.session = "never-was"
    refused(client.send(request("ping")), 404, "not_found")


def test_a_session_belongs_to_the_key_that_opened_it(alice: Api, bob: Api, charlie: Api) -> None:
    session = Mcp(alice).open().session
    for other in (bob, charlie):
        thief = Mcp(other)
        thief.session = session
        refused(thief.send(request("ping")), 403, "session_mismatch")
        refused(thief.send(b"", "GET"), 403, "session_mismatch")
        refused(thief.send(b"", "DELETE"), 403, "session_mismatch")
    mine = Mcp(alice)
    mine.session = session
    assert mine.ask("ping") == {}


def test_a_page_of_another_origin_is_refused(alice: Api) -> None:
    client = Mcp(alice).open()
    own = alice.server.url
    for origin in ("https://evil.example", "null", own.replace("http:", "ftp:"), "http://127.0.0.1:1", ""):
        refused(client.send(request("ping"), origin=origin), 403, "origin_not_allowed")
    rebound = client.send(request("ping"), origin="http://evil.example", host="evil.example")
    refused(rebound, 403, "origin_not_allowed")
    assert client.send(request("ping"), origin=own).status_code == 200


def test_a_page_of_an_allowed_origin_can_use_mcp(tmp_path: Path) -> None:
    page = "https://app.example.com"
    settings = Settings(access_log=False, mcp_allowed_origins=f"https://other.example, {page}/")
    with running(tmp_path / "desk.db", settings) as server:
        client = Mcp(server.api(server.organization()))
        asked = client.send(b"", "OPTIONS", origin=page, authorization="")
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, page)
        assert "Mcp-Session-Id" in asked.headers["access-control-allow-headers"]
        opened = client.send(initialize(), origin=page)
        assert opened.headers["access-control-allow-origin"] == page
        assert "Mcp-Session-Id" in opened.headers["access-control-expose-headers"]
        refusal = client.send(b"", "OPTIONS", origin="https://evil.example")
        refused(refusal, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in refusal.headers


def test_what_is_beside_the_path_answers_json(alice: Api) -> None:
    client = Mcp(alice)
    for path in ("/mcp/", "/mcp/admin"):
        client.url = alice.server.url + path
        refused(client.send(request("ping")), 404, "not_found")
    for place in ("oauth-protected-resource", "oauth-protected-resource/mcp", "oauth-authorization-server"):
        answer = alice.http.get(f"{alice.server.url}/.well-known/{place}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    client.url = alice.server.url + "/mcp"
    for method in ("PUT", "PATCH", "OPTIONS"):
        answer = client.send(request("ping"), method)
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, POST, DELETE"
    refused(client.send(request("ping"), content_type="text/plain"), 415, "validation_error", "application/json")
    refused(client.send(b"x" * 1_100_000), 413, "payload_too_large")


def test_the_cap_holds_exactly_under_parallel_handshakes(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db", Settings(access_log=False, mcp_sessions=5)) as server:
        api = server.api(server.organization())
        answers = at_once(24, lambda: Mcp(api).send(initialize()))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 19
        full = next(answer for answer in answers if answer.status_code == 503)
        refused(full, 503, "too_many_sessions", "5 MCP sessions")
        assert int(full.headers["retry-after"]) > 0
        client = Mcp(api)
        client.session = next(answer for answer in answers if answer.status_code == 200).headers["mcp-session-id"]
        assert client.send(b"", "DELETE").status_code == 204
        assert Mcp(api).open().ask("ping") == {}
        refused(Mcp(api).send(initialize()), 503, "too_many_sessions")


def test_a_failed_handshake_takes_no_place(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db", Settings(access_log=False, mcp_sessions=1)) as server:
        api = server.api(server.organization())
        for params in (None, {}, {"protocolVersion": 5}):
            answer = Mcp(api).send(request("initialize", params))
            assert answer.json()["error"]["code"] == -32602
            assert "mcp-session-id" not in answer.headers
        Mcp(api).open()


def test_a_session_outlives_the_server(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as first:
        organization = first.organization()
        api = first.api(organization)
        session = Mcp(api).open("2025-06-18").session
    with running(tmp_path / "desk.db") as second:
        client = Mcp(Api(second, organization, api.key, api.key_id))
        client.session = session
        assert client.call("list_leads")["structuredContent"] == {"items": [], "total": 0}
        assert client.ask("tools/list")["tools"]


def test_an_idle_session_ends_by_itself(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db", Settings(access_log=False, mcp_idle_seconds=1, mcp_sessions=1)) as server:
        api = server.api(server.organization())
        idle = Mcp(api).open()
        began = time.monotonic()
        eventually(lambda: Mcp(api).send(initialize()).status_code == 200)
        assert time.monotonic() - began > 0.9
        refused(idle.send(request("ping")), 404, "not_found")


def test_an_idle_session_ends_and_a_used_one_does_not(tmp_path: Path) -> None:
    with timed(tmp_path / "desk.db", Settings(access_log=False, mcp_idle_seconds=60, mcp_sessions=3)) as (
        server,
        clock,
    ):
        api = server.api(server.organization())
        used, idle, streaming = (Mcp(api).open() for _ in range(3))
        with streaming.listen() as stream:
            assert stream.status_code == 200
            for _ in range(4):
                clock.advance(20)
                assert used.ask("ping") == {}
            refused(idle.send(request("ping")), 404, "not_found")
            assert streaming.ask("ping") == {}
            assert Mcp(api).open().ask("ping") == {}


def test_a_used_session_lives_on_while_keys_change(tmp_path: Path) -> None:
    """A change of keys begins the wait for the next look at the sessions again."""
    with timed(tmp_path / "desk.db", Settings(access_log=False, mcp_idle_seconds=60)) as (server, clock):
        organization = server.organization()
        client = Mcp(server.api(organization)).open()
        changed = server.app.mcp_sessions.keys_changed
        for _ in range(7):
            waits = clock.waits[changed]
            server.api(organization)
            eventually(lambda waits=waits: clock.waits[changed] > waits)  # type: ignore[misc]
            clock.advance(14)
            assert client.ask("ping") == {}


def test_a_keys_own_longest_idle_session_makes_room(tmp_path: Path) -> None:
    settings = Settings(access_log=False, mcp_sessions_per_key=2)
    with running(tmp_path / "desk.db", settings) as server:
        organization = server.organization()
        api, other = server.api(organization), server.api(organization)
        bystander = Mcp(other).open()
        streaming = Mcp(api).open()
        with streaming.listen():
            second = Mcp(api).open()
            third = Mcp(api).open()
            refused(second.send(request("ping")), 404, "not_found")
            with third.listen():
                refused(Mcp(api).send(initialize()), 503, "too_many_sessions", "This API key has 2")
            assert streaming.ask("ping") == third.ask("ping") == bystander.ask("ping") == {}


def test_a_stream_keeps_its_session_however_long_it_is_open(tmp_path: Path) -> None:
    settings = Settings(access_log=False, mcp_sessions_per_key=1, mcp_idle_seconds=60)
    with timed(tmp_path / "desk.db", settings) as (server, clock):
        client = Mcp(server.api(server.organization())).open()
        with client.listen():
            for _ in range(5):
                clock.advance(20)
                refused(Mcp(client.api).send(initialize()), 503, "too_many_sessions")
        eventually(lambda: Mcp(client.api).send(initialize()).status_code == 200)
        refused(client.send(request("ping")), 404, "not_found")


def test_a_session_that_was_just_used_is_not_the_idle_one(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db", Settings(access_log=False, mcp_sessions_per_key=2)) as server:
        api = server.api(server.organization())
        used, idle = Mcp(api).open(), Mcp(api).open()
        assert used.ask("ping") == {}
        Mcp(api).open()
        refused(idle.send(request("ping")), 404, "not_found")
        assert used.ask("ping") == {}


def test_a_revoked_key_takes_its_sessions_with_it(alice: Api, bob: Api) -> None:
    client, other = Mcp(alice).open(), Mcp(bob).open()
    with client.listen() as stream, other.listen() as kept:
        began = time.monotonic()
        alice.do(lambda ctx: revoke_key(ctx, alice.key_id))
        assert b"data:" not in b"".join(ending(stream.iter_bytes()))
        assert time.monotonic() - began < 1.5
        eventually(lambda: sessions_of(alice) == 0, 2)
        eventually(lambda: client.send(request("ping")).status_code == 401, SOON)  # a key is believed for half a second
        refused(client.send(request("ping")), 401, "unauthorized")
        assert other.ask("ping") == {}
        assert not kept.is_closed


def test_a_stream_says_that_tools_have_changed_and_ends_with_its_session(alice: Api) -> None:
    client = Mcp(alice).open()
    with client.listen() as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        lines = stream.iter_lines()
        assert next(lines) == ": ping"
        change = alice.server.app.mcp.broadcasts.publish(ChangeNotification("notifications/tools/list_changed"))
        asyncio.run_coroutine_threadsafe(change, alice.server.app.database.writer.loop).result(PATIENCE)
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told[6:]) == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        assert client.send(b"", "DELETE").status_code == 204
        assert [line for line in ending(lines) if line.startswith("data: ")] == []


def test_a_subscription_of_the_stateless_revision_hears_of_changes_and_ends_with_its_key(alice: Api) -> None:
    frame = request("subscriptions/listen", enveloped({"notifications": {"toolsListChanged": True}}), "sub")
    headers = {"mcp_protocol_version": MODERN, "mcp_method": "subscriptions/listen"}
    with Mcp(alice).stream(frame, **headers) as stream:
        frames = (json.loads(line[6:]) for line in ending(stream.iter_lines()) if line.startswith("data: "))
        assert next(frames)["method"] == "notifications/subscriptions/acknowledged"
        change = alice.server.app.mcp.broadcasts.publish(ChangeNotification("notifications/tools/list_changed"))
        asyncio.run_coroutine_threadsafe(change, alice.server.app.database.writer.loop).result(PATIENCE)
        told = next(frames)
        assert told["method"] == "notifications/tools/list_changed"
        assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "sub"}
        began = time.monotonic()
        alice.do(lambda ctx: revoke_key(ctx, alice.key_id))
        assert list(frames) == []
        assert time.monotonic() - began < 1.5


def test_a_subscription_is_promised_only_what_will_come(alice: Api) -> None:
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["deskbell://org"]}
    headers = {"mcp_protocol_version": MODERN, "mcp_method": "subscriptions/listen"}
    frame = request("subscriptions/listen", enveloped({"notifications": wanted}))
    with Mcp(alice).stream(frame, **headers) as stream:
        told = next(json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        assert told["params"]["notifications"] == {"toolsListChanged": True}


def test_one_key_holds_at_most_a_hundred_streams(alice: Api) -> None:
    session, port = Mcp(alice).open().session, alice.server.port
    head = f"GET /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.key}\r\nmcp-session-id: {session}\r\n\r\n"

    def open_one() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(head.encode())
        return connection

    with contextlib.ExitStack() as stack:
        for connection in at_once(120, open_one):
            stack.enter_context(connection)
            assert connection.recv(12) == b"HTTP/1.1 200"
        held = alice.server.app.mcp.streams.by_outbox
        eventually(lambda: len(held) == 100)


def test_what_a_client_tells_of_itself_is_not_kept_without_end(alice: Api) -> None:
    client = Mcp(alice)
    hello = initialize()
    hello["params"]["clientInfo"] = {"name": "x", "version": "1" * 70_000}
    answer = client.send(hello)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
    assert sessions_of(alice) == 0
    frame = request("tools/call", enveloped({"name": "get_org"}))
    frame["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = hello["params"]["clientInfo"]
    headers = {"mcp_protocol_version": MODERN, "mcp_method": "tools/call", "mcp_name": "get_org"}
    for _ in range(2):
        assert client.send(frame, **headers).json()["result"]["isError"] is False
    assert max(map(len, alice.server.app.mcp.catalogs["/mcp"].metas), default=0) < 70_000
    listen = request("subscriptions/listen", enveloped({"notifications": {"resourceSubscriptions": ["x" * 70_000]}}))
    answer = client.send(listen, mcp_protocol_version=MODERN, mcp_method="subscriptions/listen")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


def test_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as server:
        client = Mcp(server.api(server.organization())).open()
        with client.listen() as stream:
            began = time.monotonic()
            server.uvicorn.should_exit = True
            assert b"data:" not in b"".join(ending(stream.iter_bytes()))
            assert time.monotonic() - began < 3


def at_once(many: int, act: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(many) as pool:
        return [future.result() for future in [pool.submit(act) for _ in range(many)]]


def sessions_of(api: Api) -> int:
    return int(api.server.do(lambda session: session.one(store.open_sessions_of_key(api.key_id))))
