"""The client's events: by cursor and as a stream that survives a lost connection."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from deskbell.identity.api_keys import revoke_key, update_key
from deskbell_client import Desk, Forbidden, Retry, Unauthorized
from tests.desk import Api, eventually
from tests.faults.process import Process


def test_events_are_read_by_a_cursor(desk: Any) -> None:
    lead = desk.leads.create(first_name="Maria")
    page = desk.events.list(limit=1)
    assert (page.rows[0].type, page.rows[0].object.id) == ("lead.created", lead.id)
    assert page.rows[0].principal.type == "api_key"
    for number in range(5):
        desk.leads.update(lead.id, notes=f"{number}")
    events = list(desk.events.iterate(after=page.meta.next, limit=2))
    assert [event.changes["notes"][1] for event in events] == ["0", "1", "2", "3", "4"]
    assert [event.type for event in list(desk.events.iterate(type="lead.created"))] == ["lead.created"]
    assert [row.type for row in desk.leads.timeline(lead.id, limit=1)] == ["lead.updated"]
    assert desk.leads.get(lead.id, as_of="2100-01-01").notes == "4"


class Listener:
    """Follows a stream in a thread of its own."""

    def __init__(self, desk: Desk, **query: Any) -> None:
        self.seen: list[Any] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self.listen, args=(desk.events.stream(**query),), daemon=True)
        self.thread.start()

    def listen(self, events: Any) -> None:
        try:
            for event in events:
                self.seen.append(event)
        except Exception as error:
            self.error = error


def test_a_stream_goes_on_behind_a_server_that_was_killed(tmp_path: Path) -> None:
    server = Process(tmp_path / "deskbell.db")
    server.start()
    try:
        api = server.api(server.organization())
        desk = Desk(api.key, server.url, retry=Retry(tries=100, first=0.05, longest=0.1))
        listener = Listener(desk, type="lead.*", after="0")
        ids = [api.lead()["id"] for _ in range(3)]
        eventually(lambda: len(listener.seen) == 3)
        ids.append(api.lead()["id"])
        server.kill()
        server.start()
        ids.append(api.lead()["id"])
        eventually(lambda: len(listener.seen) == len(ids))
        assert [event.lead_id for event in listener.seen] == ids
    finally:
        server.stop()


@pytest.mark.parametrize(("revoked", "kind"), [(True, Unauthorized), (False, Forbidden)])
def test_a_stream_ends_with_its_key_and_is_not_tried_again(alice: Api, revoked: bool, kind: type[Exception]) -> None:
    other = alice.server.api(alice.organization_id)
    listener = Listener(Desk(other.key, alice.server.url), type="lead.*")
    lead = eventually(lambda: alice.lead() and listener.seen)[0]
    assert lead.type == "lead.created"
    if revoked:
        alice.do(lambda ctx: revoke_key(ctx, other.key_id))
    else:
        alice.do(lambda ctx: update_key(ctx, other.key_id, scopes=["leads:read"]))
    listener.thread.join(30)
    assert type(listener.error) is kind
