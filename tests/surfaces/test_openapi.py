"""The OpenAPI document that a running server gives."""

from __future__ import annotations

from typing import Any

import httpx2
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deskbell.app import OPERATIONS
from deskbell.core.operation import Operation
from deskbell.errors import CATALOGUE
from tests.desk import PATIENCE, Api, Server


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    answer = httpx2.get(f"{server.url}/openapi.json", trust_env=False, timeout=PATIENCE)
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def described(document: Any, operation: Operation) -> Any:
    return document["paths"][operation.path][operation.method.lower()]


def resolved(document: Any, part: Any) -> Any:
    """What a `$ref` points to, or the thing itself."""
    while "$ref" in part:
        place, part = part["$ref"].removeprefix("#/").split("/"), document
        for name in place:
            part = part[name]
    return part


def conforms(document: Any, schema: Any, value: Any) -> None:
    whole = {"$ref": "#/checked", "checked": schema, "components": document["components"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(value)


def test_it_is_a_valid_document(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_it_has_every_operation_and_no_other(document: Any) -> None:
    found = {each["operationId"] for path in document["paths"].values() for each in path.values()}
    assert found == {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_says_its_scope_errors_and_headers(document: Any, operation: Operation) -> None:
    made = described(document, operation)
    assert made["security"] == [{"key": [operation.scope]}]
    assert f"`{operation.scope}`" in made["description"]
    for code in {"unauthorized", "insufficient_scope", "rate_limit_exceeded", "internal_error", *operation.errors}:
        answer = resolved(document, made["responses"][str(CATALOGUE[code].status)])
        assert code in answer["content"]["application/json"]["examples"]
    for status, part in made["responses"].items():
        headers = resolved(document, part)["headers"]
        assert {"X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(headers)
        assert ("WWW-Authenticate" in headers) == (status == "401")
        assert ("Retry-After" in headers) == (status == "429")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_example_conforms_to_its_schema(document: Any, operation: Operation) -> None:
    made = described(document, operation)
    for part in made["responses"].values():
        content = resolved(document, part)["content"]
        content = content.get("application/json") or content["text/event-stream"]
        examples = [resolved(document, each)["value"] for each in content.get("examples", {}).values()]
        for example in [*examples, *([content["example"]] if "example" in content else [])]:
            conforms(document, content["schema"], example)
    if body := made.get("requestBody"):
        conforms(
            document, body["content"]["application/json"]["schema"], body["content"]["application/json"]["example"]
        )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_parameter_says_what_it_means(document: Any, operation: Operation) -> None:
    for part in described(document, operation).get("parameters", []):
        parameter = resolved(document, part)
        assert parameter["description"]
        assert parameter["schema"]["type"] in ("string", "integer")


def test_limits_defaults_and_choices_are_those_of_the_brightly_api(document: Any) -> None:
    given = {each["name"]: each["schema"] for each in document["paths"]["/api/v1/leads"]["get"]["parameters"]}
    assert (given["limit"]["minimum"], given["limit"]["maximum"], given["limit"]["default"]) == (1, 100, 50)
    assert given["sort_by"]["enum"] == ["created_at", "updated_at", "first_name", "last_name", "lead_score"]
    assert given["sort_dir"]["default"] == "desc"
    new = document["components"]["schemas"]["NewLead"]
    assert new["required"] == ["first_name"]
    assert new["properties"]["first_name"]["maxLength"] == 100
    assert new["properties"]["last_name"]["type"] == ["string", "null"]
    assert document["components"]["schemas"]["Lead"]["properties"]["tags"]["items"] == {"type": "string"}


def test_what_the_server_answers_is_what_the_document_says(document: Any, alice: Api) -> None:
    sent = document["paths"]["/api/v1/leads"]["post"]["requestBody"]["content"]["application/json"]["example"]
    lead = alice.post("/leads", sent)
    assert lead.status_code == 201, lead.text
    seen = {"leads": lead, "leads/{id}": alice.get(f"/leads/{lead.json()['data']['id']}"), "org": alice.get("/org")}
    for path, answer in seen.items():
        method = answer.request.method.lower()
        made = document["paths"][f"/api/v1/{path}"][method]["responses"][str(answer.status_code)]
        conforms(document, made["content"]["application/json"]["schema"], answer.json())
    refused = alice.get("/leads", limit=1000)
    part = resolved(document, document["paths"]["/api/v1/leads"]["get"]["responses"][str(refused.status_code)])
    conforms(document, part["content"]["application/json"]["schema"], refused.json())
