"""`deskbell serve` as a process of its own: start, greeting, one server per file, backups beside it, and the end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import httpx2
import pytest

from deskbell.foundation import migrations, sqlite
from deskbell.foundation.migrations import Migration
from tests.commands import Command
from tests.desk import PATIENCE, eventually
from tests.surfaces.test_cli import Desk


class Serving:
    """A server that was started, once it has said where it is."""

    def __init__(self, desk: Desk, stdout: int) -> None:
        self.log = desk.folder / "serve.log"
        with self.log.open("w") as log, open(os.devnull, "r+b") as nothing:
            files = (nothing.fileno(), stdout if stdout > 0 else nothing.fileno(), log.fileno())
            self.process = Command(["serve", "--port", "0"], cwd=desk.folder, env=desk.environment, files=files)
        found = eventually(lambda: re.search(r"serves (http://127\.0\.0\.1:\d+) ", self.log.read_text()))
        self.url = found.group(1)
        self.http = httpx2.Client(base_url=self.url + "/api/v1", trust_env=False, timeout=PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(desk: Desk, stdout: int = subprocess.DEVNULL) -> Iterator[Serving]:
    server = Serving(desk, stdout)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_greeting_says_what_is_served_and_what_to_do_next(desk: Desk) -> None:
    with serving(desk) as server:
        greeting = server.log.read_text()
        assert f"{server.url}/docs" in greeting
        assert "sqlite:///deskbell.db (0 organizations)" in greeting
        assert "org create NAME" in greeting
        headers = server.http.get(server.url + "/healthz").headers
        assert "server" not in headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish_and_ends_with_status_0(desk: Desk, number: int) -> None:
    _, key = desk.business()
    body = json.dumps({"first_name": "Slow"}).encode()
    with serving(desk) as server, socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as wire:
        head = f"POST /api/v1/leads HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        wire.sendall(head.encode() + body[:5])
        eventually(lambda: server.http.get("/org", headers={"Authorization": f"Bearer {key}"}).status_code == 200)
        server.http.close()
        server.process.send_signal(number)
        eventually(lambda: refused(server.url))
        wire.sendall(body[5:])
        assert wire.recv(4096).startswith(b"HTTP/1.1 201 ")
        assert server.process.wait(PATIENCE) == 0
        assert server.log.read_text().splitlines()[-1].startswith("Deskbell has stopped.")
        assert "Traceback" not in server.log.read_text()


def test_a_reader_of_the_log_that_stalls_holds_up_neither_requests_nor_the_end(desk: Desk) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with serving(desk, writer) as server:
        for _ in range(60):
            assert server.http.get(server.url + "/healthz").status_code == 200
        eventually(lambda: not select.select([], [writer], [], 0)[1])
        assert server.http.get(server.url + "/healthz").status_code == 200
        assert server.stop() == 0
        assert server.log.read_text().splitlines()[-1].startswith("Deskbell has stopped.")
    os.close(reader)
    os.close(writer)


def test_every_request_has_an_id_and_a_line_in_the_log(desk: Desk, tmp_path: Path) -> None:
    _, key = desk.business()
    paths = {"/healthz": "/healthz", "/docs/errors": "/docs/errors", "/made-up": "-", "/v1/agents": "-",
             "/api/v1/org": "org.get"}  # fmt: skip
    with (tmp_path / "requests.log").open("w") as log, serving(desk, log.fileno()) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        answers = [
            server.http.get(server.url + path, headers={"X-Request-Id": f"mine-{place}"})
            for place, path in enumerate(paths)
        ]
        assert [answer.headers["x-request-id"] for answer in answers] == [
            f"mine-{place}" for place in range(len(paths))
        ]
        odd = server.http.get(server.url + "/healthz", headers={"X-Request-Id": "not one"}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{16}", odd)
        assert server.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "requests.log").read_text().splitlines()]
    assert [line["request_id"] for line in lines] == [*(f"mine-{place}" for place in range(len(paths))), odd]
    assert [line["operation"] for line in lines] == [*paths.values(), "/healthz"]
    assert [line["status"] for line in lines] == [answer.status_code for answer in answers] + [200]


def refused(url: str) -> bool:
    try:
        httpx2.get(url + "/healthz", trust_env=False, timeout=PATIENCE)
    except httpx2.TransportError:
        return True
    return False


def test_one_server_per_file_and_one_per_port(desk: Desk, tmp_path: Path) -> None:
    with serving(desk) as server:
        second = desk.complaint("serve", "--port", "0")
        assert f"is already served by process {server.process.pid}." in second
        assert f"by process {server.process.pid}." in desk.complaint("migrate")
        assert {each["subject"]: each for each in desk.json("doctor")}["server"][
            "found"
        ] == f"process {server.process.pid}"
        port = server.url.rsplit(":", 1)[1]
        busy = desk.complaint("serve", "--port", port, "--database", f"sqlite:///{tmp_path}/other.db")
        assert busy.splitlines() == [
            f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another with --port."
        ]


def test_a_link_to_the_file_is_the_file(desk: Desk, tmp_path: Path) -> None:
    desk.business()
    (tmp_path / "link.db").symlink_to("deskbell.db")
    link = ("--database", "sqlite:///link.db")
    with serving(desk) as server:
        again = desk.complaint("serve", "--port", "0", "--database", "sqlite:///link.db")
        assert f"is already served by process {server.process.pid}." in again
        for own in ("deskbell.db", "deskbell.db-wal", "link.db"):
            assert "belongs to the database in use" in desk.complaint(*link, "backup", "--force", own)
        desk.run(*link, "backup", "copy.db")
    desk.run(*link, "restore", "copy.db")
    assert (tmp_path / "link.db").is_symlink()
    assert len(desk.json("org", "list")) == 1


def test_a_backup_taken_while_serving_brings_the_data_back(desk: Desk, tmp_path: Path) -> None:
    _, key = desk.business()
    with serving(desk) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        kept = server.http.post("/leads", json={"first_name": "Kept"}).json()["data"]["id"]
        assert "verified" in desk.run("backup", "copy.db")
        assert "--force" in desk.complaint("backup", "copy.db")
        assert "belongs to the database in use" in desk.complaint("backup", "--force", "deskbell.db")
        lost = server.http.post("/leads", json={"first_name": "Lost"}).json()["data"]["id"]
        assert "is already served" in desk.complaint("restore", "copy.db")
    (tmp_path / "torn.db").write_bytes((tmp_path / "copy.db").read_bytes()[:20_000])
    desk.complaint("restore", "torn.db")
    (replaced,) = re.findall(r"replaced file is (\S+)\.\n", desk.run("restore", "copy.db"))
    with serving(desk) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        assert server.http.get(f"/leads/{kept}").status_code == 200
        assert server.http.get(f"/leads/{lost}").status_code == 404
    old = apsw.Connection(str(tmp_path / replaced))
    assert old.execute("select count(*) from leads").get == 2
    old.close()


def test_a_restore_texts_nobody_twice_and_nobody_who_opted_out_since(desk: Desk) -> None:
    organization, key = desk.business()
    desk.run("simulate", "text", "--org", organization, "--from", "+15125550123", "hello")
    desk.run("simulate", "text", "--org", organization, "--from", "+15125550123", "help")
    desk.run("backup", "copy.db")  # the answer to HELP waits, as no server runs
    desk.run("simulate", "text", "--org", organization, "--from", "+15125550123", "stop")
    desk.run("dnc", "add", "--org", organization, "+15125550199")
    said = desk.run("restore", "copy.db")
    assert "Waiting texts marked as `unknown`, which will not be sent: 1." in said
    assert "Opt-outs and do-not-call entries carried over from the replaced file: 2." in said
    with serving(desk) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        (lead,) = server.http.get("/leads").json()["data"]
        assert lead["sms_opted_out"] is True
        texts = server.http.get(f"/conversations/{lead['id']}").json()["data"]
        assert [text["status"] for text in texts] == ["received", "received", "unknown"]
        other = server.http.post("/leads", json={"first_name": "Listed", "phone": "+15125550199"}).json()["data"]
        assert other["on_dnc_list"] is True


def test_a_restore_revives_no_key(desk: Desk) -> None:
    organization, key = desk.business()
    made = [desk.json("key", "create", "--org", organization, "--name", name) for name in ("leaked", "lent", "good")]
    desk.run("key", "update", made[2]["id"], "--expires", "2099-01-01")
    desk.run("backup", "copy.db")
    desk.run("key", "revoke", made[0]["id"])
    desk.run("key", "update", made[1]["id"], "--expires", "2026-01-01")
    desk.run("key", "update", made[2]["id"], "--expires", "2199-01-01")
    assert "Revoked or expiring API keys carried over from the replaced file: 2." in desk.run("restore", "copy.db")
    with serving(desk) as server:
        used = [each["key"] for each in made] + [key]
        answers = [server.http.get("/org", headers={"Authorization": f"Bearer {each}"}).status_code for each in used]
        assert answers == [401, 401, 200, 200]
    (good,) = [each for each in desk.json("key", "list", "--org", organization) if each["name"] == "good"]
    assert good["expires_at"].startswith("2099-")


def test_a_restore_revives_no_application(desk: Desk) -> None:
    organization, _ = desk.business()
    create = ("app", "create", "--org", organization, "--type", "backend-service", "--name")
    apps = [desk.json(*create, name)["id"] for name in ("old", "shop")]
    keys = [desk.json("app", "key", "create", "--app", app) for app in (*apps, apps[1])]
    desk.run("backup", "copy.db")
    desk.run("app", "revoke", apps[0])
    desk.run("app", "key", "revoke", keys[1]["id"])
    said = desk.run("restore", "copy.db")
    assert "Revoked keys of applications carried over from the replaced file: 2." in said
    assert "Revoked applications carried over from the replaced file: 1." in said
    with serving(desk) as server:
        path = server.url + "/v1/agents"
        used = [{"Authorization": f"Bearer {each['key']}"} for each in keys]
        assert [server.http.get(path, headers=header).status_code for header in used] == [401, 401, 200]
    assert [bool(each["revoked_at"]) for each in desk.json("app", "list", "--org", organization)] == [True, False]


def test_a_restore_brings_no_erased_person_back(desk: Desk, tmp_path: Path) -> None:
    _, key = desk.business()
    with serving(desk) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        people = [{"first_name": "Zebulonia", "phone": "+15125550177", "notes": "walnuts"}, {"first_name": "Ada"}]
        erased, other = (server.http.post("/leads", json=person).json()["data"]["id"] for person in people)
        desk.run("backup", "copy.db")
        desk.run("lead", "erase", erased, "--yes")
    assert "Erasures carried over from the replaced file: 1." in desk.run("restore", "copy.db")
    left = (tmp_path / "deskbell.db").read_bytes()
    assert [secret for secret in (b"ebulonia", b"5550177", b"walnut") if secret in left] == []
    with serving(desk) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        assert [lead["id"] for lead in server.http.get("/leads").json()["data"]] == [other]
    assert f"No lead has the id {erased}" in desk.complaint("lead", "erase", erased, "--yes")


def test_nobody_else_may_read_the_data(desk: Desk, tmp_path: Path) -> None:
    def modes() -> set[int]:
        return {file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if ".db" in file.name}

    desk.run("org", "create", "Acme")
    with serving(desk):
        desk.run("backup", "copy.db")
        assert len(list(tmp_path.glob("*.db*"))) == 5
        assert modes() == {0o600}
    desk.run("restore", "copy.db")
    assert modes() == {0o600}
    for file in tmp_path.glob("deskbell.db"):
        file.chmod(0o640)
    desk.run("restore", "copy.db")
    assert (tmp_path / "deskbell.db").stat().st_mode & 0o777 == 0o640


def test_a_restore_that_is_cut_short_leaves_the_database_as_it_was(desk: Desk, tmp_path: Path) -> None:
    organization, _ = desk.business()
    desk.run("backup", "copy.db")
    desk.run("simulate", "text", "--org", organization, "--from", "+13035550123", "stop")
    broken = apsw.Connection(str(tmp_path / "copy.db"))
    broken.execute("DROP TABLE messages")  # sound as a file, and of no use
    broken.close()
    with pytest.raises(AssertionError):
        desk.run("restore", "copy.db")
    assert [each["name"] for each in desk.json("org", "list")] == ["Acme"]
    file = apsw.Connection(str(tmp_path / "deskbell.db"))
    assert file.execute("SELECT count(*) FROM suppressions WHERE opted_out_at IS NOT NULL").get == 1
    file.close()
    assert not [each.name for each in tmp_path.iterdir() if "restor" in each.name]


def test_two_restores_in_a_row_keep_both_replaced_files(desk: Desk, tmp_path: Path) -> None:
    desk.business()
    desk.run("backup", "copy.db")
    desk.run("org", "create", "Later")
    desk.run("restore", "copy.db")
    desk.run("restore", "copy.db")
    kept = sorted(tmp_path.glob("deskbell.db.before-restore-*"))
    counts = []
    for path in kept:
        file = apsw.Connection(str(path))
        counts.append(file.execute("SELECT count(*) FROM organizations").get)
        file.close()
    assert counts == [2, 1]


def test_a_failing_upgrade_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "deskbell.db")
    sqlite.prepare(path, migrate=True)
    good = Migration(8001, "extra", "create table extra (a text);\n")
    bad = Migration(8002, "bad", "create table half (a text);\ninsert into nowhere values (1);\n")
    steps = [*migrations.steps(), good, bad]
    monkeypatch.setattr("deskbell.foundation.sqlite.files.steps", lambda: steps)
    monkeypatch.setattr("deskbell.foundation.sqlite.files.latest", lambda: 8002)
    with pytest.raises(sqlite.MigrationNeeded, match="deskbell migrate"):
        sqlite.prepare(path, migrate=False)
    with pytest.raises(sqlite.MigrationFailed, match=r"no such table: nowhere\. The file is as it was"):
        sqlite.prepare(path, migrate=True)
    file = sqlite.connect(path)
    assert sqlite.schema_version(file) < 8001
    assert not file.table_exists(None, "extra")
    file.close()
