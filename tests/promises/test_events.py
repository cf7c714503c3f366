"""Every write leaves one event, in its transaction: by whom, by what channel, in which request. What changes nothing leaves none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from deskbell.app import AGENT_OPERATIONS, OPERATIONS
from deskbell.core.event_types import EVENT_TYPES
from deskbell.core.operation import Operation
from deskbell.core.tools.tool import tools_of
from deskbell.leads import operations as leads
from deskbell.surfaces.cli import cli
from tests import recorded_writes
from tests.desk import Api, eventually, running
from tests.events import log, of_request
from tests.mcp_client import Mcp
from tests.postgres import fresh_database
from tests.promises.world import Answer, World, exchange, of_agents
from tests.surfaces.test_mcp_tools import arguments

READS = {"kb.search"}  # that are sent as POST
WRITES = [each for each in (*OPERATIONS, *AGENT_OPERATIONS) if not each.is_read and each.name not in READS]
TOOLS = [name for name, tool in tools_of(OPERATIONS).items() if not tool.operation.is_read]

#: Bodies that change something, where those of the matrices do not.
CHANGES: dict[str, dict[str, Any]] = {
    "appointments.update": {"notes": "Bring a ladder"},
    "tasks.update": {"title": "Call again"},
    "groups.update": {"name": "Sales and service"},
}


def prepared(world: World, operation: Operation) -> Callable[[str], Answer]:
    """Sends the operation, the same request each time, with an idempotency key if one is given."""
    path, body = world.path(operation), CHANGES.get(operation.name) or world.body(operation)
    key = world.agents.key if of_agents(operation) else world.api.key

    def send(idempotency_key: str) -> Answer:
        extra = f"Idempotency-Key: {idempotency_key}\r\n".encode() if idempotency_key else b""
        bearer = [b"Bearer " + key.encode()]
        answer = exchange(world.api.server.port, operation.method, path, bearer, body, extra)
        assert answer.status == operation.status, answer.body
        return answer

    return send


@pytest.fixture
def world(alice: Api) -> World:
    return World(alice)


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
def test_a_write_leaves_one_event_that_says_who_did_it(world: World, operation: Operation) -> None:
    if operation.name == "agents.publish":
        world.agents.put(f"/agents/{world.agent}", {"system_prompt": "Be kind."})
    answer = prepared(world, operation)("")
    (event,) = of_request(world.api, answer.headers["x-request-id"])
    assert event.type in EVENT_TYPES
    assert event.object_type == event.type.partition(".")[0]
    assert event.channel == "api"
    application = ("application", world.agents.application_id, "Website")
    assert event.principal == (application if of_agents(operation) else ("api_key", world.api.key_id, "test"))


@pytest.mark.parametrize("operation", [each for each in WRITES if not of_agents(each)], ids=lambda each: each.name)
def test_a_replayed_answer_leaves_no_second_event(world: World, operation: Operation) -> None:
    send = prepared(world, operation)
    first, second = send("once"), send("once")
    assert second.headers["idempotency-replayed"] == "true"
    assert len(of_request(world.api, first.headers["x-request-id"])) == 1
    assert of_request(world.api, second.headers["x-request-id"]) == []


@pytest.mark.parametrize(
    "name", ["leads.update", "appointments.update", "tasks.update", "people.update", "groups.update", "agents.publish"]
)
def test_a_change_that_changes_nothing_leaves_no_event(world: World, name: str) -> None:
    (operation,) = (each for each in WRITES if each.name == name)
    send = prepared(world, operation)
    send("")
    answer = send("")
    assert of_request(world.api, answer.headers["x-request-id"]) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_leaves_one_event_of_its_key_by_mcp(world: World, tool: str) -> None:
    client = Mcp(world.api).open()
    answer = client.send(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments(tool, world)},
        }
    )
    assert not answer.json()["result"].get("isError"), answer.text
    (event,) = of_request(world.api, answer.headers["x-request-id"])
    assert event.type in EVENT_TYPES
    assert event.channel == "mcp"
    assert event.principal == ("api_key", world.api.key_id, "test")


def test_a_blocked_text_is_refused_and_recorded(world: World) -> None:
    Shell(world.api)("dnc", "add", "--org", world.api.organization_id, "+15125550100")
    answer = world.api.post(f"/conversations/{world.lead}/messages", {"body": "Hello?"})
    assert answer.status_code == 422
    assert [event.type for event in of_request(world.api, answer.headers["x-request-id"])] == ["message.blocked"]


def test_background_work_is_the_jobs_and_a_report_the_carriers(world: World) -> None:
    world.agents.post(f"/knowledge-bases/{world.base}/documents", {"url": "http://127.0.0.1:9/private"})

    def principals(type: str) -> set[tuple[Any, ...]]:
        return {(event.channel, event.request_id, *event.principal) for event in log(world.api) if event.type == type}

    eventually(lambda: principals("message.delivered") and principals("document.failed"))
    assert principals("message.sent") == {("system", None, "job", None, "texts.send")}
    assert principals("message.delivered") == {("sms", None, "carrier", None, "simulator")}
    assert principals("document.ready") == principals("document.failed")
    assert principals("document.ready") == {("system", None, "job", None, "knowledge.index")}


def test_what_a_customer_texts_is_the_customers(alice: Api) -> None:
    text = Shell(alice)
    for body in ("Hello", "STOP", "stop", "START", "start"):
        text("simulate", "text", "--org", alice.organization_id, "--from", "+15125550177", body)
    (lead,) = alice.get("/leads").json()["data"]
    events = [event for event in log(alice) if event.channel == "sms"]
    types = [event.type for event in events if event.type != "message.accepted"]
    text_in = "message.received"
    assert types[:2] == ["lead.created", text_in]
    assert types[2:] == [text_in, "suppression.added", text_in, text_in, "suppression.lifted", text_in]
    assert {event.principal for event in events[1:]} == {("customer", lead["id"], "+15125550177")}
    assert {event.lead_id for event in events} == {lead["id"]}


class Shell:
    """The command line, on the database of a running server."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def __call__(self, *words: str) -> str:
        result: Result = CliRunner().invoke(cli, ["--database", self.api.server.database, *words])
        assert result.exit_code == 0, f"{words}: {result.output}"
        return result.output

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def events(self, *words: str) -> list[str]:
        """The types of the events of a command, which are all the operator's."""
        before = len(log(self.api))
        self(*words)
        events = [event for event in log(self.api)[before:] if event.channel == "cli"]
        assert {event.principal for event in events} <= {("operator", None, "operator")}
        return [event.type for event in events]


