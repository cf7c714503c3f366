"""`deskbell copy`: a whole installation moves to PostgreSQL, answers as before to the byte, and nothing is taken on trust."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from deskbell.compliance import suppressions
from deskbell.foundation import clock
from deskbell.foundation.ids import new_id
from tests.desk import Api, Server, eventually, running
from tests.postgres import ask, fresh_database, stored
from tests.promises.world import World

MANY = 12_000  # leads, six transactions of the copy
PATHS = [
    *(f"/leads?sort_by={by}&sort_dir={way}" for by in ("created_at", "first_name", "last_name") for way in ("asc", "desc")),
    "/leads?search=zo", "/leads?search=zoë", "/leads?search=555010", "/leads?status=new&limit=2&page=2",
    "/appointments", "/appointments?sort_dir=asc", "/tasks", "/tasks?sort_by=due_date", "/tasks?sort_by=priority",
    "/conversations", "/org",
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'deskbell.db'}"


@pytest.fixture
def target(postgres_url: str) -> str:
    return fresh_database(postgres_url)


@pytest.fixture
def many(place: str) -> str:
    """An installation with more leads than one transaction of the copy takes."""
    with running(Path(place.removeprefix("sqlite:///"))) as server:
        organization = server.api(server.organization()).organization_id
    row = [None, organization, "", "", "new", "api", 0, "[]", "{}", "", "", clock.now(), clock.now()]
    columns = (
        "organization_id, id, first_name, status, source, lead_score, tags, custom_fields, first_name_key, search_text"
    )
    sql = f"INSERT INTO leads ({columns}, created_at, updated_at) VALUES ({', '.join('?' * 12)})"
    with contextlib.closing(apsw.Connection(place.removeprefix("sqlite:///"))) as file, file:
        file.executemany(
            sql,
            ((organization, new_id(), f"Ada {n}", *row[4:9], f"ada {n}", f"ada {n}", *row[11:]) for n in range(MANY)),
        )
    return place


def copying(source: str, target: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deskbell", "copy", "--from", source, "--to", target]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def copied(source: str, target: str) -> tuple[int, str]:
    process = copying(source, target)
    return (process.wait(120), process.communicate()[0])


def test_a_copied_installation_answers_as_before_to_the_byte(place: str, target: str) -> None:
    with running(Path(place.removeprefix("sqlite:///"))) as server:
        api = filled(server)
        before = answers(api)
        rows = counted(stored(place))
    status, said = copied(place, target)
    assert status == 0, said
    assert "Copied and verified" in said
    assert counted(stored(target)) == rows
    with running(target) as server:
        moved = Api(server, api.organization_id, api.key, api.key_id)
        assert answers(moved) == before
        assert moved.post("/leads", {"first_name": "Late", "phone": "+15125550100"}).status_code == 409
        assert moved.post("/leads", {"first_name": "Again"}, Idempotency_Key="kept").headers["Idempotency-Replayed"]


def filled(server: Server) -> Api:
    """An organization with records of every kind and odd texts, beside another one."""
    World(server.api(server.organization("Another")))
    api = server.api(server.organization("Acme Roofing"))
    world = World(api)
    for name in ("zoë", "Zoe", "Ärger", "żółw", "😀", "Ⅷ", "a'b\"c\\d", " spaced ", "İstanbul", "ß"):
        api.lead(first_name=name, last_name=name[::-1], custom_fields={"z": 1, "a": [None, 1.50, "é"]}, tags=[name, ""])
    api.post("/leads", {"first_name": "Again"}, Idempotency_Key="kept")
    api.delete(f"/leads/{api.lead(first_name='Gone')['id']}")
    api.post("/tasks", {"title": "Due", "due_date": "2030-05-10T14:30:00.123456Z", "priority": "urgent"})
    api.do(lambda ctx: suppressions.add_to_dnc_list(ctx, "+15125550199"))
    eventually(lambda: b'"delivered"' in api.get(f"/conversations/{world.lead}").content)
    return api


def answers(api: Api) -> dict[str, bytes]:
    """Every list, and every record in it by its own path."""
    found = {path: api.get(path).content for path in PATHS}
    for kind in ("leads", "appointments", "tasks"):
        for record in api.get(f"/{kind}").json()["data"]:
            found |= {path: api.get(path).content for path in [f"/{kind}/{record['id']}"]}
            if kind == "leads":
                found[f"/conversations/{record['id']}"] = api.get(f"/conversations/{record['id']}").content
    return found


def counted(tables: dict[str, list[Any]]) -> dict[str, int]:
    """Rows per table, of those that hold what was stored by somebody."""
    own = ("organizations", "people", "api_keys", "answers", "suppressions", "leads", "appointments", "tasks")
    return {name: len(tables[name]) for name in (*own, "threads", "messages", "simulated_texts")}


def test_a_target_that_holds_anything_is_refused(many: str, target: str) -> None:
    with running(target) as server:
        server.organization("Somebody")
    status, said = copied(many, target)
    assert status == 1
    assert "not empty" in said
    assert ask(target, "SELECT count(*) FROM leads")[0][0] == 0


def test_a_second_copy_onto_the_first_is_refused(many: str, target: str) -> None:
    assert copied(many, target)[0] == 0
    status, said = copied(many, target)
    assert (status, "not empty" in said) == (1, True)


@pytest.fixture
def half(many: str, target: str) -> int:
    """A copy that was killed half-way; how many leads had arrived."""
    process = copying(many, target)
    done: int = eventually(lambda: arrived(target), 30)
    process.kill()
    process.communicate()
    assert 0 < done < MANY
    return done


def arrived(target: str) -> int | None:
    try:
        return ask(target, "SELECT done FROM copy_progress WHERE name = 'leads'")[0][0] or None
    except (asyncpg.PostgresError, IndexError):
        return None


def test_a_killed_copy_goes_on_where_it_stopped(many: str, target: str, half: int) -> None:
    first = ask(target, "SELECT xmin::text FROM leads ORDER BY id LIMIT 1")[0][0]
    status, said = copied(many, target)
    assert status == 0, said
    assert ask(target, "SELECT count(*) FROM leads")[0][0] == MANY
    assert ask(target, "SELECT xmin::text FROM leads ORDER BY id LIMIT 1")[0][0] == first


def test_a_row_that_arrived_differently_is_noticed(many: str, target: str, half: int) -> None:
    ask(target, "UPDATE leads SET first_name = 'Eve' WHERE id = (SELECT id FROM leads LIMIT 1)")
    status, said = copied(many, target)
    assert status == 1
    assert "`leads` arrived differently" in " ".join(said.split())
    assert "Traceback" not in said


def test_a_file_that_is_served_is_not_copied(place: str, target: str) -> None:
    with subprocess.Popen([sys.executable, "-m", "deskbell", "--database", place, "serve", "--port", "0"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as served:  # fmt: skip
        assert served.stderr is not None
        assert "serves" in served.stderr.readline()
        status, said = copied(place, target)
        served.terminate()
    assert status == 1
    assert "Traceback" not in said
