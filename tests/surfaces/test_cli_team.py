"""deskbell person, group, grant and key: a team by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.test_cli import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def org(desk: Desk) -> str:
    return desk.business()[0]


def told(desk: Desk, *words: str) -> Any:
    return json.loads(desk.run(*words, "--json"))


def test_a_person_is_added_in_either_form_and_changed(desk: Desk, org: str) -> None:
    ida = told(desk, "person", "add", "--org", org, "Ida", "ida@example.com")
    sam = told(desk, "person", "add", "--org", org, "--name", "Sam", "--email", "sam@example.com", "--role", "owner")
    assert [(each["name"], each["role"]) for each in told(desk, "person", "list", "--org", org)] == [
        ("Ida", "member"),
        ("Sam", "owner"),
    ]
    changed = told(desk, "person", "update", "--org", org, ida["id"], "--phone", "512 555 0123", "--role", "owner")
    assert changed == {**ida, "phone": "+15125550123", "role": "owner"}
    assert told(desk, "person", "update", "--org", org, "ida@example.com", "--phone", "")["phone"] is None
    assert "owner" in desk.complaint("person", "remove", "--org", org, "ida@example.com")
    assert told(desk, "person", "remove", "--org", org, "sam@example.com") == {**sam, "role": "admin"}
    assert "Sam" not in desk.run("person", "list", "--org", org)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["add", "Ida"], 2),
        (["add", "Ida", "ida@example.com", "--name", "Ida"], 2),
        (["add", "Ida", "ida@example.com", "--role", "king"], 2),
        (["update", "ida@example.com"], 2),
        (["update", "ida@example.com", "--name", "Ida"], 1),
        (["add", " ", "ida@example.com"], 1),
        (["remove", "x"], 1),
        (["access", "x"], 1),
    ],
)
def test_a_command_that_is_not_right_says_so(desk: Desk, org: str, words: list[str], status: int) -> None:
    assert desk.complaint("person", *words, "--org", org, status=status)


def test_groups_grants_and_what_somebody_may_do(desk: Desk, org: str) -> None:
    ida = told(desk, "person", "add", "--org", org, "Ida", "ida@example.com")
    base = told(desk, "kb", "create", "--org", org, "--name", "Prices")["id"]
    group = told(desk, "group", "create", "--org", org, "Sales", "--person", "ida@example.com")
    assert group["person_ids"] == [ida["id"]]
    grant = told(desk, "grant", "create", "--org", org, "--group", "Sales", "--kb", base, "--level", "edit")
    assert told(desk, "grant", "list", "--org", org) == [grant]
    access = {"resource_type": "knowledge_base", "resource_id": base, "level": "edit", "from": "group"}
    assert told(desk, "person", "access", "--org", org, "ida@example.com") == [access]
    assert told(desk, "group", "update", "--org", org, group["id"], "--nobody")["person_ids"] == []
    assert told(desk, "person", "access", "--org", org, ida["id"])[0]["from"] == "role"
    assert told(desk, "grant", "revoke", "--org", org, grant["id"]) == grant
    assert told(desk, "group", "delete", "--org", org, "Sales")["id"] == group["id"]
    assert told(desk, "group", "list", "--org", org) == []
    assert "No groups" in desk.complaint("group", "delete", "--org", org, "Sales")
    for words in (["--person", "ida@example.com"], ["--kb", base], ["--person", "x", "--group", "y", "--kb", "z"]):
        desk.complaint("grant", "create", "--org", org, "--level", "use", *words, status=2)
    desk.complaint("grant", "create", "--org", org, "--level", "use", "--person", "ida@example.com", "--kb", "kb_x")
    assert "name" in desk.complaint("group", "create", "--org", org, " ")


def test_a_key_of_a_person_ends_with_them(desk: Desk, org: str) -> None:
    ida = told(desk, "person", "add", "--org", org, "Ida", "ida@example.com")
    key = told(desk, "key", "create", "--org", org, "--name", "Laptop", "--person", ida["id"])
    assert key["person_id"] == ida["id"]
    desk.run("person", "remove", "--org", org, ida["id"])
    listed = {each["id"]: each["active"] for each in told(desk, "key", "list", "--org", org)}
    assert listed[key["id"]] is False
