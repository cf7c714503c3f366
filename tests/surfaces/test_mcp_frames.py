"""What arrives at `/mcp`, however odd: an answer with the right id and code, and never another client's."""

from __future__ import annotations

import json
import random
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.desk import Api, eventually
from tests.mcp_client import LEGACY, MODERN, Mcp, enveloped, initialize, request

PING: dict[str, Any] = request("ping")
DEEP = b"[" * 5000 + b"]" * 5000


@pytest.fixture
def client(alice: Api) -> Mcp:
    return Mcp(alice).open()


@pytest.mark.parametrize("version", LEGACY)
def test_a_batch_is_refused_in_every_revision(alice: Api, version: str) -> None:
    client = Mcp(alice).open(version)
    for body in ([PING, PING], [], [1]):
        answer = client.send(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    answer = client.send([PING], mcp_protocol_version=MODERN)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xc3"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', -32700),
        (DEEP, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":[' + b"{}," * 20_000 + b"{}]}", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * 90 + b"]" * 90 + b"}}", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":"\\u0000"}', -32600),
        (b'{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}', -32600),
        (b"null", -32600),
        (b"5", -32600),
        (b'"ping"', -32600),
        (b"{}", -32600),
        (json.dumps(PING | {"jsonrpc": "1.0"}).encode(), -32600),
        (json.dumps(PING | {"id": None}).encode(), -32600),
        (json.dumps(PING | {"id": True}).encode(), -32600),
        (json.dumps(PING | {"id": 1.5}).encode(), -32600),
        (json.dumps(PING | {"id": {}}).encode(), -32600),
        (json.dumps(PING | {"method": 5}).encode(), -32600),
        (json.dumps(PING | {"params": []}).encode(), -32602),
        (json.dumps(PING | {"params": "x"}).encode(), -32602),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600),
        (b'{"jsonrpc":"2.0","result":{}}', -32600),
    ],
)
def test_a_malformed_frame_is_told_what_it_is(client: Mcp, body: bytes, code: int) -> None:
    answer = client.send(body)
    assert (answer.status_code, answer.json()["jsonrpc"], answer.json()["error"]["code"]) == (400, "2.0", code)
    assert "id" in answer.json()
    assert client.ask("ping") == {}


def test_no_bytes_make_the_server_fail(client: Mcp) -> None:
    """Cut and spoilt frames: an answer below 500 for each."""
    dice = random.Random(4)
    whole = json.dumps(request("tools/call", {"name": "create_lead", "arguments": {"first_name": "Ann"}})).encode()
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        assert client.send(bytes(body[: dice.randint(1, len(body))])).status_code < 500
    assert client.ask("ping") == {}


def test_notifications_and_replies_are_accepted_without_a_word(client: Mcp) -> None:
    for frame in (
        {"method": "notifications/initialized"},
        {"method": "notifications/cancelled", "params": {"requestId": 1}},
        {"method": "notifications/cancelled"},
        {"method": "notifications/nonsense", "params": {"a": 1}},
        {"id": "nobody-asked", "result": {}},
        {"id": 7, "error": {"code": 1, "message": "no"}},
    ):
        answer = client.send({"jsonrpc": "2.0"} | frame)
        assert (answer.status_code, answer.content) == (202, b"")


def test_no_parameters_are_none(client: Mcp) -> None:
    for params in ({}, {"params": None}, {"params": {}}, {"params": {"_meta": {"progressToken": 1}}}):
        assert client.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"} | params).json()["result"]["tools"]


def test_an_unknown_method_is_told_so(client: Mcp) -> None:
    answer = client.send(request("tools/delete", id="a"))
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (200, "a", -32601)


@pytest.mark.parametrize("id", [0, -1, "1", "", "ü", 2**53, "x" * 500])
def test_an_answer_has_the_requests_own_id(client: Mcp, id: Any) -> None:
    for frame in (request("ping", id=id), request("tools/call", {"name": "get_org"}, id)):
        assert client.send(frame).json()["id"] == id


def test_two_clients_with_equal_ids_never_see_each_others_answers(alice: Api, charlie: Api) -> None:
    clients = {api.lead(first_name=name)["id"]: Mcp(api).open() for api, name in ((alice, "Ada"), (charlie, "Eve"))}

    def ask(lead: str) -> tuple[str, str]:
        return lead, clients[lead].call("get_lead", {"id": lead})["structuredContent"]["id"]

    with ThreadPoolExecutor(8) as pool:
        assert all(wanted == given for wanted, given in pool.map(ask, [*clients] * 60))


def test_a_flood_is_answered_and_keeps_nobody_else_out(alice: Api, charlie: Api) -> None:
    flooding, other = Mcp(alice).open(), Mcp(charlie).open()
    junk = json.dumps(request("tools/call", {"name": "list_leads", "arguments": {"x": [[]] * 15_000}})).encode()

    def flood(number: int) -> int:
        return flooding.send((junk, b"{" * 50_000, initialize("x"))[number % 3]).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(flood, range(240))
        assert [other.ask("ping") for _ in range(20)] == [{}] * 20
        assert Counter(answers) == {200: 160, 400: 80}
    assert flooding.ask("ping") == {}


