"""How a text is accepted, and what becomes of it: each step one transaction, with its event. `sender.py` hands texts to the carrier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from deskbell.compliance import suppressions
from deskbell.compliance.gate import check_text
from deskbell.conversations import store
from deskbell.conversations.carriers.base import Accepted, Refused
from deskbell.conversations.model import BlockedText, Message, MessageStatus, OutgoingText
from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.core.jobs import enqueue
from deskbell.foundation.db import insert, update
from deskbell.foundation.ids import new_id
from deskbell.foundation.jobs import Retry

SEND = "texts.send"

#: How far a message has come; a report never takes it back.
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


class Report(msgspec.Struct):
    """What a carrier tells of a text later on."""

    message_id: str
    carrier_id: str
    status: MessageStatus


async def queue_text(ctx: Context, lead_id: str, phone: str, body: str, *, compliance_reply: bool = False) -> Message:
    """Accepts a text: the gate, the message and its job. A `compliance_reply` is the confirmation of a STOP or the answer to HELP.

    Raises a Refusal where a rule forbids the text; that it was blocked is recorded all the same.
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
    """Stores a message and notes it as its thread's latest activity; the first one opens the thread."""
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
    whole = {"organization_id": ctx.organization_id, "type": "sms", "created_at": moment, "updated_at": moment, **row}
    await ctx.db.run(insert(store.messages, whole))
    message = await ctx.db.one(store.message_row(ctx.organization_id, row["id"]))
    assert message is not None
    return message


async def set_status(ctx: Context, message: OutgoingText, status: MessageStatus, **more: Any) -> None:
    """Stores a status and, but for the two that only the sender sees, its event."""
    place = {"organization_id": ctx.organization_id, "id": message.id}
    await ctx.db.run(update(store.messages, place, {"status": status, "updated_at": ctx.now, **more}))
    if status not in ("queued", "sending"):
        shown = await ctx.db.one(store.message_row(ctx.organization_id, message.id))
        if shown is not None:  # else its person was erased
            await record(ctx, f"message.{status}", message.id, lead_id=message.lead_id, after=shown)


async def mark_sending(ctx: Context, message_id: str) -> OutgoingText | None:
    """The gate's second time, in the transaction that marks the text. The message as it was found, or None if there is nothing to send."""
    message = await ctx.db.one(store.outgoing(ctx.organization_id, message_id))
    if message is None or message.status not in ("queued", "sending"):
        return None
    if message.status == "queued":
        if not message.compliance_reply and (await check_text(ctx, message.phone)).outcome == "block":
            await set_status(ctx, message, "cancelled", failure="compliance_blocked")
            return None
        await set_status(ctx, message, "sending")
    return message


async def is_erased(ctx: Context, message_id: str) -> bool:
    """Whether the message is gone, as it is when its person was erased."""
    return await ctx.db.one(store.outgoing(ctx.organization_id, message_id)) is None


async def record_report(ctx: Context, report: Report) -> None:
    """A carrier's later word on a text. Late and repeated reports change nothing."""
    message = await ctx.db.one(store.outgoing(ctx.organization_id, report.message_id))
    if message is None or STATUS_ORDER[report.status] <= STATUS_ORDER[message.status]:
        return
    more = {"sent_at": ctx.now} if message.status == "sending" else {}
    await set_status(ctx, message, report.status, carrier_id=report.carrier_id, **more)


async def record_receipt(ctx: Context, message: OutgoingText, receipt: Accepted) -> None:
    """The carrier has the text. If its report was faster than this, the report stands."""
    present = await ctx.db.one(store.outgoing(ctx.organization_id, message.id))
    if present is None:
        raise Retry("its person was erased meanwhile: the carrier must forget it")
    if present.status == "sending":
        await set_status(ctx, message, "sent", carrier_id=receipt.carrier_id, sent_at=ctx.now)


async def record_refusal(ctx: Context, message: OutgoingText, refusal: Refused) -> None:
    """The carrier will not take the text. If the person has told the carrier STOP, so have they told us."""
    await set_status(ctx, message, "failed", failure=refusal.reason)
    if refusal.opted_out:
        await record_opt_out(ctx, message.phone, message.lead_id)
        if await is_erased(ctx, message.id):
            await suppressions.erase_number(ctx, message.phone)


async def record_opt_out(ctx: Context, phone: str, lead_id: str | None = None) -> bool:
    """Honours an opt-out: records it and cancels what is queued for the number. Answers whether it is news."""
    news = await suppressions.opt_out(ctx, phone, lead_id)
    for message in await ctx.db.all(store.queued_texts(ctx.organization_id, phone)):
        await set_status(ctx, message, "cancelled", failure="opted_out")
    return news
