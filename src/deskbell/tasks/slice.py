"""Tasks: what the team has to do, optionally about a lead."""

from deskbell.core.context import Context
from deskbell.core.slice import Export, Slice
from deskbell.tasks import store
from deskbell.tasks.model import Task
from deskbell.tasks.operations import OPERATIONS, erase_lead


async def export_page(ctx: Context, after: str, limit: int) -> list[Task]:
    return await ctx.db.all(store.tasks_after(ctx.organization_id, after, limit), long=True)


async def merge(ctx: Context, into: str, lead_id: str) -> None:
    await ctx.db.run(store.move_tasks(ctx.organization_id, lead_id, into))


TASKS = Slice(
    "tasks",
    OPERATIONS,
    personal=[store.tasks],
    erase=erase_lead,
    merge=merge,
    exports=[Export("tasks", Task, export_page)],
)
