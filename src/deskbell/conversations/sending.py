"""The only way to a carrier: gate, row and job in one transaction; gate again when the text is marked `sending`; then the carrier.

A text is never sent twice. A crash between the carrier's acceptance and our record leaves the message `sending`; the next
attempt asks the carrier by our own reference, and where the carrier cannot tell, the message ends as `unknown`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from deskbell.compliance import suppressions
from deskbell.compliance.gate import gate
from deskbell.conversations import store
from deskbell.conversations.carriers.base import Accepted, Carrier, OutcomeUnknown, Refused, Text, Unavailable
from deskbell.conversations.model import Message, MessageStatus, Outgoing
from deskbell.core.context import Context, job_context
from deskbell.errors import Problem
from deskbell.foundation import jobs
from deskbell.foundation.db import DatabaseFailure, Session, insert, update
from deskbell.foundation.ids import new_id
from deskbell.foundation.jobs import Retry
from deskbell.foundation.worker import Work

log = logging.getLogger(__name__)

SEND = "texts.send"
ATTEMPTS = 6  # with the backoff of jobs, half a minute of trying a carrier that is down
PATIENCE = 30.0  # seconds for one call of a carrier; well below a job's lease

#: How far a message has come; a report never takes it back.
RANK = {
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


async def queue_text(ctx: Context, lead_id: str, phone: str, body: str, *, exempt: bool = False) -> Message:
    """Accepts a text: the gate, the message and its job. `exempt` only for the one confirmation of a STOP and the answer to HELP."""
    if not exempt:
        await gate(ctx, phone)
    row = {
        "id": new_id(),
        "lead_id": lead_id,
        "direction": "outbound",
        "body": body,
        "status": "queued",
        "phone": phone,
        "exempt": exempt,
    }
    message = await add_message(ctx, row)
    await jobs.enqueue(ctx.db, SEND, {"message_id": message.id}, organization_id=ctx.organization_id)
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


async def set_status(ctx: Context, message_id: str, status: MessageStatus, **more: Any) -> None:
    place = {"organization_id": ctx.organization_id, "id": message_id}
    await ctx.db.run(update(store.messages, place, {"status": status, "updated_at": ctx.now, **more}))


async def mark_sending(ctx: Context, message_id: str) -> Outgoing | None:
    """The gate's second time, in the transaction that marks the text. The message as it was found, or None if there is nothing to send."""
    message = await ctx.db.one(store.outgoing(ctx.organization_id, message_id))
    if message is None or message.status not in ("queued", "sending"):
        return None
    if message.status == "queued":
        try:
            if not message.exempt:
                await gate(ctx, message.phone)
        except Problem:
            await set_status(ctx, message_id, "cancelled", failure="compliance_blocked")
            return None
        await set_status(ctx, message_id, "sending")
    return message


async def is_erased(ctx: Context, message_id: str) -> bool:
    """Whether the message is gone, as it is when its person was erased."""
    return await ctx.db.one(store.outgoing(ctx.organization_id, message_id)) is None


async def record_report(ctx: Context, report: Report) -> None:
    """A carrier's later word on a text. Late and repeated reports change nothing."""
    message = await ctx.db.one(store.outgoing(ctx.organization_id, report.message_id))
    if message is None or RANK[report.status] <= RANK[message.status]:
        return
    more = {"sent_at": ctx.now} if message.status == "sending" else {}
    await set_status(ctx, message.id, report.status, carrier_id=report.carrier_id, **more)


async def record_receipt(ctx: Context, message: Outgoing, receipt: Accepted) -> None:
    """The carrier has the text. If its report was faster than this, the report stands."""
    present = await ctx.db.one(store.outgoing(ctx.organization_id, message.id))
    if present is None:
        raise Retry("its person was erased meanwhile: the carrier must forget it")
    if present.status == "sending":
        await set_status(ctx, message.id, "sent", carrier_id=receipt.carrier_id, sent_at=ctx.now)


