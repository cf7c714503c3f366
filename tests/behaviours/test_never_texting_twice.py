"""A crash or an unsure carrier between acceptance and record: the text is looked up by our own reference, never sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from deskbell.conversations import sending
from deskbell.conversations.carriers import base, simulator
from deskbell.conversations.sender import Sender
from deskbell.core.context import operator_context
from deskbell.core.jobs import worker_handler
from deskbell.foundation import jobs, sqlite
from deskbell.foundation.db import Session
from deskbell.foundation.ids import new_id
from deskbell.foundation.worker import Work, Worker
from deskbell.leads.model import NewLead
from deskbell.leads.operations import create_lead
from deskbell.organizations import operations as organizations
from tests.desk import PATIENCE, eventually

PHONE = "+15125550123"
Attempt = Callable[[simulator.Simulator, base.OutboundText], Awaitable[base.Accepted]]


class Faulty(simulator.Simulator):
    """The simulator, with faults around its acceptance: one per attempt, then none."""

    def __init__(self, database: Any, *faults: Attempt, lost: Iterable[Exception] = (), knows: bool = True) -> None:
        super().__init__(database)
        self.lost = iter(lost)
        self.faults: Iterator[Attempt] = iter(faults)
        self.knows = knows

    async def send(self, text: base.OutboundText) -> base.Accepted:
        fault = next(self.faults, None)
        return await (fault(self, text) if fault else super().send(text))

    async def find(self, text: base.OutboundText) -> base.Accepted | None:
        if not self.knows:
            raise base.OutcomeUnknown
        if (failure := next(self.lost, None)) is not None:
            raise failure
        return await super().find(text)


async def crash_after(carrier: simulator.Simulator, text: base.OutboundText) -> base.Accepted:
    await simulator.Simulator.send(carrier, text)
    raise asyncio.CancelledError


async def crash_before(carrier: simulator.Simulator, text: base.OutboundText) -> base.Accepted:
    raise asyncio.CancelledError


async def unsure_after(carrier: simulator.Simulator, text: base.OutboundText) -> base.Accepted:
    await simulator.Simulator.send(carrier, text)
    raise base.OutcomeUnknown


async def broken_after(carrier: simulator.Simulator, text: base.OutboundText) -> base.Accepted:
    await simulator.Simulator.send(carrier, text)
    raise KeyError("a field that the carrier used to send")


async def broken_before(carrier: simulator.Simulator, text: base.OutboundText) -> base.Accepted:
    raise ConnectionResetError


async def unsure_before(carrier: simulator.Simulator, text: base.OutboundText) -> base.Accepted:
    raise base.OutcomeUnknown


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "DELIVERY", 0.05)
    monkeypatch.setattr(jobs, "BACKOFF", (0.02,))


async def queue(session: Session) -> None:
    organization = await organizations.create_organization(session, "Acme Roofing")
    ctx = await operator_context(session, organization.id)
    lead = await create_lead(ctx, NewLead(first_name="Maria", phone=PHONE))
    await sending.queue_text(ctx, lead.id, PHONE, "Hello")


def state(path: str) -> tuple[str, int]:
    """The message's status, and how often the carrier was given a text."""
    with apsw.Connection(path) as connection:
        counted = "SELECT (SELECT status FROM messages), (SELECT count(*) FROM simulated_texts)"
        return tuple(connection.execute(counted).get)  # type: ignore[return-value]


async def serve(database: sqlite.SqliteDatabase, carrier: base.Carrier, done: Callable[[], bool]) -> None:
    """One life of a process: it starts, works until `done`, and ends."""
    await database.write(jobs.release)
    sender = Sender(carrier)
    worker = Worker(
        database, {sending.SEND: worker_handler(sender.send), simulator.REPORT: worker_handler(sender.report)}
    )
    running = asyncio.create_task(worker.run())
    await asyncio.to_thread(eventually, done)
    await worker.stop(1)
    await running


def outcome(
    tmp_path: Path, *faults: Attempt, lives: int = 1, end: str = "delivered", **look_up: Any
) -> tuple[str, int]:
    """What became of a text after these faults, and how many the carrier took. Each crash ends a life of the process."""
    path = str(tmp_path / "desk.db")
    sqlite.prepare(path, migrate=True)

    async def live() -> None:
        database = sqlite.SqliteDatabase(path)
        await database.write(queue)
        carrier = Faulty(database, *faults, **look_up)
        for _ in range(lives - 1):
            await serve(database, carrier, lambda: state(path)[0] == "sending")
        await serve(database, carrier, lambda: state(path)[0] == end)
        database.close()

    asyncio.run(live())
    return state(path)


