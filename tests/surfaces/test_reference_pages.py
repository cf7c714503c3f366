"""The pages that people and language models read."""

from __future__ import annotations

import re

import httpx2
import pytest

from deskbell.app import OPERATIONS
from deskbell.core.scopes import SCOPES
from deskbell.errors import CATALOGUE
from tests.desk import PATIENCE, Server

PAGES = ["/docs", "/docs/errors"]
OWN = ["/", *PAGES, "/docs/style.css", "/llms.txt", "/openapi.json", "/healthz", "/nowhere"]


@pytest.fixture(scope="module")
def browser(server: Server) -> httpx2.Client:
    client = httpx2.Client(base_url=server.url, trust_env=False, timeout=PATIENCE)
    server.clients.append(client)
    return client


def test_the_first_page_leads_to_the_reference(browser: httpx2.Client) -> None:
    assert browser.get("/").headers["location"].endswith("/docs")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_is_on_the_page_with_route_scope_and_example(browser: httpx2.Client, operation) -> None:  # type: ignore[no-untyped-def]
    page = browser.get("/docs").text
    part = page.split(f'<section class="operation" id="{operation.name}">')[1].split("</section>")[0]
    assert f"<code>{operation.path}</code>" in part
    assert f"scope <code>{operation.scope}</code>" in part
    assert "curl " in part
    assert "Authorization: Bearer $DESKBELL_KEY" in part
    assert {"unauthorized", "insufficient_scope", *operation.errors} <= set(re.findall(r"/docs/errors#(\w+)", part))


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_has_an_entry_that_says_how_to_fix_it(browser: httpx2.Client, code: str) -> None:
    page = browser.get("/docs/errors").text
    part = page.split(f'id="{code}"')[1].split("</section>")[0]
    assert str(CATALOGUE[code].status) in part
    assert ("not retryable" in part) == (not CATALOGUE[code].retryable)
    assert "How to fix it" in part
    assert f"&#34;{code}&#34;" in part


def test_every_scope_is_explained(browser: httpx2.Client) -> None:
    page = browser.get("/docs").text
    for scope, grants in SCOPES.items():
        assert re.search(rf"<code>{scope}</code></dt><dd>{grants.replace(chr(39), '&#39;')}", page)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_without_a_network_and_every_link_leads_somewhere(browser: httpx2.Client, path: str) -> None:
    page = browser.get(path).text
    assert "<script" not in page
    for target in set(re.findall(r'(?:src|href)="([^"]*)"', page)) - {"data:,"}:
        assert target.startswith(("/", "#")), target
        place, _, anchor = target.partition("#")
        text = browser.get(place).text if place else page
        assert not anchor or f'id="{anchor}"' in text, target


def test_the_style_asks_for_nothing_from_elsewhere(browser: httpx2.Client) -> None:
    style = browser.get("/docs/style.css").text
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("path", OWN)
def test_nothing_foreign_can_run_in_an_answer(browser: httpx2.Client, path: str) -> None:
    headers = browser.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "script-src" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_language_model_finds_the_way(browser: httpx2.Client) -> None:
    answer = browser.get("/llms.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("# Deskbell\n\n> ")
    assert "Authorization: Bearer brk_" in answer.text
    for operation in OPERATIONS:
        assert f"[{operation.method} {operation.path}](/docs#{operation.name}): " in answer.text
    for link in ("/openapi.json", "/docs", "/docs/errors"):
        assert f"]({link})" in answer.text


def test_an_unknown_page_says_so(browser: httpx2.Client) -> None:
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert browser.post("/docs").status_code == 405
    assert browser.post("/docs").json()["error"]["code"] == "method_not_allowed"