def test_clients_that_disconnect_leave_nothing_behind(
    alice: Api, client: Mcp, caplog: pytest.LogCaptureFixture
) -> None:
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.key}\r\nmcp-session-id: {client.session}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    )
    body = json.dumps(request("tools/list", {"_meta": {"io.modelcontextprotocol/x": 1}}))
    for text in (head, head.format(500) + body, head.format(len(body)) + body):
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", alice.server.port)) as connection:
                connection.sendall(text.encode())
    for _ in range(5):
        with client.listen() as stream:
            assert stream.status_code == 200
    assert client.ask("tools/list")["tools"]
    eventually(lambda: not alice.server.app.mcp.streams.by_outbox)
    assert caplog.records == []


# The revision without sessions


def test_the_modern_era_needs_no_session(client: Mcp) -> None:
    discovered = client.modern("server/discover").json()["result"]
    assert discovered["supportedVersions"] == [MODERN]
    assert discovered["capabilities"] == client.send(initialize()).json()["result"]["capabilities"]
    assert discovered["capabilities"]["resources"] == {"listChanged": False, "subscribe": False}
    listed = client.modern("tools/list").json()["result"]
    assert (len(listed["tools"]), listed["cacheScope"]) == (11, "private")
    assert client.modern("prompts/get", {"name": "daily_brief"}).json()["result"]["messages"]
    for answer in (
        client.send(b"", "GET", mcp_protocol_version=MODERN),
        client.send(b"", "DELETE", mcp_protocol_version=MODERN),
    ):
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"mcp_method": "tools/list"}, -32020),
        ({"mcp_name": "list_leads"}, -32020),
        ({"mcp_protocol_version": "2030-01-01"}, -32020),
    ],
)
def test_headers_and_body_must_agree(client: Mcp, headers: dict[str, str], code: int) -> None:
    answer = client.modern("tools/call", {"name": "get_org"}, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_a_revision_that_is_not_served_is_told_what_is(client: Mcp) -> None:
    frame = request("ping", enveloped({}))
    frame["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2030-01-01"
    answer = client.send(frame, mcp_protocol_version="2030-01-01", mcp_method="ping")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32022)
    assert answer.json()["error"]["data"] == {"supported": [MODERN], "requested": "2030-01-01"}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    assert client.send(note, mcp_protocol_version="2030-01-01").status_code == 400
    assert client.send(note, mcp_protocol_version=MODERN).status_code == 202


def test_modern_refusals_have_their_status(client: Mcp) -> None:
    assert client.modern("nothing/here").status_code == 404
    assert client.modern("initialize", initialize()["params"]).status_code == 404
    missing = client.send(request("tools/list"), mcp_protocol_version=MODERN, mcp_method="tools/list")
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, -32602)
    unknown = client.modern("tools/call", {"name": "nothing"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, -32602)
    reply = client.send({"jsonrpc": "2.0", "id": 1, "result": {}}, mcp_protocol_version=MODERN)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, -32600)


# Resources and prompts


def test_resources_are_read_as_tools_are(alice: Api, charlie: Api) -> None:
    client, lead = Mcp(alice).open(), alice.lead(first_name="Ada")["id"]
    assert [each["uri"] for each in client.ask("resources/list")["resources"]] == ["deskbell://org"]
    assert client.ask("resources/templates/list")["resourceTemplates"][0]["uriTemplate"] == "deskbell://leads/{id}"
    [content] = client.ask("resources/read", {"uri": f"deskbell://leads/{lead}"})["contents"]
    assert json.loads(content["text"])["first_name"] == "Ada"
    assert client.ask("resources/read", {"uri": "deskbell://org"})["contents"]
    for other, uri in (
        (Mcp(charlie).open(), f"deskbell://leads/{lead}"),
        (client, "deskbell://leads/x"),
        (client, "file:///etc/passwd"),
        (Mcp(alice.server.api(alice.organization_id, scopes=["tasks:read"])).open(), "deskbell://org"),
    ):
        assert other.send(request("resources/read", {"uri": uri})).json()["error"]["code"] == -32602


def test_prompts_name_only_tools_that_are_there(alice: Api) -> None:
    client = Mcp(alice, "/mcp/readonly").open()
    offered = {tool["name"] for tool in client.ask("tools/list")["tools"]}
    for prompt in client.ask("prompts/list")["prompts"]:
        given = {argument["name"]: "x" for argument in prompt["arguments"]}
        shown = client.ask("prompts/get", {"name": prompt["name"], "arguments": given})
        text = shown["messages"][0]["content"]["text"]
        assert set(re.findall(r"[a-z]+_[a-z]+", text)) <= offered, prompt["name"]


def test_prompts_take_their_arguments(client: Mcp) -> None:
    prompts = {each["name"]: each for each in client.ask("prompts/list")["prompts"]}
    assert set(prompts) == {"qualify_lead", "daily_brief"}
    shown = client.ask("prompts/get", {"name": "qualify_lead", "arguments": {"lead_id": "{0} L-1"}})
    assert "Qualify the lead {0} L-1." in shown["messages"][0]["content"]["text"]
    for params in ({"name": "qualify_lead"}, {"name": "nothing"}):
        assert client.send(request("prompts/get", params)).json()["error"]["code"] == -32602
