"""The command line, as an operator and a script use it: the real program, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import httpx2
import pytest

from deskbell.core.context import operator_context
from deskbell.foundation import databases, sqlite
from deskbell.foundation.db import Session
from deskbell.identity import api_keys
from deskbell.organizations import operations
from tests import commands
from tests.desk import PATIENCE, SOON, Server, eventually, running


class Desk:
    """The program in a folder of its own, on `deskbell.db` there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKBELL_")}

    def business(self, name: str = "Acme") -> tuple[str, str]:
        """An organization and its key, made without the program, which takes its time."""
        path = str(self.folder / "deskbell.db")
        sqlite.prepare(path, migrate=True)
        connection = databases.command_connection(f"sqlite:///{path}")
        organization = connection.write(lambda session: operations.create_organization(session, name)).id

        async def unit(session: Session) -> str:
            ctx = await operator_context(session, organization)
            return (await api_keys.create_key(ctx, "k", scopes=[], reads=10_000, writes=10_000))[1]

        key = connection.write(unit)
        connection.close()
        return organization, key

    def done(self, *words: str, status: int = 0, input: str = "") -> subprocess.CompletedProcess[str]:
        """A command that ends with `status`, and without a traceback."""
        done = commands.run(words, cwd=self.folder, env=self.environment, input=input, timeout=120)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def run(self, *words: str) -> str:
        """What a command prints that does its work."""
        return self.done(*words).stdout

    def complaint(self, *words: str, status: int = 1, input: str = "") -> str:
        """What a command says that does not."""
        return self.done(*words, status=status, input=input).stderr

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.done(*words, "--json", status=status).stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running server and the program on its file."""
    with running(tmp_path_factory.mktemp("served") / "deskbell.db") as server:
        yield server, Desk(Path(server.path).parent)


def call(server: Server, key: str, path: str, method: str = "GET", body: Any = None) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=PATIENCE) as http:
        headers = {"Authorization": f"Bearer {key}"}
        return http.request(method, f"{server.url}/api/v1{path}", headers=headers, json=body)


def test_help_needs_neither_database_nor_server_code() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "deskbell", "--help"], capture_output=True, text=True, timeout=120
    )
    assert "simulate" in done.stdout
    assert "click" in done.stderr
    for heavy in ("sqlalchemy", "apsw", "uvicorn", "starlette", "msgspec"):
        assert heavy not in done.stderr


def test_scripts_get_one_json_value_from_each_command(desk: Desk) -> None:
    org = desk.json("org", "create", "Acme Roofing", "--timezone", "America/Denver", "--country", "CA")
    assert org["timezone"] == "America/Denver"
    limits = ("--reads", "5", "--writes", "2", "--expires", "2027-01-01")
    key = desk.json(
        "key", "create", "--org", org["id"], "--name", "site", "--scope", "org:read", "--scope", "leads:read", *limits
    )
    assert key["key"].startswith(key["prefix"])
    assert key["scopes"] == ["leads:read", "org:read"]
    assert (key["reads_per_minute"], key["writes_per_minute"]) == (5, 2)
    assert key["expires_at"] == "2027-01-01T00:00:00Z"
    assert [each["id"] for each in desk.json("org", "list")] == [org["id"]]
    (listed,) = desk.json("key", "list", "--org", "Acme Roofing")
    assert listed["id"] == key["id"]
    assert "key" not in listed
    assert desk.json("key", "revoke", key["id"])["active"] is False


def test_an_organization_is_updated_and_its_team_kept(desk: Desk, tmp_path: Path) -> None:
    org, _ = desk.business()
    (tmp_path / "hours.json").write_text('{"monday": {"start": "09:00", "end": "12:00"}}')
    changed = desk.json(
        "org",
        "update",
        org,
        "--phone",
        "(512) 555-0100",
        "--hours",
        "hours.json",
        "--ai-name",
        "Max",
        "--logo-url",
        "https://example.com/logo.png",
    )
    assert (changed["primary_phone"], changed["ai_name"]) == ("+15125550100", "Max")
    assert changed["business_hours"]["tuesday"] is None
    assert changed["logo_url"] == "https://example.com/logo.png"
    bare = desk.json("org", "update", org, "--phone", "", "--logo-url", "")
    assert (bare["primary_phone"], bare["logo_url"]) == (None, None)
    bob = desk.json("person", "add", "--org", org, "Bob", "bob@example.com", "--role", "admin")
    assert desk.json("person", "list", "--org", org) == [bob]
    desk.run("person", "remove", "--org", org, "bob@example.com")
    assert desk.json("person", "list", "--org", org) == []


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("org", "show", "Nobody"), 1, "No organization has the id or the name 'Nobody'"),
        (("org", "create", "A", "--timezone", "Mars/Base"), 1, "IANA time zone"),
        (("key", "revoke", "nonsense"), 1, "No API key has the id nonsense"),
        (("--database", "mysql://db/desk", "org", "list"), 1, "Use sqlite:///FILE"),
        (("--database", "sqlite:////nowhere/at/all.db", "org", "list"), 1, "check that its folder exists"),
        (("key", "create", "--org", "A", "--name", "n", "--scope", "leads:all"), 2, "leads:all"),
        (("key", "create", "--org", "A", "--name", "n", "--expires", "soon"), 2, "ISO 8601"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(desk: Desk, words: tuple[str, ...], status: int, told: str) -> None:
    complaint = desk.complaint(*words, status=status)
    assert told in complaint
    assert complaint.startswith("Usage:" if status == 2 else "Error: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("key", "create", "--org", "Acme", "--name", " "), "`name` must not be blank"),
        (("person", "add", "--org", "Acme", "", "bob@example.com"), "`name` must not be blank"),
        (("org", "create", "\t"), "`name` must not be blank"),
        (("org", "update", "Acme", "--ai-name", ""), "`ai_name` must not be blank"),
        (("org", "update", "Acme", "--ai-tone", " "), "`ai_tone` must not be blank"),
        (("org", "update", "Acme", "--logo-url", "not a url"), "`logo_url` must be an http or https address"),
        (("org", "update", "Acme", "--logo-url", "javascript:alert(1)"), "`logo_url` must be"),
        (
            ("dnc", "add", "--org", "Acme", "missing.csv"),
            "'missing.csv' is not a phone number, and there is no such file",
        ),
        (("dnc", "add", "--org", "Acme", "12"), "'12' is not a phone number"),
    ],
)
def test_what_an_operator_mistypes_is_not_stored(desk: Desk, words: tuple[str, ...], told: str) -> None:
    desk.business()
    before = desk.json("org", "list")
    assert told in desk.complaint(*words)
    assert desk.json("org", "list") == before


def test_files_that_no_parser_takes_are_refused_in_one_line(desk: Desk, tmp_path: Path) -> None:
    desk.business()
    (tmp_path / "long.csv").write_text("5125550101\n" + "5" * 140_000)
    (tmp_path / "deep.json").write_text("[" * 200_000)
    assert "long.csv, line 2: field larger" in desk.complaint("dnc", "add", "--org", "Acme", "long.csv")
    assert "deep.json is not JSON" in desk.complaint("org", "update", "Acme", "--hours", "deep.json", status=2)


@pytest.mark.parametrize("variable", ["DESKBELL_PORT", "DESKBELL_DATABASE"])
def test_variables_that_are_not_utf_8_are_refused(desk: Desk, variable: str) -> None:
    desk.environment[variable] = "sqlite:///\udcff.db"
    assert "DESKBELL_ variable is not valid UTF-8" in desk.complaint("org", "list")


def test_arguments_that_are_not_utf_8_are_refused(desk: Desk) -> None:
    desk.business()
    for words in (
        ("org", "create", "bad\udcff"),
        ("simulate", "text", "--org", "Acme", "--from", "+15125550123", "\udcff"),
    ):
        assert r"\udcff' is not valid UTF-8" in desk.complaint(*words, status=2)
    assert len(desk.json("org", "list")) == 1


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PORT", "99999", "<= 65535"),
        ("WORKERS", "0", ">= 1"),
        ("DRAIN_SECONDS", "-5", ">= 0"),
        ("PORT", "http", "`int`"),
    ],
)
def test_a_setting_out_of_range_is_named_and_does_not_hide_help(desk: Desk, name: str, value: str, told: str) -> None:
    desk.environment[f"DESKBELL_{name}"] = value
    complaint = desk.complaint("serve")
    assert complaint.startswith(f"DESKBELL_{name} is not valid: ")
    assert told in complaint
    assert "--workers" in desk.run("serve", "--help")
    assert "--scope" in desk.run("key", "create", "-h")


def test_an_expiry_can_be_taken_away(desk: Desk) -> None:
    org, _ = desk.business()
    key = desk.json("key", "create", "--org", org, "--name", "k", "--expires", "2027-01-01")
    assert desk.json("key", "update", key["id"], "--reads", "7")["expires_at"] == "2027-01-01T00:00:00Z"
    assert desk.json("key", "update", key["id"], "--expires", "never")["expires_at"] is None
    assert desk.json("key", "create", "--org", org, "--name", "k", "--expires", "never")["expires_at"] is None


def test_an_absolute_and_a_relative_database_are_the_same_file(desk: Desk, tmp_path: Path) -> None:
    desk.run("--database", f"sqlite:///{tmp_path}/x.db", "org", "create", "Acme")
    assert len(desk.json("--database", "sqlite:///x.db", "org", "list")) == 1
    assert not (tmp_path / "deskbell.db").exists()


def test_a_file_of_another_program_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "deskbell.db"))
    other.execute("create table recipes (name text)")
    other.close()
    assert "not a Deskbell database: it has the tables recipes" in desk.complaint("org", "create", "Acme")
    (tmp_path / "deskbell.db").write_bytes(b"Dear diary, " * 100)
    assert "another kind of file" in desk.complaint("org", "list")


def test_a_newer_schema_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.business()
    file = apsw.Connection(str(tmp_path / "deskbell.db"))
    file.execute("insert into migrations values (9999, 'from the future', '')")
    file.close()
    assert "has schema version 9999" in desk.complaint("org", "list")
    assert "has schema version 9999" in desk.complaint("serve", "--port", "0")
    wrong = [each for each in desk.json("doctor", status=1) if each["state"] == "wrong"]
    assert [(each["subject"], each["fix"]) for each in wrong] == [
        ("schema", "Use the newer version of Deskbell that wrote it.")
    ]


def test_a_key_holds_at_once_and_ends_within_a_second(served: Any) -> None:
    server, desk = served
    org, _ = desk.business("Keys Inc")
    key = desk.json("key", "create", "--org", org, "--name", "k", "--scope", "org:read")
    assert call(server, key["key"], "/org").json()["data"]["name"] == "Keys Inc"
    assert call(server, key["key"], "/leads").status_code == 403
    desk.run("key", "update", key["id"], "--scope", "leads:read", "--scope", "org:read", "--reads", "7")
    answer = eventually(lambda: (got := call(server, key["key"], "/leads")).status_code == 200 and got, SOON)
    assert answer.headers["ratelimit-limit"] == "7"
    desk.run("key", "revoke", key["id"])
    eventually(lambda: call(server, key["key"], "/org").status_code == 401, SOON)


def test_texts_come_in_and_keywords_are_honoured_by_the_running_server(served: Any) -> None:
    server, desk = served
    org, key = desk.business("Texts Inc")
    desk.run("org", "update", org, "--phone", "+15125550100")

    def said(count: int) -> list[dict[str, Any]]:
        def look() -> Any:
            found = call(server, key, f"/conversations/{lead}").json()["data"]
            return len(found) == count and all(each["status"] in ("received", "delivered") for each in found) and found

        found: list[dict[str, Any]] = eventually(look)
        return found

    desk.json("simulate", "text", "--org", org, "--from", "+15125550123", "Hello?")
    lead = call(server, key, "/leads").json()["data"][0]["id"]
    desk.run("simulate", "text", "--org", org, "--from", "(512) 555-0123", " stop! ")
    assert "unsubscribed" in said(3)[-1]["body"]
    assert call(server, key, f"/leads/{lead}").json()["data"]["sms_opted_out"] is True
    desk.run("simulate", "text", "--org", org, "--from", "+15125550123", "HELP")
    assert "+15125550100" in said(5)[-1]["body"]
    desk.run("simulate", "text", "--org", org, "--from", "+15125550123", "start")
    assert call(server, key, f"/leads/{lead}").json()["data"]["sms_opted_out"] is False
    assert call(server, key, f"/conversations/{lead}/messages", "POST", {"body": "Welcome back"}).status_code == 201


def test_a_number_and_a_file_go_on_the_do_not_call_list(served: Any) -> None:
    server, desk = served
    org, key = desk.business("Quiet Inc")
    lead = call(server, key, "/leads", "POST", {"first_name": "Ann", "phone": "+15125550101"}).json()["data"]["id"]
    assert "1 added, 0 already there" in desk.run("dnc", "add", "--org", org, "512-555-0101")
    many = [f"+1210{200 + place // 10000}{place % 10000:04},x" for place in range(250)]
    rows = ["Phone,Name", "+15125550101,Ann", *many, "twelve,y", ""]
    (desk.folder / "list.csv").write_text("\n".join(rows))
    told = "list.csv, line 253: 'twelve' is not a phone number"
    assert desk.json("dnc", "add", "--org", org, "list.csv", status=1) == {
        "added": 250,
        "already_there": 1,
        "bad": [told],
    }
    assert desk.complaint("dnc", "add", "--org", org, "list.csv") == told + "\n"
    assert call(server, key, f"/conversations/{lead}/messages", "POST", {"body": "Hi"}).status_code == 422
    assert "1 removed, 0 not there" in desk.run("dnc", "remove", "--org", org, "+15125550101")
    assert call(server, key, f"/conversations/{lead}/messages", "POST", {"body": "Hi"}).status_code == 201


def test_erasing_reports_only_what_stands_against_the_number(served: Any) -> None:
    server, desk = served
    org, key = desk.business("Plumbers")
    plain, listed = (
        call(server, key, "/leads", "POST", {"first_name": "Ada", "phone": phone}).json()["data"]["id"]
        for phone in ("+15125550180", "+15125550181")
    )
    desk.run("dnc", "add", "--org", org, "+15125550181")
    backups = "Backups made before now still contain the data.\n"
    assert desk.run("lead", "erase", plain, "--yes") == f"Erased lead {plain}.\n{backups}"
    stays = "Its number is on the do-not-call list and stays there.\n"
    assert desk.run("lead", "erase", listed, "--yes") == f"Erased lead {listed}.\n{stays}{backups}"


def test_an_erased_person_leaves_nothing_but_the_opt_out(desk: Desk, tmp_path: Path) -> None:
    secrets = {
        "first_name": "Zebulonia",
        "last_name": "Quackenbush",
        "phone": "+15125550177",
        "email": "zq@example.org",
        "notes": "Allergic to walnuts",
        "custom_fields": {"claim": "CLM-424242"},
    }
    with running(tmp_path / "deskbell.db") as server:
        org, key = desk.business()
        with httpx2.Client(trust_env=False, timeout=PATIENCE, base_url=server.url + "/api/v1") as http:
            http.headers.update({"Authorization": f"Bearer {key}", "Idempotency-Key": "once"})
            lead = http.post("/leads", json=secrets).json()["data"]["id"]
            assert (
                http.post(f"/conversations/{lead}/messages", json={"body": "About the walnutwood"}).status_code == 201
            )
        sent = f"/conversations/{lead}"
        eventually(lambda: call(server, key, sent).json()["data"][0]["status"] == "delivered")
        desk.run("simulate", "text", "--org", org, "--from", secrets["phone"], "stop")
        eventually(lambda: call(server, key, sent).json()["data"][-1]["status"] == "delivered")
        assert "Aborted" in desk.complaint("lead", "erase", lead, input="n\n")
        assert "has opted out of texts. The opt-out stays in force" in desk.run(
            "lead", "erase", lead, "--yes", "--compact"
        )
    left = (tmp_path / "deskbell.db").read_bytes()
    for secret in ("ebulonia", "uackenbush", "zq@example.org", "walnut", "CLM-424242", "5550177", "About the"):
        assert secret.encode() not in left, secret
    with running(tmp_path / "deskbell.db") as server:
        again = call(server, key, "/leads", "POST", {"first_name": "New", "phone": secrets["phone"]}).json()["data"]
        assert call(server, key, f"/conversations/{again['id']}/messages", "POST", {"body": "Hi"}).status_code == 422
