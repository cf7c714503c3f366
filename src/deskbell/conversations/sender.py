"""The jobs that hand texts to the carrier. No other code has access to a carrier.

A text is never sent twice. A crash between the carrier's acceptance and our record leaves the message `sending`; the next
attempt asks the carrier by our own reference, and if the carrier does not know, the message ends as `unknown`.
"""

from __future__ import annotations

import asyncio
import logging

from deskbell.conversations.carriers.base import Accepted, Carrier, OutboundText, OutcomeUnknown, Refused, Unavailable
from deskbell.conversations.model import OutboundMessage
from deskbell.conversations.sending import (
    DeliveryReport,
    SendJob,
    is_erased,
    mark_sending,
    record_acceptance,
    record_refusal,
    record_report,
    set_status,
)
from deskbell.core import principal
from deskbell.core.jobs import JobContext
from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.jobs import Retry

log = logging.getLogger(__name__)

ATTEMPTS = 6  # with the backoff of jobs, half a minute
CARRIER_TIMEOUT = 30.0  # seconds for one call; well below a job's lease


class Sender:
    """Job handlers that use the carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier

    async def send(self, ctx: JobContext, job: SendJob) -> None:
        """One attempt to hand over a text. Its outcome is stored in the transaction that completes the job."""
        message_id = job.message_id
        message = await ctx.write(lambda tx: mark_sending(tx, message_id))
        if message is None:
            if await ctx.write(lambda tx: is_erased(tx, message_id)):
                await self.carrier.erase(ctx.organization_id, message_id)
            return
        text = OutboundText(message.organization_id, message.id, message.phone, message.body)
        try:
            accepted = await self.call_carrier(message, text)
        except Unavailable as down:
            await self.requeue(ctx, message, "carrier_down", str(down))
            return
        except Refused as refused:
            refusal = refused  # the lambda outlives the except clause's own name
            await ctx.complete(lambda tx: record_refusal(tx, message, refusal))
            return
        except OutcomeUnknown:
            if message.status == "sending" and ctx.attempts >= ATTEMPTS:
                await ctx.complete(lambda tx: set_status(tx, message, "unknown", failure="no_answer"))
                return
            raise Retry("the carrier has not answered") from None
        if accepted is None:
            await self.requeue(ctx, message, "never_taken", "the carrier never received it")
            return
        await ctx.complete(lambda tx: record_acceptance(tx, message, accepted))

    async def call_carrier(self, message: OutboundMessage, text: OutboundText) -> Accepted | None:
        """Hands over a text, or looks up one that the carrier may have. Unavailable and Refused count only when handing over:
        any other failure, and every failure of a look-up, is OutcomeUnknown.
        """
        try:
            async with asyncio.timeout(CARRIER_TIMEOUT):
                return await (self.carrier.find(text) if message.status == "sending" else self.carrier.send(text))
        except (OutcomeUnknown, DatabaseFailure):
            raise
        except Exception as failure:
            definite = isinstance(failure, Unavailable | Refused)
            if definite and message.status == "queued":
                raise
            log.warning("text %s: %s", message.id, failure or type(failure).__name__, exc_info=not definite)
            raise OutcomeUnknown from failure

    async def requeue(self, ctx: JobContext, message: OutboundMessage, failure: str, reason: str) -> None:
        """Queues the text for another attempt, which passes the gate again. After the last attempt it is failed."""
        if ctx.attempts >= ATTEMPTS:
            await ctx.complete(lambda tx: set_status(tx, message, "failed", failure=failure))
            return
        await ctx.write(lambda tx: set_status(tx, message, "queued"))
        raise Retry(reason)

    async def report(self, ctx: JobContext, job: DeliveryReport) -> None:
        """Records the simulator's delivery report, as those of every carrier."""
        await ctx.complete(
            lambda tx: record_report(tx.acting(principal.carrier(tx.principal.tenant, "simulator"), "sms"), job)
        )