@pytest.mark.parametrize("fault", [crash_after, crash_before])
def test_a_crash_around_acceptance_sends_once(tmp_path: Path, fault: Attempt) -> None:
    assert outcome(tmp_path, fault, lives=2) == ("delivered", 1)


@pytest.mark.parametrize("faults", [[unsure_after], [unsure_before], [unsure_before, unsure_before, unsure_after]])
def test_an_unsure_carrier_is_asked_before_anything_is_sent_again(tmp_path: Path, faults: list[Attempt]) -> None:
    assert outcome(tmp_path, *faults) == ("delivered", 1)


@pytest.mark.parametrize(
    "failure", [base.Unavailable("down"), base.Refused("no"), ConnectionResetError(), KeyError("id")]
)
def test_a_look_up_that_fails_sends_nothing(tmp_path: Path, failure: Exception) -> None:
    assert outcome(tmp_path, unsure_after, lost=[failure] * 3) == ("delivered", 1)


@pytest.mark.parametrize("fault", [broken_after, broken_before])
def test_a_carrier_that_breaks_is_asked_before_anything_is_sent_again(tmp_path: Path, fault: Attempt) -> None:
    assert outcome(tmp_path, fault) == ("delivered", 1)


def test_a_carrier_that_stays_broken_leaves_the_message_unknown(tmp_path: Path) -> None:
    failures = [KeyError("id") for _ in range(99)]
    assert outcome(tmp_path, broken_before, lost=failures, end="unknown") == ("unknown", 0)


def test_a_text_that_the_carrier_never_took_says_so(tmp_path: Path) -> None:
    assert outcome(tmp_path, *[unsure_before] * 99, end="failed") == ("failed", 0)
    with apsw.Connection(str(tmp_path / "desk.db")) as connection:
        assert connection.execute("SELECT failure FROM messages").get == "never_taken"
        assert connection.execute("SELECT count(*) FROM jobs WHERE kind = 'texts.send'").get == 0


def test_where_the_carrier_cannot_tell_the_message_ends_unknown(tmp_path: Path) -> None:
    assert outcome(tmp_path, unsure_before, knows=False, end="unknown") == ("unknown", 0)


def test_a_report_settles_what_nobody_could_tell(tmp_path: Path) -> None:
    assert outcome(tmp_path, unsure_after, knows=False) == ("delivered", 1)


def test_a_clock_that_jumps_past_the_lease_sends_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEASE", -1.0)
    monkeypatch.setattr(simulator, "SLOW", PHONE)
    monkeypatch.setattr(simulator, "SLOWNESS", 0.6)
    assert outcome(tmp_path) == ("delivered", 1)


def test_a_job_that_runs_is_not_claimed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEASE", -1.0)
    path = str(tmp_path / "desk.db")
    sqlite.prepare(path, migrate=True)

    async def live() -> list[str]:
        database, begun, free = sqlite.SqliteDatabase(path), list[str](), asyncio.Event()

        async def first(work: Work) -> None:
            begun.append("first")
            await database.write(lambda session: jobs.enqueue(session, "second", {}))
            await free.wait()

        async def second(work: Work) -> None:
            begun.append("second")
            free.set()

        worker = Worker(database, {"first": first, "second": second})
        await database.write(lambda session: jobs.enqueue(session, "first", {}))
        running = asyncio.create_task(worker.run())
        await asyncio.wait_for(free.wait(), PATIENCE)
        await worker.stop(5)
        await running
        database.close()
        return begun

    assert asyncio.run(live()) == ["first", "second"]


def test_the_simulator_cannot_tell_of_a_text_on_its_way_and_sends_a_repeated_one_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "desk.db")
    sqlite.prepare(path, migrate=True)
    monkeypatch.setattr(simulator, "SLOWNESS", 0.2)
    text = base.OutboundText(new_id(), "ours", simulator.SLOW, "Hello")

    async def live() -> None:
        database = sqlite.SqliteDatabase(path)
        carrier = simulator.Simulator(database)
        underway = asyncio.create_task(carrier.send(text))
        await asyncio.to_thread(eventually, lambda: text.reference in carrier.in_flight)
        with pytest.raises(base.OutcomeUnknown):
            await carrier.find(text)
        receipt = await underway
        assert await carrier.send(text) == await carrier.find(text) == receipt
        database.close()

    asyncio.run(live())
    with apsw.Connection(path) as connection:
        assert connection.execute("SELECT count(*) FROM simulated_texts").get == 2
        assert connection.execute("SELECT count(*) FROM jobs").get == 1
