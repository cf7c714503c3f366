"""MCP sessions: who may use them, when they end, and what every refusal says."""

from __future__ import annotations

import pytest

from tests.desk import Api, refused
from tests.mcp_client import LEGACY, Mcp, initialize, request


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
