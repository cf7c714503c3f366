"""Many callers at the same moment: limits stay exact, a repeated write happens once, a phone number has one lead."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.desk import Api


def crowd(size: int, times: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` answers, called `times` times by each of `size` threads that begin together."""
    begin = threading.Barrier(size)

    def one(number: int) -> list[Any]:
        begin.wait()
        return [act(number * times + turn) for turn in range(times)]

    with ThreadPoolExecutor(size) as pool:
        return [answer for answers in pool.map(one, range(size)) for answer in answers]


@pytest.mark.parametrize("bucket", ["read", "write"])
def test_the_limit_is_exact_from_sixteen_threads(alice: Api, bucket: str) -> None:
    few = alice.server.api(alice.organization_id, reads=50, writes=50)
    act = (lambda n: few.get("/org")) if bucket == "read" else (lambda n: few.post("/leads", {"first_name": "Ada"}))
    windows: dict[str, list[httpx2.Response]] = defaultdict(list)
    for answer in crowd(16, 10, act):
        windows[answer.headers["RateLimit-Reset"]].append(answer)
    assert len(windows) <= 2  # the minute may turn in between
    for answers in windows.values():
        granted = [answer for answer in answers if answer.is_success]
        assert len(granted) == min(50, len(answers))
        left = sorted(int(answer.headers["RateLimit-Remaining"]) for answer in granted)
        assert left == list(range(50 - len(granted), 50))
        refused = {(answer.status_code, answer.text) for answer in answers if not answer.is_success}
        message = f"API {bucket} rate limit exceeded (50/min). Try again shortly."
        body = f'{{"error":{{"code":"rate_limit_exceeded","message":"{message}","retryable":true}}}}'
        assert refused <= {(429, body)}


def test_twenty_parallel_repeats_have_one_effect_and_one_answer(alice: Api) -> None:
    body = {"first_name": "Ada", "phone": "+15125550111"}
    answers = crowd(20, 1, lambda number: alice.post("/leads", body, Idempotency_Key="once"))
    answers = [answer for answer in answers if not in_progress(answer)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert alice.get("/leads").json()["meta"]["total"] == 1


def in_progress(answer: httpx2.Response) -> bool:
    return answer.status_code == 409 and answer.json()["error"]["code"] == "idempotency_in_progress"


def test_twenty_parallel_bodies_under_one_key_have_one_winner(alice: Api) -> None:
    answers = crowd(20, 1, lambda n: alice.post("/leads", {"first_name": f"Ada {n}"}, Idempotency_Key="mine"))
    codes = Counter("created" if answer.is_success else answer.json()["error"]["code"] for answer in answers)
    assert codes["created"] == 1
    assert set(codes) <= {"created", "idempotency_mismatch", "idempotency_in_progress"}
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_two_hundred_parallel_creates_of_one_phone_give_one_lead(alice: Api) -> None:
    spellings = ["+15125550123", "(512) 555-0123", "512-555-0123", "+1 512 555 0123"]
    act = lambda n: alice.post("/leads", {"first_name": f"Ada {n}", "phone": spellings[n % 4]})  # noqa: E731
    codes = Counter(answer.status_code for answer in crowd(20, 10, act))
    assert codes == {201: 1, 409: 199}
    assert alice.get("/leads").json()["meta"]["total"] == 1
