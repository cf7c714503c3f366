"""The demo organization: what is in it, and that the commands printed for it work."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path

import httpx2
import pytest

from deskbell.demo.data import Demo, generate
from tests.desk import PATIENCE, running
from tests.surfaces.test_cli import Desk

DAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def demo() -> Demo:
    return generate(DAY)


def test_the_same_day_and_seed_give_the_same_rows(demo: Demo) -> None:
    assert generate(DAY) == demo
    assert generate(DAY, seed=2) != demo


def test_it_has_the_size_of_a_small_business(demo: Demo) -> None:
    counts = [len(rows) for rows in (demo.leads, demo.appointments, demo.tasks, demo.threads, demo.messages)]
    assert counts == [240, 400, 150, 90, 700]
    assert set(Counter(lead["temperature"] for lead in demo.leads)) == {"hot", "warm", "cold", None}
    assert any(row["opted_out_at"] for row in demo.suppressions)
    assert any(row["on_dnc_at"] for row in demo.suppressions)


def test_nothing_has_happened_yet_that_lies_ahead(demo: Demo) -> None:
    midnight = DAY.isoformat()
    for rows in (demo.leads, demo.appointments, demo.tasks, demo.threads, demo.messages):
        assert max(row["created_at"] for row in rows) < midnight
    for appointment in demo.appointments:
        behind = appointment["start_time"] < midnight
        assert appointment["status"] in (
            ("completed", "cancelled", "no_show") if behind else ("scheduled", "confirmed", "cancelled")
        )
        assert (appointment["outcome"] is not None) == (appointment["status"] == "completed")


def test_no_number_or_address_belongs_to_anybody(demo: Demo) -> None:
    text = json.dumps([demo.organization, demo.people, demo.leads, demo.messages, demo.suppressions])
    assert set(re.findall(r"\+1\d{3}(\d{5})\d\d", text)) == {"55501"}
    assert set(re.findall(r"@([\w.]+)", text)) == {"example.com", "example.org", "example.net"}


def test_both_sides_write_and_a_stop_is_the_end(demo: Demo) -> None:
    for thread in demo.threads:
        said = [message for message in demo.messages if message["lead_id"] == thread["lead_id"]]
        assert {message["direction"] for message in said} == {"inbound", "outbound"}
        assert not any("{" in message["body"] for message in said)
        if any(message["body"] == "STOP" for message in said):
            assert [message["body"] for message in said].index("STOP") == len(said) - 2


def test_the_printed_commands_work_when_pasted(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with running(tmp_path / "deskbell.db") as server:
        desk.environment["DESKBELL_PORT"] = str(server.port)
        first = desk.run("demo")
        assert server.url in first
        answers = [pasted(line) for line in curls(first)]
        assert [lead["temperature"] for lead in answers[0]["data"]] == ["hot"] * 3
        assert pasted(curls(first)[1])["data"]["id"] != answers[1]["data"]["id"]
        assert answers[2]["data"]["status"] == "scheduled"
        assert answers[3]["data"]["status"] == "queued"
        assert "ten years" in str(answers[4]["response"])
        assert "[1]" in str(answers[4]["response"])
        assert answers[4]["sources"]
        (key,) = set(re.findall(r"brk_[0-9a-f]{48}", first))

        second = desk.run("demo")
        assert not re.search("brk_|brs_live_", second)
        assert re.search(r"key create --org \S+ --name NAME", second)
        lines = [line.replace("$DESKBELL_KEY", key) for line in curls(second)]
        assert pasted(lines[0])["meta"]["total"] == answers[0]["meta"]["total"]


def test_a_reset_rebuilds_the_demo_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    _, mine = desk.business("Lone Star Roofing")
    with running(tmp_path / "deskbell.db") as server:
        desk.environment["DESKBELL_PORT"] = str(server.port)
        own = httpx2.Client(
            base_url=f"{server.url}/api/v1",
            headers={"Authorization": f"Bearer {mine}"},
            trust_env=False,
            timeout=PATIENCE,
        )
        lead = own.post("/leads", json={"first_name": "Mine"}).json()["data"]
        before, after = curls(desk.run("demo")), curls(desk.run("demo", "--reset"))
        assert pasted(after[0])["meta"]["total"] > 50
        with pytest.raises(subprocess.CalledProcessError):
            pasted(before[0])
        assert own.get("/leads").json()["data"] == [lead]
        own.close()
    assert len(desk.json("org", "list")) == 2


def curls(printed: str) -> list[str]:
    lines = [line for line in printed.splitlines() if line.startswith("curl ")]
    assert len(lines) == 5
    return lines


def pasted(line: str) -> dict[str, dict[str, object]]:
    """What a command answers that is typed into a shell; without curl, this machine cannot tell."""
    words = shlex.split(line)
    try:
        done = subprocess.run(
            [words[0], "--noproxy", "*", "--fail", *words[1:]], capture_output=True, timeout=PATIENCE, check=True
        )
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    return found
