"""Applications, agents and credits on the command line, as a script uses them beside a running server."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.desk import PATIENCE, Server, eventually
from tests.surfaces.test_cli import Desk, served  # noqa: F401  the fixture


@pytest.fixture(scope="module")
def place(served: Any) -> tuple[Server, Desk, str]:  # noqa: F811
    server, desk = served
    return server, desk, server.organization("Acme")


def status(server: Server, key: str, path: str = "/agents") -> int:
    answer = httpx2.get(
        f"{server.url}/v1{path}", headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=PATIENCE
    )
    return answer.status_code


def test_an_application_gets_keys_that_are_shown_once_and_end_for_good(place: tuple[Server, Desk, str]) -> None:
    server, desk, organization = place
    made = desk.json(
        "app", "create", "--org", organization, "--name", "Site", "--type", "web-integration", "--origin", "https://acme.example"
    )  # fmt: skip
    assert (made["type"], made["origins"]) == ("web-integration", ["https://acme.example"])
    key, other = (desk.json("app", "key", "create", "--app", made["id"], "--name", name) for name in ("live", "test"))
    assert (len(key["key"]), key["key"][:9], key["shown"]) == (41, "brs_live_", f"brs_live_...{key['key'][-4:]}")
    assert [status(server, each["key"]) for each in (key, other)] == [200, 200]
    listed = desk.run("app", "key", "list", "--app", made["id"])
    assert key["shown"] in listed
    assert key["key"] not in listed
    assert desk.json("app", "key", "revoke", key["id"])["revoked_at"]
    eventually(lambda: [status(server, each["key"]) for each in (key, other)] == [401, 200])
    assert desk.json("app", "revoke", made["id"])["origins"] == []
    eventually(lambda: status(server, other["key"]) == 401)
    assert "is revoked" in desk.complaint("app", "key", "create", "--app", made["id"])
    assert desk.json("app", "list", "--org", organization)[0]["revoked_at"]


def test_an_agent_is_made_published_and_taken_back(place: tuple[Server, Desk, str]) -> None:
    _, desk, organization = place
    options = (
        "--org",
        organization,
        "--name",
        "Desk",
        "--model",
        "deskbell/extractive",
        "--prompt",
        "For {{business}}.",
    )
    draft = desk.json("agent", "create", *options, "--variable", "business=Acme")
    assert (draft["isDraft"], draft["variables"]) == (True, {"business": "Acme"})
    assert desk.json("agent", "publish", draft["id"])["liveVersion"] == 1
    assert desk.json("agent", "revert", draft["id"], "1")["number"] == 2
    assert [each["number"] for each in desk.json("agent", "versions", draft["id"])] == [2, 1]
    assert desk.json("agent", "create", *options, "--publish")["isDraft"] is False
    assert len(desk.json("agent", "list", "--org", organization)) == 2
    assert "For {{business}}." in desk.run("agent", "show", draft["id"])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("app", "create", "--org", "{org}", "--name", " ", "--type", "backend-service"), "`name` must not be blank"),
        (("app", "key", "create", "--app", "x"), "No application has the id x"),
        (("app", "key", "revoke", "00000000-0000-7000-8000-000000000000"), "No application's key has the id"),
        (("agent", "publish", "00000000-0000-7000-8000-000000000000"), "No agent has the id"),
        (("agent", "create", "--org", "{org}", "--name", "x", "--model", "m", "--prompt", "p", "--kb", "kb_1"), "Knowledge base not found"),
        (("agent", "create", "--org", "{org}", "--name", "x", "--model", "", "--prompt", "p"), "`model` must have at least 1 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(
    place: tuple[Server, Desk, str], words: tuple[str, ...], complaint: str
) -> None:
    _, desk, organization = place
    assert complaint in desk.complaint(*(word.format(org=organization) for word in words))


def test_credits_are_added_limited_and_shown(place: tuple[Server, Desk, str]) -> None:
    _, desk, organization = place
    assert desk.json("credits", "add", "--org", organization, "12.5")["balance"] == 12.5
    assert "10.0" in desk.run("credits", "add", "--org", organization, "--", "-2.5")
    assert desk.json("credits", "show", "--org", organization)["metered"] is False
    assert "At most 5 credits" in desk.run("credits", "budget", "--org", organization, "5")
    assert "no limit" in desk.run("credits", "budget", "--org", organization, "--none")
