"""Keys of applications: who may call the agent API, from where, how often, and for how long."""

from __future__ import annotations

import subprocess

import httpx2
import pytest

from deskbell.identity import applications
from deskbell.identity.application_keys import new_key
from tests.agents import AgentApi, application, denied
from tests.desk import PATIENCE, SOON, Api, Server, eventually
from tests.promises.world import exchange

REFUSAL = "Invalid or revoked API key"


@pytest.fixture
def website(alice: Api) -> AgentApi:
    return application(alice.server, alice.organization_id)


def test_a_good_key_passes_whatever_the_spelling_of_its_scheme(website: AgentApi) -> None:
    for scheme in (b"Bearer ", b"bearer ", b"BEARER  "):
        answer = exchange(website.server.port, "GET", "/v1/nowhere", [scheme + website.key.encode()])
        assert answer.status == 404


@pytest.mark.parametrize(
    "bad",
    [
        "", "Bearer", "Bearer brs_live_xxxxxxxxxxxxxxxxxx", "Basic {key}", "{key}", "Bearer {key}0", "Bearer {less}", "Bearer {new}",
        "Bearer {crm}", "Bearer {key} {key}", "Bearer {key}%00", "Bearer " + "a" * 60_000,
    ],
)  # fmt: skip
def test_any_other_credential_is_refused_alike(website: AgentApi, alice: Api, bad: str) -> None:
    header = bad.format(key=website.key, less=website.key[:-1], new=new_key(), crm=alice.key)
    answer = httpx2.get(
        website.server.url + "/v1/agents", headers={"Authorization": header}, trust_env=False, timeout=PATIENCE
    )
    denied(answer, 401, REFUSAL)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["RateLimit-Limit"] == answer.headers["RateLimit-Remaining"] == "600"


def test_two_headers_are_none(website: AgentApi) -> None:
    answer = exchange(website.server.port, "GET", "/v1/nowhere", [b"Bearer " + website.key.encode()] * 2)
    assert answer.status == 401


def test_an_applications_key_opens_no_other_door(website: AgentApi) -> None:
    answer = httpx2.get(
        website.server.url + "/api/v1/org",
        headers={"Authorization": f"Bearer {website.key}"},
        trust_env=False,
        timeout=PATIENCE,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_a_revoked_key_ends_at_once_and_its_siblings_go_on(website: AgentApi) -> None:
    sibling, plaintext = website.do(
        lambda ctx: applications.create_application_key(ctx, website.application_id, "development")
    )
    assert website.get("/nowhere").status_code == 404
    website.do(lambda ctx: applications.revoke_application_key(ctx, website.key_id))
    eventually(lambda: website.get("/nowhere").status_code == 401, SOON)
    website.http.headers["Authorization"] = f"Bearer {plaintext}"
    assert website.get("/nowhere").status_code == 404
    assert sibling.shown == f"brs_live_...{plaintext[-4:]}"


def test_a_revoked_application_takes_its_keys_along(website: AgentApi) -> None:
    website.do(lambda ctx: applications.revoke_application(ctx, website.application_id))
    eventually(lambda: website.get("/nowhere").status_code == 401)
    with pytest.raises(Exception, match="is revoked"):
        website.do(lambda ctx: applications.create_application_key(ctx, website.application_id))


def test_only_a_hash_of_the_key_is_kept(website: AgentApi) -> None:
    assert len(website.key) == 41
    kept = website.do(lambda ctx: applications.list_application_keys(ctx, website.application_id))
    assert [key.shown for key in kept] == [f"brs_live_...{website.key[-4:]}"]
    if website.server.database.startswith("sqlite"):
        files = [website.server.path, website.server.path + "-wal"]
        # By another process: closing a file ends every lock that this one has on it.
        kept = subprocess.run(["cat", *files], capture_output=True, check=True).stdout
        assert website.key.encode() not in kept


def test_unknown_routes_and_wrong_input_are_answered_flat(website: AgentApi) -> None:
    denied(website.get("/nowhere"), 404, "There is no such route")


def preflight(server: Server, origin: str) -> httpx2.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    return httpx2.request("OPTIONS", server.url + "/v1/chat", headers=asked, trust_env=False, timeout=PATIENCE)


def test_web_pages_of_listed_origins_may_call(server: Server) -> None:
    home = f"https://{new_key()[9:].lower()}.example"
    widget = application(server, server.organization(), "web-integration", (home + "/",))
    answer = preflight(server, home)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == home
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
    widget.http.headers["Origin"] = home
    answer = widget.get("/nowhere")
    assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (home, "Origin")
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_no_other_page_may(server: Server, website: AgentApi) -> None:
    home = f"https://{new_key()[9:].lower()}.example"
    widget = application(server, server.organization(), "web-integration", (home,))
    for origin in (
        "https://evil.example",
        home + ".evil.example",
        home.replace("https", "http"),
        "null",
        home + ":8443",
    ):
        answer = preflight(server, origin)
        denied(answer, 401, REFUSAL)
        widget.http.headers["Origin"] = origin
        assert not [name for name in (*answer.headers, *widget.get("/agents").headers) if "access-control" in name]
    website.http.headers["Origin"] = home  # somebody else's page with our key
    assert "Access-Control-Allow-Origin" not in website.get("/nowhere").headers


@pytest.mark.parametrize(
    "wrong", ["example.com", "ftp://example.com", "https://a.example/path", "https://u@a.example", "*", "https://a:x"]
)
def test_an_origin_is_scheme_and_host(server: Server, wrong: str) -> None:
    with pytest.raises(Exception, match="must be scheme and host"):
        application(server, server.organization(), "web-integration", (wrong,))
