"""The states of a text, from acceptance to delivery: each step is one transaction with its event. `sender.py` calls the carrier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from deskbell.compliance import suppressions
from deskbell.compliance.gate import check_text
from deskbell.conversations import store
from deskbell.conversations.carriers.base import Accepted, Refused
from deskbell.conversations.model import BlockedText, Message, MessageStatus, OutboundMessage
from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.core.jobs import enqueue
from deskbell.foundation.db import insert, update
from deskbell.foundation.ids import new_id
from deskbell.foundation.jobs import Retry

SEND = "texts.send"

#: The order of statuses; a late report never moves a message back.
STATUS_ORDER = {
    "queued": 0,
    "sending": 1,
    "sent": 2,
    "unknown": 2,
    "delivered": 3,
    "undelivered": 3,
    "failed": 3,
    "cancelled": 3,
}


class SendJob(msgspec.Struct):
    message_id: str


class DeliveryReport(msgspec.Struct):
    """A carrier's report on a text that it accepted earlier."""

    message_id: str
    carrier_id: str
    status: MessageStatus


async def queue_text(ctx: Context, lead_id: str, phone: str, body: str, *, compliance_reply: bool = False) -> Message:
    """Accepts a text: checks the gate, stores the message and queues its job. A `compliance_reply` (to STOP or HELP) passes no gate.

    Raises a Refusal if a rule forbids the text; the event `message.blocked` is committed nevertheless.
    """
    if not compliance_reply:
        verdict = await check_text(ctx, phone)
        if verdict.outcome == "block":
            await record(ctx, "message.blocked", lead_id, lead_id=lead_id, after=BlockedText(body, verdict.code))
            raise verdict.refusal()
    row = {
        "id": new_id(),
        "lead_id": lead_id,
        "direction": "outbound",
        "body": body,
        "status": "queued",
        "phone": phone,
        "exempt": compliance_reply,
    }
    message = await add_message(ctx, row)
    await record(ctx, "message.accepted", message.id, lead_id=lead_id, after=message)
    await enqueue(ctx, SEND, SendJob(message.id))
    return message


async def add_message(ctx: Context, row: Mapping[str, Any]) -> Message:
    """Stores a message and updates the time of its thread; creates the thread if it is the first message."""
    moment = ctx.now
    if not await ctx.db.run(store.touch_thread(ctx.organization_id, row["lead_id"], moment)):
        thread = {
            "organization_id": ctx.organization_id,
            "id": new_id(),
            "lead_id": row["lead_id"],
            "status": "active",
            "requires_human": False,
        }
        await ctx.db.run(insert(store.threads, {**thread, "created_at": moment, "updated_at": moment}))
    columns = {"organization_id": ctx.organization_id, "type": "sms", "created_at": moment, "updated_at": moment, **row}
    await ctx.db.run(insert(store.messages, columns))
    message = await ctx.db.one(store.message_row(ctx.organization_id, row["id"]))
    assert message is not None
    return message


async def set_status(ctx: Context, message: OutboundMessage, status: MessageStatus, **columns: Any) -> None:
    """Stores a status, and its event unless it is `queued` or `sending`."""
    key = {"organization_id": ctx.organization_id, "id": message.id}
    await ctx.db.run(update(store.messages, key, {"status": status, "updated_at": ctx.now, **columns}))
    if status not in ("queued", "sending"):
        changed = await ctx.db.one(store.message_row(ctx.organization_id, message.id))
        if changed is not None:  # it is deleted if its person was erased
            await record(ctx, f"message.{status}", message.id, lead_id=message.lead_id, after=changed)


async def mark_sending(ctx: Context, message_id: str) -> OutboundMessage | None:
    """Checks the gate again and marks the text as `sending`. Returns the message as it was before, or None if there is nothing to send."""
    message = await ctx.db.one(store.outbound_message(ctx.organization_id, message_id))
    if message is None or message.status not in ("queued", "sending"):
        return None
    if message.status == "queued":
        if not message.compliance_reply and (await check_text(ctx, message.phone)).outcome == "block":
            await set_status(ctx, message, "cancelled", failure="compliance_blocked")
            return None
        await set_status(ctx, message, "sending")
    return message


async def is_erased(ctx: Context, message_id: str) -> bool:
    """Whether the message was deleted because its person was erased."""
    return await ctx.db.one(store.outbound_message(ctx.organization_id, message_id)) is None


async def record_report(ctx: Context, report: DeliveryReport) -> None:
    """Records a delivery report. Late and repeated reports change nothing."""
    message = await ctx.db.one(store.outbound_message(ctx.organization_id, report.message_id))
    if message is None or STATUS_ORDER[report.status] <= STATUS_ORDER[message.status]:
        return
    sent = {"sent_at": ctx.now} if message.status == "sending" else {}
    await set_status(ctx, message, report.status, carrier_id=report.carrier_id, **sent)


async def record_acceptance(ctx: Context, message: OutboundMessage, accepted: Accepted) -> None:
    """Records that the carrier accepted the text. If its delivery report arrived first, the report's status stays."""
    current = await ctx.db.one(store.outbound_message(ctx.organization_id, message.id))
    if current is None:
        raise Retry("its person was erased in the meantime: the carrier must erase it")
    if current.status == "sending":
        await set_status(ctx, message, "sent", carrier_id=accepted.carrier_id, sent_at=ctx.now)


async def record_refusal(ctx: Context, message: OutboundMessage, refusal: Refused) -> None:
    """Records that the carrier refused the text. An opt-out that the carrier knows of is an opt-out here too."""
    await set_status(ctx, message, "failed", failure=refusal.reason)
    if refusal.opted_out:
        await record_opt_out(ctx, message.phone, message.lead_id)
        if await is_erased(ctx, message.id):
            await suppressions.erase_number(ctx, message.phone)


async def record_opt_out(ctx: Context, phone: str, lead_id: str | None = None) -> bool:
    """Records an opt-out and cancels the texts that are queued for the number. Returns False if there was an opt-out already."""
    is_new = await suppressions.opt_out(ctx, phone, lead_id)
    for message in await ctx.db.all(store.queued_texts(ctx.organization_id, phone)):
        await set_status(ctx, message, "cancelled", failure="opted_out")
    return is_new
