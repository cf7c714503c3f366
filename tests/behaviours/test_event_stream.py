"""Following events as they happen: server-sent events that can be resumed."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from deskbell.app import SLICES
from deskbell.compliance import suppressions
from deskbell.events import feed
from deskbell.events.feed import EventFeed, Subscription
from deskbell.identity import api_keys
from deskbell.identity.api_keys import revoke_key
from deskbell.privacy.operations import erase_lead
from tests.behaviours.test_conversations import say
from tests.behaviours.test_events import PHONE, cursor, events
from tests.desk import PATIENCE, Api, eventually, refused, running
from tests.faults.process import Process


class Told(NamedTuple):
    id: str | None
    name: str
    data: Any


class Stream:
    """An open stream, read one event at a time."""

    def __init__(self, answer: httpx2.Response) -> None:
        assert answer.status_code == 200, answer.read()
        self.answer = answer
        self.lines = answer.iter_lines()
        self.comments: list[str] = []
        self.opened = next(self.lines)

    def __iter__(self) -> Iterator[Told]:
        fields: dict[str, str] = {}
        for line in self.lines:
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield Told(fields.get("id"), fields["event"], json.loads(fields["data"]))
                fields = {}

    def next(self) -> Told:
        return next(iter(self))


@contextlib.contextmanager
def stream(api: Api, last: str | None = None, **query: Any) -> Iterator[Stream]:
    headers = {"Last-Event-ID": last} if last is not None else {}
    with api.http.stream("GET", "/events/stream", params=query, headers=headers) as answer:
        yield Stream(answer)


def test_events_arrive_as_they_happen(alice: Api) -> None:
    alice.lead(first_name="Before")
    with stream(alice) as told:
        lead = alice.lead(first_name="Ada")
        first = told.next()
        assert told.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        alice.put(f"/leads/{lead['id']}", {"notes": "Leak"})
        second = told.next()
    listed = events(alice, limit=2)[::-1]
    assert [first, second] == [Told(event["id"], event["type"], event) for event in listed]


def test_a_stream_resumes_behind_the_last_event_that_was_seen(alice: Api) -> None:
    start = cursor(alice)
    ids = [alice.lead()["id"] for _ in range(3)]
    with stream(alice, start) as told:
        first = told.next()
    ids.append(alice.lead()["id"])
    with stream(alice, first.id) as told:
        rest = [told.next() for _ in range(2)]
        ids.append(alice.lead()["id"])
        rest += [told.next() for _ in range(2)]
    assert [each.data["lead_id"] for each in [first, *rest]] == ids


def test_a_stream_can_begin_at_the_beginning(alice: Api) -> None:
    for number in range(feed.BATCH + 5):
        alice.lead(first_name=f"{number}")
    whole = [event["id"] for event in [*events(alice, after="0", limit=100)]]
    with stream(alice, "0") as told:
        seen = [told.next().id for _ in range(feed.BATCH + 6)]
    assert seen[:100] == whole
    assert len(set(seen)) == len(seen)
    with stream(alice, after="0", type="lead.*") as told:
        names = [told.next().data["data"]["first_name"] for _ in range(feed.BATCH + 5)]
    assert names == [f"{number}" for number in range(feed.BATCH + 5)]


def test_the_comment_at_the_start_says_where_to_resume(alice: Api) -> None:
    alice.lead()
    with stream(alice) as told:
        assert told.opened in {f": after {id}" for id in ["0", *(event["id"] for event in events(alice))]}
    if alice.server.database.startswith("sqlite"):
        assert told.opened == f": after {events(alice, limit=1)[0]['id']}"


def test_the_header_counts_more_than_the_query(alice: Api) -> None:
    alice.lead()
    start = cursor(alice)
    lead = alice.lead()
    with stream(alice, start, after="0") as told:
        assert told.next().data["lead_id"] == lead["id"]


@pytest.mark.parametrize("bad", ["x", "1", "null", str(uuid.UUID(int=7))])
def test_an_unknown_id_is_refused(alice: Api, bad: str) -> None:
    headers = {"Last-Event-ID": bad}
    refused(alice.http.get("/events/stream", headers=headers), 400, "validation_error", "`Last-Event-ID`")
    refused(alice.http.get("/events/stream", params={"after": bad}), 400, "validation_error", "`after`")


def test_an_id_of_another_organization_is_unknown(alice: Api, charlie: Api) -> None:
    theirs = events(charlie, limit=1)[0]["id"]
    headers = {"Last-Event-ID": theirs}
    refused(alice.http.get("/events/stream", headers=headers), 400, "validation_error", "`Last-Event-ID`")


def test_filters_are_those_of_the_list(alice: Api) -> None:
    lead, other = alice.lead(), alice.lead()
    with stream(alice, type="lead.*,task.*", lead_id=lead["id"]) as told:
        alice.put(f"/leads/{other['id']}", {"notes": "other"})
        alice.post("/appointments", {"lead_id": lead["id"], "start_time": "2030-01-01", "end_time": "2030-01-02"})
        alice.put(f"/leads/{lead['id']}", {"notes": "this"})
        assert told.next().data["changes"] == {"notes": [None, "this"]}
    with stream(alice, type="lead.flown") as told:
        assert told.opened
    refused(alice.http.get("/events/stream?lead_id=x"), 400, "validation_error", "`lead_id`")


def test_nobody_hears_of_others(alice: Api, charlie: Api) -> None:
    with stream(charlie) as told:
        theirs = alice.lead()
        ours = charlie.lead()
        with stream(charlie, lead_id=theirs["id"]), stream(alice) as others:
            assert told.next().data["lead_id"] == ours["id"]
            mine = alice.lead()
            assert others.next().data["lead_id"] == mine["id"]


def test_words_of_texts_are_for_keys_that_may_read_them(alice: Api) -> None:
    few = alice.server.api(alice.organization_id, scopes=["events:read"])
    lead = alice.lead(phone=PHONE)
    start = cursor(alice)
    with stream(alice, type="message.accepted") as all_of_it, stream(few, type="message.accepted") as some:
        say(alice, lead, "Hello")
        assert all_of_it.next().data["data"]["body"] == "Hello"
        assert "body" not in some.next().data["data"]
    with stream(few, start, type="message.accepted") as some:
        assert "body" not in some.next().data["data"]


def test_what_a_command_writes_arrives_too(alice: Api) -> None:
    with stream(alice) as told:
        alice.do(lambda ctx: suppressions.opt_out(ctx, PHONE))
        assert told.next().name == "suppression.added"


def test_a_quiet_stream_says_that_it_is_alive(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert feed.COMMENT_SECONDS == 15
    monkeypatch.setattr(feed, "COMMENT_SECONDS", 0.05)
    with stream(alice) as told:
        quiet = [next(told.lines) for _ in range(5)]
        assert {*quiet} == {":", ""}


def test_a_stream_ends_within_a_second_of_its_key(alice: Api) -> None:
    other = alice.server.api(alice.organization_id)
    with stream(other, type="lead.*") as told:
        alice.do(lambda ctx: revoke_key(ctx, other.key_id))
        revoked = time.monotonic()
        end = list(told)
        assert time.monotonic() - revoked < 1.5
    assert [(each.name, each.data["error"]["code"]) for each in end] == [("error", "unauthorized")]


def test_a_stream_ends_when_its_key_loses_scopes(alice: Api) -> None:
    other = alice.server.api(alice.organization_id)
    with stream(other, type="lead.*") as told:
        alice.do(lambda ctx: api_keys.update_key(ctx, other.key_id, scopes=["events:read"]))
        end = list(told)
    assert [(each.name, each.data["error"]["code"]) for each in end] == [("error", "insufficient_scope")]


def test_a_stream_counts_as_one_read(alice: Api) -> None:
    few = alice.server.api(alice.organization_id, reads=10)
    with stream(few) as told:
        assert told.answer.headers["ratelimit-remaining"] == "9"
        alice.lead()
        told.next()
    assert few.get("/org").headers["ratelimit-remaining"] == "8"


def test_head_has_the_headers_alone(alice: Api) -> None:
    answer = alice.http.head("/events/stream")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_the_stream_needs_its_scope(alice: Api) -> None:
    leads = alice.server.api(alice.organization_id, scopes=["leads:read"])
    refused(leads.get("/events/stream"), 403, "insufficient_scope", "events:read")


def subscriptions(api: Api) -> list[Subscription]:
    """The open streams of one organization."""
    reader = api.server.app.setup.service(EventFeed).readers.get(api.organization_id)
    return list(reader.subscriptions) if reader else []


def test_a_slow_client_is_dropped_and_told_where_to_resume(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection takes no more, so events wait for it; then too many do."""
    monkeypatch.setattr(feed, "MAX_WAITING", 150)
    notes = "x" * 5000
    with stream(alice, type="lead.created") as told:
        created = 0
        (slow,) = eventually(lambda: subscriptions(alice))
        while not slow.dropped:
            alice.lead(notes=notes)
            created += 1
            assert created < 5000
        *seen, (_, name, hint) = list(told)
    assert name == "dropped"
    assert hint["last_event_id"] == seen[-1].id
    assert 0 < len(seen) < created
    with stream(alice, seen[-1].id, type="lead.created") as told:
        rest = [told.next() for _ in range(created - len(seen))]
    assert len({each.id for each in [*seen, *rest]}) == created


