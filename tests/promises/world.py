"""Every operation with a request that works: what the matrices multiply. A new operation needs its body here and nothing else."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from deskbell.core.api import AGENT
from deskbell.core.operation import Operation
from deskbell.foundation.ids import Id, new_id
from deskbell.foundation.json import unwrapped
from deskbell.identity.people import add_person
from tests.agents import AgentApi, application
from tests.desk import PATIENCE, Api, eventually

TIMES = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}


class Answer(NamedTuple):
    """A response as it came over the wire, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class World:
    """An organization with one record of every kind."""

    def __init__(self, api: Api, phone: str = "+15125550100") -> None:
        self.api = api
        self.lead: str = api.lead(first_name="Ada", phone=phone)["id"]
        self.person: str = api.do(lambda ctx: add_person(ctx, "Pat", f"pat{phone}@example.com")).id
        self.appointment = self.made("/appointments", {"lead_id": self.lead, **TIMES})
        task = {"title": "Call", "contact_id": self.lead, "assigned_to_user_id": self.person}
        self.task = self.made("/tasks", task)
        self.made(f"/conversations/{self.lead}/messages", {"body": "Hello"})

    def made(self, path: str, body: dict[str, Any]) -> str:
        answer = self.api.post(path, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    def ids(self) -> list[str]:
        return [self.lead, self.person, self.appointment, self.task]

    @cached_property
    def group(self) -> str:
        return self.made("/groups", {"name": "Sales", "person_ids": [self.person]})

    @cached_property
    def grant(self) -> str:
        """What a person may do with the agent."""
        return self.new_grant(self.person)

    @cached_property
    def api_key(self) -> str:
        return self.new_api_key()

    def new_grant(self, person_id: str) -> str:
        resource = {"resource_type": "agent", "resource_id": self.agent}
        return self.made("/grants", {"subject_type": "person", "subject_id": person_id, **resource, "level": "view"})

    def new_api_key(self) -> str:
        return self.made("/api-keys", {"name": "Website", "scopes": ["people:write"], "person_id": self.person})

    def new_person(self) -> str:
        email = f"{new_id()}@example.com"
        return str(self.api.do(lambda ctx: add_person(ctx, "Sam", email)).id)

    @cached_property
    def agents(self) -> AgentApi:
        """A client of the agent API that may do everything, in the same organization; made when first needed."""
        return application(self.api.server, self.api.organization_id)

    @cached_property
    def agent(self) -> str:
        """An agent with a version."""
        new = {"name": "Front desk", "model": "deskbell/extractive", "system_prompt": "Be brief."}
        made = self.agents.post("/agents", new)
        assert made.status_code == 201, made.text
        assert self.agents.post(f"/agents/{made.json()['id']}/publish").status_code == 200
        return str(made.json()["id"])

    @cached_property
    def base(self) -> str:
        """A knowledge base with a document that is ready."""
        base = self.new_base()
        document = self.new_document(base)
        eventually(lambda: self.agents.get(f"/documents/{document}").json()["status"] == "ready")
        return base

    @cached_property
    def document(self) -> str:
        return str(self.agents.get(f"/knowledge-bases/{self.base}/documents").json()["documents"][-1]["id"])

    @cached_property
    def conversation(self) -> str:
        """A conversation with the agent."""
        return self.new_conversation()

    def new_conversation(self) -> str:
        said = self.agents.post("/chat", {"agent_id": self.agent, "message": "Hello"})
        assert said.status_code == 200, said.text
        return str(said.json()["conversationId"])

    def new_base(self) -> str:
        return str(self.agents.post("/knowledge-bases", {"name": "Prices"}).json()["id"])

    def new_document(self, base: str) -> str:
        added = self.agents.post(f"/knowledge-bases/{base}/documents", {"title": "Prices", "text": "A roof costs $9."})
        assert added.status_code == 202, added.text
        return str(added.json()["id"])

    def ids_for(self, operation: Operation) -> list[str]:
        """Ids of this organization that an operation might be given."""
        if of_agents(operation):
            return [self.agent, self.base, self.document, self.conversation]
        if of_team(operation):
            return [self.person, self.group, self.grant, self.api_key, self.agent]
        return self.ids()

    def own(self, operation: Operation) -> str:
        """The id that belongs into the operation's path; what the operation deletes is made for it."""
        if operation.name == "knowledge_bases.delete":
            return self.new_base()
        if operation.name == "documents.delete":
            return self.new_document(self.new_base())
        if operation.name == "agent_conversations.delete":
            return self.new_conversation()
        if of_team(operation):
            return self.of_the_team(operation)
        if operation.path.startswith("/v1/conversations/"):
            return self.conversation
        if operation.path.startswith("/v1/documents/"):
            return self.document
        if operation.path.startswith("/v1/knowledge-bases/"):
            return self.base
        if of_agents(operation):
            return self.agent
        return {"appointments": self.appointment, "tasks": self.task}.get(operation.name.split(".")[0], self.lead)

    def of_the_team(self, operation: Operation) -> str:
        """What an operation on the team is given."""
        match operation.name:
            case "people.remove":
                return self.new_person()
            case "groups.delete":
                return self.made("/groups", {"name": "Crew"})
            case "grants.revoke":
                return self.new_grant(self.new_person())
            case "api_keys.revoke":
                return self.new_api_key()
        return self.group if operation.name.startswith("groups.") else self.person

    def body(self, operation: Operation) -> dict[str, Any] | None:
        if operation.from_body is None and operation.upload is None:
            return None
        bodies: dict[str, dict[str, Any]] = {
            "leads.create": {"first_name": "Maria"},
            "leads.update": {"last_name": "Lopez"},
            "appointments.create": {"lead_id": self.lead, **TIMES},
            "appointments.update": {"lead_id": self.lead},
            "tasks.create": {"title": "Call", "contact_id": self.lead, "assigned_to_user_id": self.person},
            "tasks.update": {"contact_id": self.lead, "assigned_to_user_id": self.person},
            "messages.send": {"body": "We can be there at nine."},
            "people.update": {"name": "Pat Ellis"},
            "groups.create": {"name": "Office", "person_ids": [self.person]},
            "groups.update": {"person_ids": [self.person]},
            "api_keys.create": {"name": "Website", "scopes": ["people:write"], "person_id": self.person},
            "agents.create": {"name": "Front desk"},
            "agents.update": {"description": "Answers calls"},
            "chat": {"agent_id": self.agent, "message": "What does a roof cost?"},
            "kb.search": {"kb_id": self.base, "query": "what does a roof cost"},
            "knowledge_bases.create": {"name": "Prices"},
            "documents.add": {"title": "Hours", "text": "We are open from eight to five."},
        }
        if operation.name == "grants.create":
            subject = {"subject_type": "person", "subject_id": self.new_person()}
            return {**subject, "resource_type": "agent", "resource_id": self.agent, "level": "edit"}
        return bodies[operation.name]

    def path(self, operation: Operation, id: str | None = None) -> str:
        path = operation.path
        for name in operation.path_parameters:
            path = path.replace("{" + name + "}", "1" if name == "number" else id or self.own(operation))
        return path

    def send(self, operation: Operation, place: Place | None = None, id: str = "") -> Answer:
        """The operation with this organization's own records, or with another id in one place."""
        path, body, query = self.path(operation), self.body(operation), ""
        if place and place.where == "path":
            path = self.path(operation, id)
        elif place and place.where == "query":
            query = f"?{place.name}={id}"
        elif place and body is not None:
            body[place.name] = [id] if isinstance(body.get(place.name), list) else id
        key = self.agents.key if of_agents(operation) else self.api.key
        return exchange(self.api.server.port, operation.method, path + query, [b"Bearer " + key.encode()], body)


#: Fields of the agent API that hold an id of some form of their own.
AGENT_IDS = {"agent_id", "kb_id", "resource_id"}


TEAM = {"people", "groups", "grants", "api-keys"}  # the resources of the slice that knows people and keys


def of_agents(operation: Operation) -> bool:
    return operation.api is AGENT


def of_team(operation: Operation) -> bool:
    return operation.path.removeprefix("/api/v1/").split("/")[0] in TEAM


class Place(NamedTuple):
    """Where a request holds an id: in its path, query or body, under a name."""

    where: str
    name: str


def places(operation: Operation) -> Iterator[Place]:
    """Every place of an operation that takes a record's id, found in its signature."""
    for name in operation.path_parameters:
        if name != "number":
            yield Place("path", name)
    for field in msgspec.structs.fields(operation.input) if operation.input else ():
        if Id in unwrapped(field.type) or field.encode_name in AGENT_IDS:
            yield Place("query" if operation.is_read else "body", field.encode_name)


def exchange(
    port: int, method: str, path: str, authorization: list[bytes], body: Any = None, extra: bytes = b""
) -> Answer:
    """One request, written byte by byte: a client library would refuse half of what the tests send."""
    text = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: 127.0.0.1", b"Connection: close"]
    lines += [b"Authorization: " + value for value in authorization]
    lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(text)]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n" + extra + b"\r\n" + text)
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        is_stream = headers.get("content-type", "").startswith("text/event-stream")  # it never ends by itself
        return Answer(response.status, headers, response.read1() if is_stream else response.read())