async def record_refusal(ctx: Context, message: Outgoing, refusal: Refused) -> None:
    """The carrier will not take the text. If the person has told the carrier STOP, so have they told us."""
    await set_status(ctx, message.id, "failed", failure=refusal.reason)
    if refusal.opted_out:
        await record_opt_out(ctx, message.phone)
        if await is_erased(ctx, message.id):
            await suppressions.erase_number(ctx, message.phone)


async def record_opt_out(ctx: Context, phone: str) -> bool:
    """Honours an opt-out: records it and cancels what is queued for the number. Answers whether it is news."""
    news = await suppressions.opt_out(ctx, phone)
    await ctx.db.run(store.cancel_queued(ctx.organization_id, phone, ctx.now))
    return news


def within(
    work: Work, act: Callable[[Context], Coroutine[Any, Any, Any]]
) -> Callable[[Session], Coroutine[Any, Any, Any]]:
    """An act in the job's own organization, as a transaction."""

    async def unit(session: Session) -> Any:
        return await act(await job_context(session, work.job.organization_id or "", work.job.kind))

    return unit


class Sender:
    """The jobs that carry texts. Holds the carrier; nothing else does."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier

    async def send(self, work: Work) -> None:
        """One attempt to hand a text over. Its outcome and the end of the job are one transaction."""
        message_id = work.payload(SendJob).message_id
        message = await work.write(within(work, lambda ctx: mark_sending(ctx, message_id)))
        if message is None:
            if await work.write(within(work, lambda ctx: is_erased(ctx, message_id))):
                await self.carrier.forget(work.job.organization_id or "", message_id)
            return
        text = Text(message.organization_id, message.id, message.phone, message.body)
        try:
            receipt = await self.ask(message, text)
        except Unavailable as down:
            await self.requeue(work, message, "carrier_down", str(down))
            return
        except Refused as refused:
            refusal = refused  # the lambda outlives the except clause's own name
            await work.complete(within(work, lambda ctx: record_refusal(ctx, message, refusal)))
            return
        except OutcomeUnknown:
            if message.status == "sending" and work.job.attempts >= ATTEMPTS:
                await work.complete(
                    within(work, lambda ctx: set_status(ctx, message.id, "unknown", failure="no_answer"))
                )
                return
            raise Retry("the carrier has not answered") from None
        if receipt is None:
            await self.requeue(work, message, "never_taken", "the carrier never had it")
            return
        await work.complete(within(work, lambda ctx: record_receipt(ctx, message, receipt)))

    async def ask(self, message: Outgoing, text: Text) -> Accepted | None:
        """Hands a text over, or looks up one that the carrier may have. Only the carrier's clear word about handing over counts:
        any other failure, and every one of a look-up, is Unsure.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await (self.carrier.find(text) if message.status == "sending" else self.carrier.send(text))
        except (OutcomeUnknown, DatabaseFailure):
            raise
        except Exception as failure:
            clear = isinstance(failure, Unavailable | Refused)
            if clear and message.status == "queued":
                raise
            log.warning("text %s: %s", message.id, failure or type(failure).__name__, exc_info=not clear)
            raise OutcomeUnknown from failure

    async def requeue(self, work: Work, message: Outgoing, failure: str, reason: str) -> None:
        """Back into the queue for another attempt, through the gate again; or failed, after the last one."""
        if work.job.attempts >= ATTEMPTS:
            await work.complete(within(work, lambda ctx: set_status(ctx, message.id, "failed", failure=failure)))
            return
        await work.write(within(work, lambda ctx: set_status(ctx, message.id, "queued")))
        raise Retry(reason)

    async def report(self, work: Work) -> None:
        """The simulator's report, by the path that every carrier's report takes."""
        report = work.payload(Report)
        await work.complete(within(work, lambda ctx: record_report(ctx, report)))
