"""Every operation of the agent API: who may call it, what its description says, and that it works as described."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deskbell.app import AGENT_OPERATIONS
from deskbell.core.operation import Operation
from deskbell.core.scopes import USE
from deskbell.errors import CATALOGUE
from deskbell.identity import applications
from deskbell.identity.application_keys import new_key
from tests.agents import application
from tests.desk import PATIENCE, Api, Server
from tests.promises.world import World, exchange
from tests.surfaces.test_openapi import conforms, described, resolved

EACH = pytest.mark.parametrize("operation", AGENT_OPERATIONS, ids=lambda operation: operation.name)
BASICS = {"unauthorized", "insufficient_scope", "rate_limit_exceeded", "internal_error"}


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return World(server.api(server.organization("Roofs & Sons")))


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return httpx2.get(f"{server.url}/openapi-agents.json", trust_env=False, timeout=PATIENCE).json()


def call(world: World, operation: Operation, authorization: list[bytes]) -> Any:
    return exchange(
        world.api.server.port, operation.method, world.path(operation), authorization, world.body(operation)
    )


@EACH
def test_it_refuses_every_bad_credential_alike(world: World, operation: Operation) -> None:
    good = world.agents.key.encode()
    revoked, plaintext = world.api.do(lambda ctx: applications.create_application_key(ctx, world.agents.application_id))
    world.api.do(lambda ctx: applications.revoke_application_key(ctx, revoked.id))
    crm = world.api.key.encode()
    for bad in ([], [b""], [good], [b"Basic " + good], [b"Bearer " + good[:-1]], [b"Bearer " + good + b"0"], [b"Bearer " + crm],
                [b"Bearer " + new_key().encode()], [b"Bearer " + plaintext.encode()], [b"Bearer " + good] * 2):  # fmt: skip
        answer = call(world, operation, bad)
        body = json.loads(answer.body)
        assert (answer.status, body["error"], body["message"]) == (401, "Unauthorized", "Invalid or revoked API key"), (
            bad
        )
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["ratelimit-limit"] == answer.headers["ratelimit-remaining"] == "600"


@EACH
def test_it_is_open_to_the_applications_that_the_reference_names(world: World, operation: Operation) -> None:
    page = application(world.api.server, world.api.organization_id, "web-integration")
    answer = call(world, operation, [b"Bearer " + page.key.encode()])
    assert (answer.status == 403) == (operation.scope != USE), answer.body
    assert answer.status == 403 or answer.status == operation.status


@EACH
def test_what_it_answers_is_what_the_document_says(document: Any, world: World, operation: Operation) -> None:
    answer = world.send(operation)
    assert answer.status == operation.status, answer.body
    made = described(document, operation)["responses"][str(answer.status)]
    conforms(document, made["content"]["application/json"]["schema"], json.loads(answer.body))


def test_the_document_is_valid_and_has_every_operation(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    found = {each["operationId"] for path in document["paths"].values() for each in path.values()}
    assert found == {operation.name for operation in AGENT_OPERATIONS}


@EACH
def test_the_document_says_errors_headers_and_examples(document: Any, operation: Operation) -> None:
    made = described(document, operation)
    said: set[str] = set()
    for status, part in made["responses"].items():
        response = resolved(document, part)
        assert {"X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(response["headers"])
        assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
        content = response["content"]["application/json"]
        said |= set(content.get("examples", {}))
        examples = [resolved(document, each)["value"] for each in content.get("examples", {}).values()]
        for example in [*examples, *([content["example"]] if "example" in content else [])]:
            conforms(document, content["schema"], example)
    assert BASICS | set(operation.errors) <= said
    for part in made.get("parameters", []):
        assert resolved(document, part)["description"]
    if body := made.get("requestBody", {}).get("content", {}).get("application/json"):
        conforms(document, body["schema"], body["example"])


def test_the_pages_name_every_operation_and_every_link_leads_somewhere(server: Server) -> None:
    browser = httpx2.Client(base_url=server.url, trust_env=False, timeout=PATIENCE)
    server.clients.append(browser)
    page = browser.get("/docs/agents").text
    for operation in AGENT_OPERATIONS:
        part = page.split(f'<section class="operation" id="{operation.name}">')[1].split("</section>")[0]
        assert f"<code>{operation.path}</code>" in part
        assert "Authorization: Bearer $DESKBELL_AGENT_KEY" in part
        assert set(operation.errors) <= set(re.findall(r"/docs/errors#(\w+)", part))
        assert (
            f"[{operation.method} {operation.path}](/docs/agents#{operation.name}): " in browser.get("/llms.txt").text
        )
    errors = browser.get("/docs/errors").text
    for target in set(re.findall(r'href="(/docs/errors#\w+)"', page)):
        assert f'id="{target.partition("#")[2]}"' in errors
    assert set(re.findall(r"#(\w+)", " ".join(re.findall(r"/docs/errors#\w+", page)))) <= set(CATALOGUE)


def test_a_preflight_needs_no_operation_to_exist_and_no_key(alice: Api) -> None:
    page = application(
        alice.server, alice.organization_id, "web-integration", (f"https://{alice.organization_id}.example",)
    )
    asked = {"Origin": f"https://{page.organization_id}.example", "Access-Control-Request-Method": "POST"}
    answer = httpx2.request("OPTIONS", page.server.url + "/v1/agents", headers=asked, trust_env=False, timeout=PATIENCE)
    assert (answer.status_code, answer.content) == (204, b"")
