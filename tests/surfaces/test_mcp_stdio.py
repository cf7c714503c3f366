"""`deskbell mcp`: the tools for AI clients that start a program and talk to it on standard input and output."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deskbell.surfaces.cli import cli
from tests.commands import Piped
from tests.desk import PATIENCE, Api, Server

ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Client:
    """An AI client with a `deskbell mcp` of its own."""

    def __init__(self, url: str, key: str | None) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("BRIGHTLY", "DESKBELL"))
        }
        if key is not None:
            environment |= {"BRIGHTLY_API_KEY": key, "BRIGHTLY_API_URL": url}
        self.process = Piped(["mcp"], environment)
        self.number = 0

    def send(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        return json.loads(self.process.stdout.readline())

    def ask(self, method: str, **params: Any) -> Any:
        self.number += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}).encode())
        answer = self.read()
        assert answer["id"] == self.number
        return answer

    def call(self, name: str, **arguments: Any) -> Any:
        return self.ask("tools/call", name=name, arguments=arguments)["result"]

    def refused(self, name: str, **arguments: Any) -> str:
        """The words of a call that fails."""
        result = self.call(name, **arguments)
        assert result["isError"], result
        assert "structuredContent" not in result
        text: str = result["content"][0]["text"]
        return text

    def kill(self) -> None:
        self.process.end(PATIENCE)

    def end(self) -> tuple[int, str]:
        """Hangs up; the status, and what was said on standard error."""
        out, words = self.process.communicate(timeout=PATIENCE)
        assert out == b""
        return self.process.returncode, words.decode()


Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    clients: list[Client] = []

    def begin(url: str, key: str | None, *, greet: bool = True) -> Client:
        clients.append(Client(url, key))
        if greet:
            clients[-1].ask("initialize", **HELLO)
        return clients[-1]

    yield begin
    for client in clients:
        client.kill()


@pytest.fixture(scope="module")
def owner(server: Server) -> Api:
    return server.api(server.organization("Acme Roofing"))


@pytest.fixture(scope="module")
def client(owner: Api) -> Iterator[Client]:
    """One process for all tests that leave it as it was; starting one takes seconds."""
    client = Client(owner.server.url, owner.key)
    client.ask("initialize", **HELLO)
    yield client
    client.kill()


def test_the_tools_are_those_of_the_server_and_answer_alike(client: Client, owner: Api) -> None:
    lead = [owner.lead(first_name="Ana", company="Acme") for _ in range(21)][-1]
    headers = {"Accept": "application/json, text/event-stream"}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    url = owner.server.url + "/mcp"
    greeted = owner.http.post(url, json=hello, headers=headers)
    headers["mcp-session-id"] = greeted.headers["mcp-session-id"]
    for method, params in (
        ("tools/list", {}),
        ("prompts/list", {}),
        ("tools/call", {"name": "get_lead", "arguments": {"id": lead["id"]}}),
        ("tools/call", {"name": "list_leads", "arguments": {"limit": "1"}}),
        ("tools/call", {"name": "list_leads", "arguments": {"limit": None, "status": None}}),
        ("tools/call", {"name": "list_leads", "arguments": '{"limit": 2}'}),
        ("tools/call", {"name": "get_lead", "arguments": {"id": "../org"}}),
        ("tools/call", {"name": "create_lead", "arguments": {}}),
        ("tools/call", {"name": "send_message", "arguments": {"lead_id": lead["id"], "body": ""}}),
        ("tools/call", {"name": "nothing", "arguments": {}}),
        ("resources/read", {"uri": f"deskbell://leads/{lead['id']}"}),
    ):
        asked = {"jsonrpc": "2.0", "id": client.number + 1, "method": method, "params": params}
        assert client.ask(method, **params) == owner.http.post(url, json=asked, headers=headers).json(), method


def test_writes_arrive_and_long_lists_say_what_is_missing(client: Client, owner: Api) -> None:
    before = client.call("list_leads")["structuredContent"]["total"]
    made = client.call("create_lead", first_name="Bo", phone="+13035550188")["structuredContent"]
    assert owner.get(f"/leads/{made['id']}").json()["data"]["first_name"] == "Bo"
    when = {"start_time": "2027-03-02T15:00:00Z", "end_time": "2027-03-02T16:00:00Z"}
    booked = client.call("create_appointment", lead_id=made["id"], **when)["structuredContent"]
    assert owner.get(f"/appointments/{booked['id']}").json()["data"]["booked_by"] == "mcp"
    client.call("create_lead", first_name="Cy")
    found = client.call("list_leads", limit=1)["structuredContent"]
    assert (found["total"], len(found["items"]), found["note"].split(":")[0]) == (
        before + 2,
        1,
        f"{before + 1} more not shown",
    )
    for number in range(5):
        client.call("send_message", lead_id=made["id"], body=f"text {number}")
    chat = client.call("get_conversation", lead_id=made["id"], limit=3)["structuredContent"]
    assert [message["body"] for message in chat["items"]] == ["text 2", "text 3", "text 4"]


def test_a_client_may_discover_first_and_shake_hands_afterwards(start: Start, alice: Api) -> None:
    client = start(alice.server.url, alice.key, greet=False)
    assert "2026-07-28" in client.ask("server/discover", _meta=ENVELOPE)["result"]["supportedVersions"]
    assert client.ask("tools/list", _meta=ENVELOPE)["result"]["resultType"] == "complete"
    assert client.ask("tools/list")["error"]["message"] == "Send `initialize` first"
    assert client.ask("initialize", **HELLO)["result"]["protocolVersion"] == "2025-11-25"
    assert len(client.ask("tools/list")["result"]["tools"]) == 11
    modern = client.ask("tools/call", name="get_org", _meta=ENVELOPE)["result"]
    assert modern["structuredContent"]["name"] == "Acme Roofing"
    unknown = ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "2031-01-01"}
    assert client.ask("tools/list", _meta=unknown)["error"]["code"] == -32022
    assert client.end() == (0, "")


def test_refusals_say_what_to_do_and_when(start: Start, alice: Api) -> None:
    reader = alice.server.api(alice.organization_id, scopes=["leads:read"], reads=1)
    client = start(alice.server.url, reader.key)
    assert client.refused("create_lead", first_name="Bo") == "Permission denied: API key missing scope 'leads:write'"
    calls = (client.call("list_leads") for _ in range(3))  # a new minute may begin between two of them
    limited = next(call for call in calls if call["isError"])["content"][0]["text"]
    assert limited.startswith("list_leads failed (rate_limit_exceeded): API read rate limit exceeded (1/min)")
    assert re.search(r"Wait [1-6]?[0-9] seconds, then call again\.$", limited)


def test_a_server_that_is_away_and_a_wrong_key_are_told_apart(start: Start, tmp_path: Path) -> None:
    away, wrong = Server(tmp_path / "desk.db"), "brk_" + "0" * 48
    client = start(away.url, wrong)
    told = client.refused("get_org")
    assert told.startswith(f"get_org failed (connection_failed): No answer from 127.0.0.1:{away.port}")
    assert "tell the person that you work for" in told
    away.start()
    try:
        refused = client.refused("get_org")
    finally:
        away.stop()
    assert refused.startswith("get_org failed (unauthorized): ")
    assert "Tell the person that you work for" in refused
    assert wrong not in told + refused + client.end()[1]


def test_what_is_no_message_gets_an_error_and_does_no_harm(client: Client) -> None:
    for line, code in (
        (b"{", -32700),
        (b"\xff\x00", -32700),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":"' + b"x" * 3_000_000 + b'"}', -32600),
    ):
        client.send(line)
        assert client.read()["error"]["code"] == code, line[:60]
    client.send(b"")
    client.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":["x"]}}')
    client.send(b'{"jsonrpc":"2.0","id":9,"result":{}}')
    assert client.ask("ping")["result"] == {}


def test_without_a_key_there_is_one_line_and_status_2(start: Start) -> None:
    status, words = start("", None, greet=False).end()
    assert (status, words.count("\n")) == (2, 1)
    assert "BRIGHTLY_API_KEY is not set" in words


def test_the_configuration_fits_each_client() -> None:
    shown = {}
    for name in ("claude-desktop", "claude-code", "cursor", "vscode"):
        printed = CliRunner().invoke(cli, ["mcp", "config", name, "--url", "https://desk.example.com/"])
        shown[name] = json.loads(printed.stdout)
    url, key = "https://desk.example.com/mcp", "Bearer ${BRIGHTLY_API_KEY}"
    assert shown["claude-code"]["mcpServers"]["deskbell"] == {
        "type": "http",
        "url": url,
        "headers": {"Authorization": key},
    }
    assert shown["vscode"]["servers"]["deskbell"]["url"] == url
    assert shown["vscode"]["inputs"][0]["password"] is True
    assert shown["cursor"] == shown["claude-desktop"]
    assert shown["cursor"]["mcpServers"]["deskbell"]["env"]["BRIGHTLY_API_URL"] == "https://desk.example.com"


def test_a_configured_program_answers_all_that_was_asked_before_it_was_hung_up_on(alice: Api) -> None:
    printed = CliRunner().invoke(cli, ["mcp", "config", "cursor", "--url", alice.server.url])
    told = json.loads(printed.stdout)["mcpServers"]["deskbell"]
    environment = os.environ | told["env"] | {"BRIGHTLY_API_KEY": alice.key}
    params = {"name": "get_org", "_meta": ENVELOPE}
    asked = [{"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params} for id in range(100)]
    lines = "\n".join(map(json.dumps, asked)).encode()
    done = subprocess.run(
        [told["command"], *told["args"]], input=lines, env=environment, capture_output=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(answer["id"] for answer in answers) == list(range(100))
    assert {answer["result"]["structuredContent"]["name"] for answer in answers} == {"Acme Roofing"}
