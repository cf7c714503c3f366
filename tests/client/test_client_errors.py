"""What the Python client raises, and what it never gives away."""

import logging
import pickle
import traceback
from typing import Any

import pytest

from deskbell.errors import CATALOGUE
from deskbell_client import (
    Conflict,
    ConnectionFailed,
    DeskError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    Retry,
    Unauthorized,
    UnreadableAnswer,
)
from tests.client.conftest import Connect
from tests.client.scripted import Answer, ScriptedServer, good
from tests.desk import Api, Server, free_port

NO_ID = "01890000-0000-7000-8000-00000000dead"
KEY = "brk_" + "5ec4e7" * 8


def test_each_refusal_has_its_class_and_says_how_to_fix_it(desk: Any) -> None:
    desk.leads.create(first_name="Maria", phone="+15125550123")
    refused = [
        (NotFound, "not_found", lambda: desk.leads.get(NO_ID)),
        (Invalid, "validation_error", lambda: desk.leads.list(limit=101)),
        (Conflict, "duplicate", lambda: desk.leads.create(first_name="Ann", phone="+15125550123")),
        (
            NotFound,
            "lead_not_found",
            lambda: desk.appointments.create(lead_id=NO_ID, start_time="2026-05-11", end_time="2026-05-12"),
        ),
    ]
    for kind, code, act in refused:
        with pytest.raises(kind) as refusal:
            act()
        error = refusal.value
        assert (error.code, error.status, error.retryable) == (code, CATALOGUE[code].status, False)
        assert error.fix == CATALOGUE[code].fix
        assert error.request_id
        for shown in (error.code, error.message, error.fix, error.request_id):
            assert shown in str(error)


def test_a_wrong_key_is_unauthorized(connect: Connect, server: Server) -> None:
    with pytest.raises(Unauthorized):
        connect(KEY, server.url).org.get()


def test_a_key_without_the_scope_is_forbidden(connect: Connect, alice: Api) -> None:
    reader = alice.server.api(alice.organization_id, scopes=["leads:read"])
    with pytest.raises(Forbidden) as refused:
        connect(reader.key, reader.server.url).leads.create(first_name="Maria")
    assert "leads:write" in refused.value.message


def test_a_spent_allowance_is_waited_for_and_then_raised(connect: Connect, alice: Api) -> None:
    slow = alice.server.api(alice.organization_id, reads=1)
    pauses: list[float] = []
    desk = connect(slow.key, slow.server.url, sleep=pauses.append)
    with pytest.raises(RateLimited) as refused:
        [desk.org.get() for _ in range(3)]  # the minute may turn between the first two
    assert len(pauses) == 2
    assert refused.value.retry_after is not None
    assert all(0 < pause <= 60 for pause in pauses)


def test_a_server_that_is_not_there_is_a_failed_connection(connect: Connect) -> None:
    pauses: list[float] = []
    desk = connect(KEY, f"http://127.0.0.1:{free_port()}", sleep=pauses.append)
    with pytest.raises(ConnectionFailed) as failed:
        desk.org.get()
    assert (failed.value.status, failed.value.retryable, len(pauses)) == (None, True, 2)
    assert "deskbell serve" in failed.value.fix


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(200, b"<html>hello"), 200),
        (Answer(200, b'{"data": {}}'), 200),
        (Answer(301, b"", {"Location": "/elsewhere"}), 301),
        (Answer(200, b"no gzip", {"Content-Encoding": "gzip"}), None),
    ],
    ids=["page", "other object", "redirect", "broken encoding"],
)
def test_an_answer_that_is_not_of_deskbell_is_raised_at_once(
    connect: Connect, script: ScriptedServer, answer: Answer, status: int | None
) -> None:
    script.answers = [answer]
    with pytest.raises(UnreadableAnswer) as raised:
        connect(KEY, script.url).leads.get(NO_ID)
    assert (raised.value.status, raised.value.retryable) == (status, False)


def test_fields_and_values_of_a_newer_server_are_no_error(connect: Connect, script: ScriptedServer) -> None:
    script.answers = [good(invented_later=1, temperature="boiling")]
    assert connect(KEY, script.url).leads.get(NO_ID).temperature == "boiling"


def test_the_key_is_nowhere_to_be_read(
    connect: Connect, script: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    script.answers = [Answer(503), Answer(503), Answer(503)]
    desk = connect(KEY, script.url, sleep=lambda seconds: None)
    with pytest.raises(DeskError) as raised:
        desk.leads.create(first_name="Maria")
    assert script.received[0].headers["authorization"] == f"Bearer {KEY}"
    shown = [repr(desk), repr(raised.value), *traceback.format_exception(raised.value), caplog.text]
    assert "trying again" in caplog.text
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize("key", ["", " ", KEY + "é", KEY + "\r\nX-Evil: 1", f"{KEY} {KEY}"], ids=range(5))
def test_what_cannot_be_a_key_is_refused_without_repeating_it(connect: Connect, key: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        connect(key, "http://127.0.0.1:8000")
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://example.com", "http://", "http://a:b@example.com", "http://a/?b=c"]
)
def test_what_cannot_be_an_address_is_refused(connect: Connect, url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        connect(KEY, url)


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(RateLimited("No.", code="rate_limit_exceeded", status=429, retry_after=7.0)))
    assert (type(error), error.code, error.retry_after) == (RateLimited, "rate_limit_exceeded", 7.0)


@pytest.mark.parametrize("status", [200, 503])
def test_text_that_is_no_text_is_an_unreadable_answer(connect: Connect, script: ScriptedServer, status: int) -> None:
    body = b'{"error": {"code": "x", "message": "caf\xe9", "retryable": false}, "data": {"id": "\xe9"}}'
    script.answers = [Answer(status, body), good()]
    desk = connect(KEY, script.url, sleep=lambda seconds: None)
    if status == 503:
        assert desk.leads.get(NO_ID).first_name == "Maria"
    else:
        with pytest.raises(UnreadableAnswer):
            desk.leads.get(NO_ID)


def test_tries_can_be_turned_off(connect: Connect, script: ScriptedServer) -> None:
    script.answers = [Answer(503)]
    with pytest.raises(DeskError):
        connect(KEY, script.url, retry=Retry(tries=1)).org.get()
