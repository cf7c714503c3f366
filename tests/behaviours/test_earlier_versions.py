"""Records as they were at an earlier moment: `?as_of=`."""

from __future__ import annotations

import contextlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import apsw
import pytest

from deskbell.app import SLICES
from deskbell.compliance import suppressions
from deskbell.privacy.operations import erase_lead
from tests.behaviours.test_booking_appointments import book
from tests.behaviours.test_tasks import task
from tests.desk import Api, refused
from tests.postgres import ask

PHONE = "+15125550123"
LONG_AGO, FAR_AHEAD = "2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"


def moment() -> str:
    """Now, and no later event has the same time."""
    now = datetime.now(UTC)
    while datetime.now(UTC) == now:
        pass
    return now.isoformat()


def as_of(api: Api, path: str, moment: str) -> Any:
    answer = api.get(path, as_of=moment)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def made(api: Api, kind: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A record of a kind: its path, how it is, and a change of it."""
    lead = api.lead(first_name="Maria", tags=["roof"], custom_fields={"age": 9})
    if kind == "lead":
        return f"/leads/{lead['id']}", lead, {"first_name": "Ada", "tags": [], "custom_fields": {}}
    if kind == "appointment":
        visit = book(api, lead, notes="Ladder")
        return f"/appointments/{visit['id']}", visit, {"notes": None, "status": "confirmed"}
    duty = task(api, "Call", contact_id=lead["id"])
    return f"/tasks/{duty['id']}", duty, {"title": "Write", "status": "completed"}


KINDS = pytest.mark.parametrize("kind", ["lead", "appointment", "task"])


@KINDS
def test_a_record_is_shown_as_it_was(alice: Api, kind: str) -> None:
    path, first, change = made(alice, kind)
    then = moment()
    second = alice.put(path, change).json()["data"]
    later = moment()
    alice.put(path, {name: first[name] for name in change})
    assert as_of(alice, path, then) == first
    assert as_of(alice, path, later) == second
    assert as_of(alice, path, FAR_AHEAD) == alice.get(path).json()["data"]


@KINDS
def test_before_it_existed_it_is_not_found(alice: Api, kind: str) -> None:
    path, _, _ = made(alice, kind)
    refused(alice.get(path, as_of=LONG_AGO), 404, "not_found")


@KINDS
def test_after_its_person_was_erased_it_is_not_found(alice: Api, kind: str) -> None:
    path, record, change = made(alice, kind)
    then = moment()
    alice.put(path, change)
    alice.do(lambda ctx: erase_lead(ctx, record.get("lead_id") or record.get("contact_id") or record["id"], SLICES))
    refused(alice.get(path, as_of=then), 404, "not_found")


def test_a_moment_of_whole_seconds_is_that_second_as_records_show_it(alice: Api) -> None:
    lead = alice.lead()
    assert as_of(alice, f"/leads/{lead['id']}", lead["created_at"]) == lead


def test_moments_may_have_offsets(alice: Api) -> None:
    lead = alice.lead()
    ahead = datetime.now(UTC) + timedelta(days=1)
    assert as_of(alice, f"/leads/{lead['id']}", ahead.isoformat()) == lead
    behind = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.5+00:00")
    refused(alice.get(f"/leads/{lead['id']}", as_of=behind), 404, "not_found")


def test_an_archived_lead_is_found_as_it_was_before(alice: Api) -> None:
    lead = alice.lead()
    path = f"/leads/{lead['id']}"
    then = moment()
    alice.delete(path)
    assert as_of(alice, path, then) == lead
    refused(alice.get(path, as_of=moment()), 404, "not_found")
    refused(alice.get(path, as_of=FAR_AHEAD), 404, "not_found")


def test_a_lead_shows_the_opt_outs_of_then(alice: Api) -> None:
    path = f"/leads/{alice.lead(phone=PHONE)['id']}"
    shown = []
    for act in (suppressions.opt_out, suppressions.add_to_dnc_list, suppressions.opt_in):
        shown.append((moment(), alice.get(path).json()["data"]))
        alice.do(lambda ctx: act(ctx, PHONE))  # noqa: B023
    for then, lead in shown:
        assert as_of(alice, path, then) == lead


@pytest.mark.parametrize("bad", ["yesterday", "", "2026-13-01", "now", "1767225600", "2026-01-01T00:00:00Z "])
def test_what_is_no_moment_is_refused(alice: Api, bad: str) -> None:
    lead = alice.lead()
    refused(alice.get(f"/leads/{lead['id']}", as_of=bad), 400, "validation_error", "`as_of`")


def test_unknown_and_foreign_records_are_not_found(alice: Api, charlie: Api) -> None:
    theirs = charlie.lead()["id"]
    answers = [alice.get(f"/leads/{id}", as_of=moment()) for id in (theirs, str(uuid.uuid4()), "x")]
    for answer in answers:
        refused(answer, 404, "not_found")
        assert answer.content == answers[0].content


@KINDS
def test_earlier_versions_need_the_scope_of_events_besides(alice: Api, kind: str) -> None:
    path, _, _ = made(alice, kind)
    scope = f"{kind}s:read"
    few = alice.server.api(alice.organization_id, scopes=[scope])
    assert few.get(path).status_code == 200
    for when in (moment(), FAR_AHEAD):
        refused(few.get(path, as_of=when), 403, "insufficient_scope", "events:read")
    both = alice.server.api(alice.organization_id, scopes=[scope, "events:read"])
    assert both.get(path, as_of=moment()).status_code == 200
    refused(alice.server.api(alice.organization_id, scopes=["events:read"]).get(path), 403, "insufficient_scope")


@KINDS
def test_a_record_that_is_older_than_the_log_is_found_by_undoing_what_came_later(alice: Api, kind: str) -> None:
    path, first, change = made(alice, kind)
    forget(alice)
    then = moment()
    assert as_of(alice, path, then) == first
    alice.put(path, change)
    alice.put(path, {name: first[name] for name in change})
    assert as_of(alice, path, then) == first
    refused(alice.get(path, as_of=LONG_AGO), 404, "not_found")


def forget(api: Api) -> None:
    """The log as if it began now."""
    sql = f"DELETE FROM events WHERE organization_id = '{api.organization_id}'"
    if api.server.database.startswith("sqlite"):
        with contextlib.closing(apsw.Connection(api.server.path)) as file:
            file.set_busy_timeout(60_000)
            file.execute(sql)
    else:
        ask(api.server.database, sql)