def test_two_hundred_streams_are_served(alice: Api) -> None:
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(
            httpx2.Client(
                base_url=alice.http.base_url,
                headers=alice.http.headers,
                limits=httpx2.Limits(max_connections=None),
                timeout=PATIENCE,
                trust_env=False,
                verify=False,
            )
        )
        told = [Stream(stack.enter_context(http.stream("GET", "/events/stream"))) for _ in range(200)]
        lead = alice.lead()
        assert {each.next().data["lead_id"] for each in told} == {lead["id"]}
    eventually(lambda: not subscriptions(alice))


def test_erasing_leaves_nothing_for_those_who_resume(alice: Api) -> None:
    start = cursor(alice)
    lead = alice.lead(first_name="Zebulon")
    alice.do(lambda ctx: erase_lead(ctx, lead["id"], SLICES))
    with stream(alice, start) as told:
        seen = [told.next(), told.next()]
    assert [each.name for each in seen] == ["lead.created", "lead.erased"]
    assert "Zebulon" not in repr(seen)


def test_a_server_that_stops_ends_its_streams(alice: Api, tmp_path: Path) -> None:
    place = alice.server.database if alice.server.database.startswith("postgres") else tmp_path / "deskbell.db"
    with running(place) as other:
        api = other.api(other.organization())
        with stream(api) as told:
            other.uvicorn.should_exit = True
            began = time.monotonic()
            assert list(told) == []
            assert time.monotonic() - began < 5


def test_a_stream_resumes_without_loss_behind_a_server_that_was_killed(tmp_path: Path) -> None:
    process = Process(tmp_path / "deskbell.db")
    process.start()
    try:
        api = process.api(process.organization())
        ids = [api.lead()["id"] for _ in range(3)]
        with stream(api, "0", type="lead.*") as told:
            seen = [told.next()]
            ids.append(api.lead()["id"])
            process.kill()
            with contextlib.suppress(httpx2.TransportError):
                seen += list(told)
        process.start()
        ids.append(api.lead()["id"])
        with stream(api, seen[-1].id, type="lead.*") as told:
            while len(seen) < len(ids):
                seen.append(told.next())
        assert [each.data["lead_id"] for each in seen] == ids
    finally:
        process.stop()
