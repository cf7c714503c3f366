"""The table of contents: every slice, and the application built from them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

from deskbell import settings
from deskbell.agents.slice import AGENTS
from deskbell.appointments.slice import APPOINTMENTS
from deskbell.compliance.slice import COMPLIANCE
from deskbell.conversations.slice import CONVERSATIONS
from deskbell.core.api import AGENT, CRM, Api
from deskbell.core.operation import Operation
from deskbell.core.slice import Slice
from deskbell.credits.slice import CREDITS
from deskbell.events.slice import EVENTS
from deskbell.identity.slice import IDENTITY
from deskbell.knowledge.slice import KNOWLEDGE
from deskbell.leads.slice import LEADS
from deskbell.organizations.slice import ORGANIZATIONS
from deskbell.privacy.slice import PRIVACY
from deskbell.surfaces.mcp.slice import MCP
from deskbell.surfaces.process import Process
from deskbell.tasks.slice import TASKS

log = logging.getLogger(__name__)

#: Every slice, in the order of the reference. A slice may use the services of those before it.
SLICES: list[Slice] = [
    ORGANIZATIONS,
    IDENTITY,
    LEADS,
    APPOINTMENTS,
    TASKS,
    COMPLIANCE,
    CONVERSATIONS,
    EVENTS,
    PRIVACY,
    CREDITS,
    KNOWLEDGE,
    AGENTS,
    MCP,
]
EVERY_OPERATION = [operation for each in SLICES for operation in each.operations]
OPERATIONS: list[Operation] = [each for each in EVERY_OPERATION if each.api is CRM]
AGENT_OPERATIONS: list[Operation] = [each for each in EVERY_OPERATION if each.api is AGENT]

#: Every kind of job that this version has a handler for.
JOB_KINDS = frozenset(kind for each in SLICES for jobs in each.jobs for kind in jobs.kinds) | {
    job.name for each in SLICES for job in each.recurring
}


class Deskbell(Process):
    """The whole of Deskbell in one process."""

    slices = SLICES

    def operations(self, api: Api) -> list[Operation]:
        return OPERATIONS if api.name == CRM.name else AGENT_OPERATIONS


class WorkerProcess(Deskbell):
    """The application in one of several worker processes. It stops when its supervising process has ended, for any reason."""

    async def start(self) -> None:
        await super().start()
        self.background.append(asyncio.create_task(self.watch_parent(os.getppid())))

    async def watch_parent(self, parent: int) -> None:
        while os.getppid() == parent:  # noqa: ASYNC110  a child is not notified when its parent ends
            await asyncio.sleep(1)
        log.warning("the supervising process has ended; this worker stops too")
        signal.raise_signal(signal.SIGTERM)


def create() -> Deskbell:
    """The application of a worker process, which loads its settings from the environment."""
    return WorkerProcess(settings.load())
