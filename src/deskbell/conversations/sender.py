"""The jobs that hand texts to the carrier. Nobody else holds one.

A text is never sent twice. A crash between the carrier's acceptance and our record leaves the message `sending`; the next
attempt asks the carrier by our own reference, and where the carrier cannot tell, the message ends as `unknown`.
"""

from __future__ import annotations

import asyncio
import logging

from deskbell.conversations.carriers.base import Accepted, Carrier, OutboundText, OutcomeUnknown, Refused, Unavailable
from deskbell.conversations.model import OutgoingText
from deskbell.conversations.sending import (
    Report,
    SendJob,
    is_erased,
    mark_sending,
    record_receipt,
    record_refusal,
    record_report,
    set_status,
)
from deskbell.core import principal
from deskbell.core.jobs import JobContext
from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.jobs import Retry

log = logging.getLogger(__name__)

ATTEMPTS = 6  # with the backoff of jobs, half a minute of trying a carrier that is down
PATIENCE = 30.0  # seconds for one call of a carrier; well below a job's lease


class Sender:
    """The jobs that carry texts. Holds the carrier; nothing else does."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier

    async def send(self, ctx: JobContext, job: SendJob) -> None:
        """One attempt to hand a text over. Its outcome and the end of the job are one transaction."""
        message_id = job.message_id
        message = await ctx.write(lambda unit: mark_sending(unit, message_id))
        if message is None:
            if await ctx.write(lambda unit: is_erased(unit, message_id)):
                await self.carrier.erase(ctx.organization_id, message_id)
            return
        text = OutboundText(message.organization_id, message.id, message.phone, message.body)
        try:
            receipt = await self.ask(message, text)
        except Unavailable as down:
            await self.requeue(ctx, message, "carrier_down", str(down))
            return
        except Refused as refused:
            refusal = refused  # the lambda outlives the except clause's own name
            await ctx.complete(lambda unit: record_refusal(unit, message, refusal))
            return
        except OutcomeUnknown:
            if message.status == "sending" and ctx.attempts >= ATTEMPTS:
                await ctx.complete(lambda unit: set_status(unit, message, "unknown", failure="no_answer"))
                return
            raise Retry("the carrier has not answered") from None
        if receipt is None:
            await self.requeue(ctx, message, "never_taken", "the carrier never had it")
            return
        await ctx.complete(lambda unit: record_receipt(unit, message, receipt))

    async def ask(self, message: OutgoingText, text: OutboundText) -> Accepted | None:
        """Hands a text over, or looks up one that the carrier may have. Only the carrier's clear word about handing over counts:
        any other failure, and every one of a look-up, is OutcomeUnknown.
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

    async def requeue(self, ctx: JobContext, message: OutgoingText, failure: str, reason: str) -> None:
        """Back into the queue for another attempt, through the gate again; or failed, after the last one."""
        if ctx.attempts >= ATTEMPTS:
            await ctx.complete(lambda unit: set_status(unit, message, "failed", failure=failure))
            return
        await ctx.write(lambda unit: set_status(unit, message, "queued"))
        raise Retry(reason)

    async def report(self, ctx: JobContext, job: Report) -> None:
        """The simulator's report, by the path that every carrier's report takes."""
        await ctx.complete(
            lambda unit: record_report(unit.acting(principal.carrier(unit.principal.tenant, "simulator"), "sms"), job)
        )
