"""Idempotency-Key: a write that may be repeated has one effect and one answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
import time_machine

from deskbell.app import SLICES
from deskbell.privacy.operations import erase_lead
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_tasks import task
from tests.desk import Api, refused, running
from tests.postgres import stored


def repeat(answer: httpx2.Response, first: httpx2.Response) -> None:
    """Fails unless the answer is the first one's, marked as such."""
    assert (answer.status_code, answer.content) == (first.status_code, first.content)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


def test_a_repeat_has_no_second_effect(alice: Api) -> None:
    first, again = (alice.post("/leads", {"first_name": "Maria"}, Idempotency_Key="k") for _ in range(2))
    assert first.status_code == 201
    repeat(again, first)
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_every_kind_of_write_can_be_repeated(alice: Api) -> None:
    lead, other = alice.lead(phone="+15125550123"), alice.lead()
    appointment, duty = book(alice, lead), task(alice)
    times = {"start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
    writes: list[tuple[str, str, Any]] = [
        ("POST", "/appointments", {"lead_id": lead["id"], **times}),
        ("PUT", f"/appointments/{appointment['id']}", {"notes": "x"}),
        ("DELETE", f"/appointments/{appointment['id']}", None),
        ("POST", "/tasks", {"title": "x"}),
        ("PUT", f"/tasks/{duty['id']}", {"title": "y"}),
        ("DELETE", f"/tasks/{duty['id']}", None),
        ("POST", f"/conversations/{lead['id']}/messages", {"body": "Hello"}),
        ("PUT", f"/leads/{lead['id']}", {"city": "Austin"}),
        ("DELETE", f"/leads/{other['id']}", None),
    ]
    for method, path, body in writes:
        first, again = (alice.http.request(method, path, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
        assert first.status_code in (200, 201), first.text
        repeat(again, first)
    assert alice.get(f"/conversations/{lead['id']}").json()["meta"]["total"] == 1


def test_a_repeat_may_write_the_id_in_capitals(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")["id"]
    first, again = (
        alice.post(f"/conversations/{id}/messages", {"body": "Hello"}, Idempotency_Key="k")
        for id in (lead.upper(), lead)
    )
    assert first.status_code == 201
    repeat(again, first)
    alice.do(lambda ctx: erase_lead(ctx, lead, SLICES))
    assert [row for row in stored(alice.server.database)["answers"] if alice.organization_id in row] == []


def test_a_replay_tells_what_was_and_not_what_is(alice: Api) -> None:
    lead = alice.lead()
    first = alice.put(f"/leads/{lead['id']}", {"city": "Austin"}, Idempotency_Key="k")
    alice.put(f"/leads/{lead['id']}", {"city": "Dallas"})
    repeat(alice.put(f"/leads/{lead['id']}", {"city": "Austin"}, Idempotency_Key="k"), first)
    assert alice.get(f"/leads/{lead['id']}").json()["data"]["city"] == "Dallas"


def test_another_body_under_the_same_key_is_refused(alice: Api) -> None:
    alice.post("/leads", {"first_name": "Maria"}, Idempotency_Key="k")
    for body in ({"first_name": "Ana"}, {"first_name": "Maria", "city": "x"}, {}):
        refused(alice.post("/leads", body, Idempotency_Key="k"), 409, "idempotency_mismatch")
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_a_key_is_bound_to_method_path_and_organization(alice: Api, charlie: Api) -> None:
    lead = alice.lead()
    made = [
        alice.post("/leads", {"first_name": "x"}, Idempotency_Key="k"),
        alice.post("/tasks", {"title": "x"}, Idempotency_Key="k"),
        alice.put(f"/leads/{lead['id']}", {"first_name": "x"}, Idempotency_Key="k"),
        alice.delete(f"/leads/{lead['id']}", Idempotency_Key="k"),
        charlie.post("/leads", {"first_name": "x"}, Idempotency_Key="k"),
    ]
    assert [answer.status_code for answer in made] == [201, 201, 200, 200, 201]
    assert not any("Idempotency-Replayed" in answer.headers for answer in made)


def test_the_keys_of_a_team_are_one_space(alice: Api, bob: Api) -> None:
    first = alice.post("/leads", {"first_name": "x"}, Idempotency_Key="k")
    repeat(bob.post("/leads", {"first_name": "x"}, Idempotency_Key="k"), first)


def test_an_error_frees_the_key(alice: Api) -> None:
    lead = alice.lead(phone="+15125550123")
    refused(alice.post("/leads", {"last_name": "x"}, Idempotency_Key="a"), 400, "validation_error")
    assert alice.post("/leads", {"first_name": "x"}, Idempotency_Key="a").status_code == 201
    clash = {"first_name": "x", "phone": "+15125550123"}
    refused(alice.post("/leads", clash, Idempotency_Key="b"), 409, "duplicate")
    alice.delete(f"/leads/{lead['id']}")
    answer = alice.post("/leads", clash, Idempotency_Key="b")
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é", "a\tb"])
def test_a_key_of_another_form_is_refused(alice: Api, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("utf-8")}
    answer = alice.http.post("/leads", json={"first_name": "x"}, headers=headers)
    refused(answer, 400, "validation_error", "`Idempotency-Key`")
    assert alice.get("/leads").json()["data"] == []


def test_two_keys_on_one_request_are_refused(alice: Api) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    refused(
        alice.http.post("/leads", json={"first_name": "x"}, headers=headers),
        400,
        "validation_error",
        "`Idempotency-Key`",
    )


@pytest.mark.parametrize("key", ["!", "~", "x" * 255, 'a"b,c;d=e', "8e03978e-40d5-43dd-bc93-6894a57f9324"])
def test_any_visible_ascii_is_a_key(alice: Api, key: str) -> None:
    first, again = (alice.post("/leads", {"first_name": "x"}, Idempotency_Key=key) for _ in range(2))
    repeat(again, first)


def test_reads_ignore_the_header(alice: Api) -> None:
    for _ in range(2):
        answer = alice.http.get("/leads", headers={"Idempotency-Key": "a b"})
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (200, False)


def test_twenty_repeats_at_once_have_one_effect(alice: Api) -> None:
    body = {"first_name": "Maria", "phone": "+15125550123"}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: alice.post("/leads", body, Idempotency_Key="k"), range(20)))
    done = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in done}) == 1
    assert {answer.json()["error"]["code"] for answer in answers if answer not in done} <= {"idempotency_in_progress"}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in done) == 1
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_a_key_is_kept_for_a_day(alice: Api) -> None:
    with time_machine.travel(2_100_000_000, tick=False) as clock:
        first = alice.post("/leads", {"first_name": "x"}, Idempotency_Key="k")
        clock.shift(24 * 3600 - 1)
        repeat(alice.post("/leads", {"first_name": "x"}, Idempotency_Key="k"), first)
        clock.shift(2)
        fresh = alice.post("/leads", {"first_name": "another"}, Idempotency_Key="k")
        assert (fresh.status_code, fresh.json()["data"]["first_name"]) == (201, "another")
        repeat(alice.post("/leads", {"first_name": "another"}, Idempotency_Key="k"), fresh)


def test_a_repeat_counts_as_a_request(alice: Api) -> None:
    slow = alice.server.api(alice.organization_id, writes=2)
    with time_machine.travel(2_100_000_000, tick=False):
        statuses = [slow.post("/leads", {"first_name": "x"}, Idempotency_Key="k").status_code for _ in range(3)]
    assert statuses == [201, 201, 429]


def test_a_repeat_after_a_restart_is_answered_alike(tmp_path: Path) -> None:
    with running(tmp_path / "desk.db") as server:
        before = server.api(server.organization())
        first = before.post("/leads", {"first_name": "Maria"}, Idempotency_Key="k")
    with running(tmp_path / "desk.db") as server:
        after = Api(server, before.organization_id, before.key, before.key_id)
        repeat(after.post("/leads", {"first_name": "Maria"}, Idempotency_Key="k"), first)
        refused(after.post("/leads", {"first_name": "Ana"}, Idempotency_Key="k"), 409, "idempotency_mismatch")
        assert after.get("/leads").json()["meta"]["total"] == 1
