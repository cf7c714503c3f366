"""Incoming texts: their lead, and the effect of STOP, START and HELP."""

from __future__ import annotations

from deskbell.compliance import suppressions
from deskbell.compliance.keywords import keyword
from deskbell.conversations.model import Message
from deskbell.conversations.sending import add_message, queue_text, record_opt_out
from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.core.principal import customer
from deskbell.foundation.contact import e164
from deskbell.foundation.ids import new_id
from deskbell.leads.model import NewLead
from deskbell.leads.operations import add_lead, find_lead_by_phone
from deskbell.organizations.operations import get_organization


async def receive_text(ctx: Context, sender: str, body: str) -> Message:
    """Stores an incoming text, creates a lead for an unknown number, and applies STOP, START and HELP.

    The customer is the principal and `sms` the channel, whatever those of `ctx` are.
    """
    phone = e164(sender, ctx.country, "from")
    ctx = ctx.acting(customer(ctx.principal.tenant, None), "sms")
    lead = await find_lead_by_phone(ctx, phone) or await add_lead(
        ctx, NewLead(first_name=phone, phone=phone, source="other")
    )
    ctx = ctx.acting(customer(ctx.principal.tenant, lead.id, lead.first_name))
    row = {
        "id": new_id(),
        "lead_id": lead.id,
        "direction": "inbound",
        "body": body,
        "status": "received",
        "phone": phone,
        "exempt": False,
    }
    message = await add_message(ctx, {**row, "sent_at": ctx.now})
    await record(ctx, "message.received", message.id, lead_id=lead.id, after=message)
    match keyword(body):
        case "stop":
            if await record_opt_out(ctx, phone, lead.id):
                await queue_text(ctx, lead.id, phone, await stop_confirmation(ctx), compliance_reply=True)
        case "start":
            await suppressions.opt_in(ctx, phone, lead.id)
        case "help":
            await queue_text(ctx, lead.id, phone, await help_answer(ctx), compliance_reply=True)
        case None:
            pass
    return message


async def stop_confirmation(ctx: Context) -> str:
    organization = await get_organization(ctx)
    return (
        f"{organization.name}: you are unsubscribed and will get no more texts from us. Reply START to subscribe again."
    )


async def help_answer(ctx: Context) -> str:
    organization = await get_organization(ctx)
    contact = organization.primary_phone or organization.primary_email or "us"
    return f"{organization.name}: for help, contact {contact}. Reply STOP to get no more texts."
