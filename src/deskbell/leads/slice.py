"""Leads: the people and companies that may become customers."""

from deskbell.core.context import Context
from deskbell.core.slice import Export, Slice
from deskbell.leads import store
from deskbell.leads.model import Lead
from deskbell.leads.operations import OPERATIONS, erase_lead, numbers_of_lead


async def export_page(ctx: Context, after: str, limit: int) -> list[Lead]:
    return await ctx.db.all(store.leads_after(ctx.organization_id, after, limit), long=True)


LEADS = Slice(
    "leads",
    OPERATIONS,
    personal=[store.leads],
    numbers=numbers_of_lead,
    erase=erase_lead,
    exports=[Export("leads", Lead, export_page)],
)
