"""When the Python client tries again, how long it waits, and when it gives up."""

import socket
from email.utils import formatdate
from typing import Any

import pytest

from deskbell_client import Conflict, ConnectionFailed, DeskError, Invalid, RateLimited, Retry, ServerError
from tests.client.conftest import Connect
from tests.client.scripted import HANG_UP, LEAD, Answer, ScriptedServer, good, page, refusal

KEY = "brk_" + "0" * 48


class Patient:
    """A client of the scripted server that notes how long it would wait."""

    def __init__(self, connect: Connect, script: ScriptedServer, **retry: Any) -> None:
        self.pauses: list[float] = []
        retry.setdefault("chance", lambda: 1.0)
        self.desk = connect(KEY, script.url, sleep=self.pauses.append, retry=Retry(**retry))

    def get(self) -> Any:
        return self.desk.leads.get(LEAD["id"])


@pytest.fixture
def patient(connect: Connect, script: ScriptedServer) -> Patient:
    return Patient(connect, script)


@pytest.mark.parametrize(
    "failure",
    [
        refusal(503, "too_many_sessions", True),
        refusal(500, "query_failed", True),
        refusal(409, "idempotency_in_progress", True),
        Answer(500, b"<html>Bad gateway</html>"),
        Answer(429),
        Answer(502, b'{"error": "flat"}'),
        HANG_UP,
    ],
    ids=["503", "500", "409", "html", "429", "other object", "hang up"],
)
def test_what_may_pass_is_tried_again(patient: Patient, script: ScriptedServer, failure: Answer) -> None:
    script.answers = [failure, good()]
    assert patient.get().first_name == "Maria"
    assert patient.pauses == [1.0]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refusal(500, "internal_error", False), ServerError),
        (refusal(409, "duplicate", False), Conflict),
        (refusal(400, "validation_error", False), Invalid),
        (Answer(400, b"<html>"), Invalid),
    ],
)
def test_what_will_not_pass_is_raised_at_once(
    patient: Patient, script: ScriptedServer, failure: Answer, kind: type[DeskError]
) -> None:
    script.answers = [failure]
    with pytest.raises(kind):
        patient.get()
    assert patient.pauses == []


def test_three_tries_are_all(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [Answer(503), HANG_UP, Answer(504, b"", {"X-Request-Id": "r3"}), good()]
    with pytest.raises(ServerError) as raised:
        patient.get()
    assert (raised.value.status, raised.value.request_id, raised.value.retryable) == (504, "r3", True)
    assert patient.pauses == [1.0, 2.0]
    assert len(script.received) == 3


def test_retry_after_is_obeyed_to_the_second(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [
        refusal(429, "rate_limit_exceeded", True, Retry_After="17"),
        refusal(429, "rate_limit_exceeded", True, Retry_After="60"),
        good(),
    ]
    patient.get()
    assert patient.pauses == [17.0, 60.0]


def test_a_retry_after_that_is_a_date_is_obeyed_too(connect: Connect, script: ScriptedServer) -> None:
    patient = Patient(connect, script, now=lambda: 1_778_423_400.0)
    script.answers = [Answer(503, b"", {"Retry-After": formatdate(1_778_423_425, usegmt=True)}), good()]
    patient.get()
    assert patient.pauses == [25.0]


def test_a_retry_after_that_cannot_be_read_counts_as_none(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [Answer(503, b"", {"Retry-After": "soon"}), good()]
    patient.get()
    assert patient.pauses == [1.0]


def test_more_than_a_minute_is_not_waited_for(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [refusal(429, "rate_limit_exceeded", True, Retry_After="61")]
    with pytest.raises(RateLimited) as raised:
        patient.get()
    assert (raised.value.retry_after, patient.pauses) == (61.0, [])


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_pauses_double_up_to_thirty_seconds_and_vary_by_half(
    connect: Connect, script: ScriptedServer, chance: float, share: float
) -> None:
    patient = Patient(connect, script, tries=8, chance=lambda: chance)
    script.answers = [Answer(500)] * 8
    with pytest.raises(ServerError):
        patient.get()
    assert patient.pauses == [share * pause for pause in (1, 2, 4, 8, 16, 30, 30)]


def test_a_write_carries_one_idempotency_key_through_its_tries(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [Answer(503), HANG_UP, good(), good()]
    patient.desk.leads.create(first_name="Maria")
    patient.desk.leads.create(first_name="Maria")
    *tries, other = [request.headers["idempotency-key"] for request in script.received]
    assert len(set(tries)) == 1
    assert other not in tries
    assert {request.body for request in script.received} == {b'{"first_name":"Maria"}'}


def test_every_kind_of_write_has_a_key_and_reads_have_none(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [good()] * 4
    patient.desk.leads.update(LEAD["id"], notes=None, idempotency_key="mine")
    patient.desk.leads.archive(LEAD["id"])
    patient.get()
    update, archive, read = script.received
    assert (update.headers["idempotency-key"], update.body) == ("mine", b'{"notes":null}')
    assert len(archive.headers["idempotency-key"]) == 36
    assert "idempotency-key" not in read.headers


def test_an_idempotency_key_that_cannot_be_sent_is_refused(patient: Patient, script: ScriptedServer) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        patient.desk.leads.archive(LEAD["id"], idempotency_key="two words")
    assert script.received == []


def test_a_slow_server_is_given_up_after_the_timeout(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts and never answers
        desk = connect(KEY, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05, sleep=lambda seconds: None)
        with pytest.raises(ConnectionFailed):
            desk.org.get()


def test_waiting_needs_nothing_of_the_caller(connect: Connect, script: ScriptedServer) -> None:
    script.answers = [Answer(503), good()]
    assert connect(KEY, script.url, retry=Retry(first=0.0)).leads.get(LEAD["id"]).id == LEAD["id"]


@pytest.mark.parametrize("suffix", ["/desk", "/desk/"])
def test_the_address_may_have_a_path(connect: Connect, script: ScriptedServer, suffix: str) -> None:
    script.answers = [page(1, 1, "a")]
    connect(KEY, script.url + suffix).leads.list(search="a b&c=%+é")
    assert script.received[0].path == "/desk/api/v1/leads?search=a+b%26c%3D%25%2B%C3%A9"


def test_an_id_cannot_lead_to_another_path(connect: Connect, script: ScriptedServer) -> None:
    script.answers = [good()]
    connect(KEY, script.url).leads.get("a/../../org?x")
    assert script.received[0].path.lower() == "/api/v1/leads/a%2f..%2f..%2forg%3fx"


def test_a_row_that_moved_to_the_next_page_is_given_once(patient: Patient, script: ScriptedServer) -> None:
    script.answers = [page(1, 3, "c", "b"), page(2, 3, "b", "a"), page(3, 3)]
    assert [lead.id for lead in patient.desk.leads.iterate()] == ["c", "b", "a"]
    assert [request.path.partition("?")[2] for request in script.received] == [
        f"limit=100&page={number}" for number in (1, 2, 3)
    ]