#: Commands that leave events in tests of their own, or none because they change no business record.
APART = {"agent chat", "demo", "simulate text", "restore", "copy", "jobs drop", "jobs retry"}
READING = {
    "serve",
    "backup",
    "migrate",
    "embedder install",
    "doctor",
    "version",
    "mcp config",
    "kb search",
    "kb status",
}
READING |= {"agent show", "agent versions", "credits show", "events follow", "org show", "person access"}


def commands(command: click.Command, *words: str) -> Iterator[str]:
    """Every command of the command line, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(words)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if (found := command.get_command(context, name)) is not None:
            yield from commands(found, *words, name)


def test_commands_leave_events_of_the_operator(alice: Api, tmp_path: Path) -> None:
    events, json = (shell := Shell(alice)).events, shell.json
    here = ("--org", alice.organization_id)
    seen: list[tuple[str, list[str]]] = []

    def done(command: str, *words: str) -> None:
        seen.append((command, events(*command.split(), *words)))

    agent = ("--name", "Desk", "--model", "deskbell/extractive", "--prompt", "Be brief.")
    done("org update", alice.organization_id, "--phone", "+15125550199", "--agent-approval")
    done("key create", *here, "--name", "site", "--scope", "leads:read")
    key = json("key", "create", *here, "--name", "other")["id"]
    done("key update", key, "--reads", "7")
    done("key revoke", key)
    done("app create", *here, "--name", "Website", "--type", "backend-service")
    app = json("app", "create", *here, "--name", "Other", "--type", "backend-service")["id"]
    done("app update", app, "--origin", "https://example.com")
    done("app key create", "--app", app)
    done("app key revoke", json("app", "key", "create", "--app", app)["id"])
    done("app revoke", app)
    done("agent create", *here, *agent)
    made = json("agent", "create", *here, *agent)["id"]
    done("agent publish", made)
    done("agent revert", made, "1")
    done("kb create", *here, "--name", "Prices")
    base = json("kb", "create", *here, "--name", "Hours")["id"]
    (tmp_path / "hours.txt").write_text("Open from eight to five.")
    done("kb add", base, str(tmp_path / "hours.txt"))
    done("credits add", *here, "50")
    done("credits budget", *here, "20")
    done("person add", *here, "Sam", "sam@example.com")
    done("person update", *here, "sam@example.com", "--name", "Sam Ellis")
    done("group create", *here, "Sales", "--person", "sam@example.com")
    done("group update", *here, "Sales", "--name", "Service")
    done("grant create", *here, "--group", "Service", "--kb", base, "--level", "view")
    grant = json("grant", "create", *here, "--person", "sam@example.com", "--kb", base, "--level", "edit")["id"]
    done("grant revoke", *here, grant)
    done("group delete", *here, "Service")
    done("person remove", *here, "sam@example.com")
    done("dnc add", *here, "+15125550188")
    done("dnc remove", *here, "+15125550188")
    done("lead erase", alice.lead()["id"], "--yes")
    assert seen == [
        ("org update", ["settings.updated", "settings.updated"]),
        ("key create", ["api_key.created"]),
        ("key update", ["api_key.updated"]),
        ("key revoke", ["api_key.revoked"]),
        ("app create", ["application.created"]),
        ("app update", ["application.updated"]),
        ("app key create", ["application.updated"]),
        ("app key revoke", ["application.updated"]),
        ("app revoke", ["application.revoked"]),
        ("agent create", ["agent.created"]),
        ("agent publish", ["agent.published"]),
        ("agent revert", ["agent.reverted"]),
        ("kb create", ["knowledge_base.created"]),
        ("kb add", ["document.added"]),
        ("credits add", ["credits.added"]),
        ("credits budget", ["credits.added"]),
        ("person add", ["person.added"]),
        ("person update", ["person.updated"]),
        ("group create", ["group.created"]),
        ("group update", ["group.updated"]),
        ("grant create", ["grant.created"]),
        ("grant revoke", ["grant.deleted"]),
        ("group delete", ["grant.deleted", "group.deleted"]),
        ("person remove", ["person.removed"]),
        ("dnc add", ["suppression.added"]),
        ("dnc remove", ["suppression.lifted"]),
        ("lead erase", ["lead.erased"]),
    ]
    known = {command for command, _ in seen} | APART | READING | {"org create"}
    listing = {each for each in commands(cli) if each.endswith(" list")}
    assert set(commands(cli)) - listing == known


def test_a_new_organization_begins_its_log(alice: Api) -> None:
    made = Shell(alice).json("org", "create", "Bright Smiles")
    (event,) = log(alice.server.api(made["id"]))[:1]
    assert (event.type, event.channel, event.principal) == (
        "organization.created",
        "cli",
        ("operator", None, "operator"),
    )


def test_a_chat_by_command_is_the_operators(world: World) -> None:
    result = CliRunner().invoke(
        cli, ["--database", world.api.server.database, "agent", "chat", world.agent], input="Hello\nAnd on Sunday?\n"
    )
    assert result.exit_code == 0, result.output
    started = [event for event in log(world.api) if event.type == "chat.started"]
    assert [(event.channel, event.principal) for event in started] == [("cli", ("operator", None, "operator"))]


def test_a_deleted_chat_leaves_no_word_of_it(world: World) -> None:
    chat = world.new_conversation()
    assert "Hello" in str([event.data for event in log(world.api) if event.object_id == chat])
    assert world.agents.delete(f"/conversations/{chat}").status_code == 200
    about = [event for event in log(world.api) if event.object_id == chat]
    assert [(event.type, event.data) for event in about] == [("chat.started", None), ("chat.deleted", None)]


def test_what_a_restore_carries_over_is_recorded(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as server:
        alice = server.api(server.organization())
        shell = Shell(alice)
        old, new = "+15125550166", "+15125550155"
        shell("dnc", "add", "--org", alice.organization_id, old)
        lead = alice.lead(phone="+15125550144")["id"]
        shell("backup", str(tmp_path / "backup.db"))
        kept = log(alice)
        shell("dnc", "add", "--org", alice.organization_id, new)
        shell("dnc", "remove", "--org", alice.organization_id, old)
        shell("lead", "erase", lead, "--yes")
    shell("restore", str(tmp_path / "backup.db"))
    carried = log(alice)[len(kept) :]
    assert sorted(event.type for event in carried) == ["lead.erased", "suppression.added", "suppression.lifted"]
    assert {(event.channel, event.principal) for event in carried} == {("cli", ("operator", None, "operator"))}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_write_that_forgets_its_event_is_noticed(
    database: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    place: Path | str = tmp_path / "desk.db"
    if database == "postgres":
        place = fresh_database(request.getfixturevalue("postgres_url"))
    with running(place) as server:
        alice = server.api(server.organization())
        lead = alice.lead()["id"]
        monkeypatch.setattr(leads, "record", forget)
        assert alice.put(f"/leads/{lead}", {"temperature": "hot"}).status_code == 200
        assert alice.put(f"/leads/{lead}", {"temperature": "hot"}).status_code == 200
        noticed = recorded_writes.UNRECORDED.copy()
        recorded_writes.UNRECORDED.clear()
    assert noticed == ["leads is changed by leads.operations.update_lead without an event"]


async def forget(*about: Any, **more: Any) -> None:
    """Records nothing."""
