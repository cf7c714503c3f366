"""What can be done with events: list them, follow them, and look at a lead's timeline."""

from __future__ import annotations

from msgspec import UNSET

from deskbell.core.context import Context, ExternalContext
from deskbell.core.operation import EventStream, Operation
from deskbell.events import log, rules, store
from deskbell.events.feed import EventFeed, Subscription
from deskbell.events.log import ALL, Section
from deskbell.events.model import Event, EventFilter, EventSelection, Place, TimelineFilter
from deskbell.events.rules import Wanted
from deskbell.foundation.pagination import CursorPage, Page, given
from deskbell.leads.operations import check_unerased

MAX_UNSETTLED = 1000  # events of transactions that end at about the same time


async def list_events(ctx: Context, filter: EventFilter) -> CursorPage[Event]:
    """List what happened. With `after`, the id of an event, what came after it, oldest first; without it the latest, newest first.

    Give `meta.next` as `after` to go on: it is always there, and going on from it misses nothing, however many write at once. What
    you have written yourself is there at once without `after`, and within a second with it. Where nothing is new, `data` is empty.
    """
    wanted = rules.wanted(filter)
    if filter.after is UNSET:
        next = await log.newest_settled(
            ctx
        )  # before the events are read: what comes in between is listed twice, not missed
        rows = await log.rows_in(ctx, Section(0, ALL, filter.limit, newest=True), wanted)
        return CursorPage(await log.events_of(ctx, rows), filter.limit, next.id)
    place = await log.place_of(ctx, filter.after)
    rows = await log.rows_in(ctx, Section(place.position, await log.settled(ctx), filter.limit), wanted)
    return CursorPage(await log.events_of(ctx, rows), filter.limit, rows[-1].id if rows else place.id)


async def stream_events(external: ExternalContext, selection: EventSelection) -> EventStream:
    """Follow what happens, as server-sent events: each with the event's `id`, its type as `event`, and the event as `data`.

    The stream begins now, or after the event that the header `Last-Event-ID` (or `after`) names: send the last id that you have seen
    to resume without a gap. A comment comes every 15 seconds. A client that reads too slowly is sent `dropped` and disconnected, and
    resumes by its last id. The stream ends within a second of its key.
    """
    subscription = Subscription(rules.wanted(selection), rules.Visibility.of(external.principal.scopes))
    place, subscription.skipped = await external.read(
        lambda ctx: start_of_stream(ctx, external.last_event_id, given(selection.after))
    )
    feed = external.service(EventFeed)
    return EventStream(feed.follow(external, subscription, place), subscription.end)


async def start_of_stream(ctx: Context, last_id: str | None, after: str | None) -> tuple[Place, frozenset[int]]:
    """Behind which event a stream begins, and what it skips: of a stream that begins now, what is there and not yet settled."""
    if last_id:
        return await log.place_of(ctx, last_id, "Last-Event-ID"), frozenset()
    if after is not None:
        return await log.place_of(ctx, after), frozenset()
    place = await log.newest_settled(ctx)
    unsettled = await log.rows_in(ctx, Section(place.position, ALL, MAX_UNSETTLED), Wanted())
    return place, frozenset(row.position for row in unsettled)


async def lead_timeline(ctx: Context, id: str, filter: TimelineFilter) -> Page[Event]:
    """Everything that happened around a lead, newest first: the lead itself, its texts, appointments and tasks.

    An archived lead has its timeline still; one whose person was erased is not found.
    """
    await check_unerased(ctx, id)
    rows, total = await ctx.db.page(store.timeline_list(ctx.organization_id, id), filter.page, filter.limit)
    return Page(await log.events_of(ctx, rows), total, filter)


OPERATIONS = [
    Operation("events.list", list_events, "GET /api/v1/events", scope="events:read"),
    Operation("events.stream", stream_events, "GET /api/v1/events/stream", scope="events:read", streamed=Event),
    Operation("leads.timeline", lead_timeline, "GET /api/v1/leads/{id}/timeline", scope="events:read"),
]
