"""The table of contents: settings, database, the slices' operations, the surfaces."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from typing import Any

from deskbell import settings
from deskbell.agents import chat
from deskbell.agents import operations as agents
from deskbell.agents.change_summaries import Summarizer
from deskbell.agents.chat import ChatService
from deskbell.agents.conversations import operations as agent_conversations
from deskbell.agents.jobs import QUEUE as AGENTS
from deskbell.agents.jobs import SUMMARIZE
from deskbell.agents.models.catalogue import Models
from deskbell.agents.models.extractive import Extractive
from deskbell.agents.models.settings import Endpoint, prices
from deskbell.appointments import operations as appointments
from deskbell.conversations import operations as conversations
from deskbell.conversations import sender, sending
from deskbell.conversations.carriers import simulator
from deskbell.core import idempotency
from deskbell.core.api import AGENT, CRM
from deskbell.core.jobs import handled
from deskbell.core.operation import Operation
from deskbell.core.tools.tool import tools_of
from deskbell.credits import operations as credits
from deskbell.credits import reservations
from deskbell.credits.metering import Meter
from deskbell.foundation import clock, databases, jobs, schedule
from deskbell.foundation.db import Database, DatabaseFailure, Session
from deskbell.foundation.fair_worker import FairWorker
from deskbell.foundation.schedule import Recurring
from deskbell.foundation.worker import Work, Worker
from deskbell.identity.authentication import ApiKeyAuthenticator, ApplicationAuthenticator
from deskbell.knowledge import embedders
from deskbell.knowledge import jobs as knowledge_jobs
from deskbell.knowledge import operations as knowledge
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.index.disk.build_job import IndexBuilder
from deskbell.knowledge.index.disk.build_job import catch_up as queue_index_builds
from deskbell.knowledge.ingestion.catch_up import catch_up
from deskbell.knowledge.ingestion.handlers import handlers_of
from deskbell.knowledge.ingestion.sources import SourceReader
from deskbell.knowledge.jobs import BUILD_QUEUE, CALIBRATE, QUEUE
from deskbell.knowledge.retrieval.calibration_job import Calibrator
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.knowledge.uploads import Uploads, delete_abandoned
from deskbell.leads import operations as leads
from deskbell.organizations import operations as organizations
from deskbell.settings import Settings
from deskbell.surfaces.docs import site
from deskbell.surfaces.http.dispatcher import Dispatcher, Receive, Scope, Send
from deskbell.surfaces.mcp.catalog import Catalog
from deskbell.surfaces.mcp.http import McpEndpoint
from deskbell.surfaces.mcp.session_clock import SessionClock
from deskbell.surfaces.mcp.sessions import McpSessions
from deskbell.surfaces.ops.access_log import AccessLog
from deskbell.tasks import operations as tasks

log = logging.getLogger(__name__)

OPERATIONS = [
    *organizations.OPERATIONS,
    *leads.OPERATIONS,
    *appointments.OPERATIONS,
    *tasks.OPERATIONS,
    *conversations.OPERATIONS,
]

#: The agent API, `/v1`.
AGENT_OPERATIONS: list[Operation] = [
    *agents.OPERATIONS,
    *chat.OPERATIONS,
    *agent_conversations.OPERATIONS,
    *knowledge.OPERATIONS,
    *credits.OPERATIONS,
]

HOUR = 3600  # seconds
INDEXING_DRAIN = 1.0  # seconds that indexing and models have at the end: what is not stored then is done again
INDEXED_AT_ONCE = 3  # documents
INDEXED_OF_EACH = 2  # of one organization: one is read while another is embedded, and there is room for somebody else's
BUILT_AT_ONCE = 1  # indexes of knowledge bases
SUMMARIZED_AT_ONCE = 2  # versions of agents
MIB = 1024 * 1024
NOTED = 30.0  # seconds between writes of when keys were last used
METERED = 1.0  # seconds between writes of what searches took
READING = 1.0  # seconds that the access log's reader has at the end


class Deskbell:
    """The ASGI application of one process. Lifespan starts and stops it."""

    mcp_clock = SessionClock()

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.access_log = AccessLog(sys.stdout.fileno() if settings.access_log else None)
        self.background: list[asyncio.Task[Any]] = []
        self.common: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if CRM.has(path):
            await self.crm(scope, receive, send)
        elif AGENT.has(path):
            await self.agent(scope, receive, send)
        elif path.startswith("/mcp/") or path == "/mcp":
            await self.mcp(scope, receive, send)
        else:
            await self.pages(scope, receive, send)

    async def lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Opens the database and puts the parts together."""
        gc.freeze()  # what is loaded by now stays; looking at it over and over costs some percent of every request
        gc.set_threshold(10_000, 20, 50)
        self.database = databases.open_database(self.settings.database)
        await self.database.start()
        embedder = embedder_of(self.settings)
        self.common = {"limits": self.database.limits, "database": self.database, "access_log": self.access_log}
        self.crm = self.crm_api()
        self.agent = self.agent_api(embedder)
        self.mcp = self.mcp_endpoint()
        self.pages = site.build(OPERATIONS, AGENT_OPERATIONS, self.database, self.access_log, self.settings)
        texts = sender.Sender(simulator.Simulator(self.database))
        text_handlers = {sending.SEND: handled(texts.send), simulator.REPORT: handled(texts.report)}
        self.worker = Worker(self.database, text_handlers | schedule.handlers(RECURRING))
        self.indexing = indexing_of(self.settings, self.database, embedder, self.knowledge)
        handlers = {SUMMARIZE: Summarizer(self.models).summarize}
        self.summing = Worker(self.database, handlers, queue=AGENTS, at_once=SUMMARIZED_AT_ONCE)
        self.index_builds = index_builds_of(self.settings, self.database)
        for worker in (self.worker, self.indexing, self.summing, self.index_builds):
            self.database.on_change("jobs", worker.wake)
        try:
            await self.database.write(self.opening)
            await self.mcp.announce_tools()
            await catch_up(self.database, embedder)
            await queue_index_builds(self.database, self.settings.large_base_chunks)
        except DatabaseFailure as failure:
            if self.database.single_process:
                raise
            log.warning("this worker starts without the database: %s", failure)
        chores = (
            self.worker.run,
            self.indexing.run,
            self.summing.run,
            self.index_builds.run,
            self.note_use,
            self.note_usage,
            self.mcp_sessions.run,
            self.mcp.streams.run,
        )
        self.background = [asyncio.create_task(task()) for task in chores]
        self.access_log.start()

    def crm_api(self) -> Dispatcher:
        """`/api/v1` and its keys, which MCP takes too."""
        self.keys = ApiKeyAuthenticator(self.database)
        for table in ("api_keys", "people"):
            self.database.on_change(table, self.keys.forget)
        return Dispatcher(CRM, OPERATIONS, authenticator=self.keys, **self.common)

    def agent_api(self, embedder: Embedder | None) -> Dispatcher:
        """`/v1`, the keys of applications, and what its handlers ask for by type: searches, models, uploads, the meter."""
        per_minute = self.settings.agent_requests_per_minute
        full_access = frozenset(name.strip() for name in self.settings.full_access_types.split(","))
        self.application_keys = ApplicationAuthenticator(self.database, per_minute, full_access)
        for table in ("application_keys", "application_origins"):
            self.database.on_change(table, self.application_keys.forget)
        self.knowledge = knowledge_of(self.settings, self.database, embedder)
        self.meter = Meter(self.database)
        self.models = Models(endpoint(self.settings), Extractive(embedder))
        self.models.preload()
        services: dict[type, Any] = {
            Meter: self.meter,
            SearchService: self.knowledge,
            ChatService: ChatService(
                self.models, self.knowledge, self.settings.history_tokens, follow_ups=self.settings.llm_follow_ups
            ),
            Uploads: Uploads(self.settings.upload_mib * MIB),
        }
        keys = self.application_keys
        api = AGENT._replace(reads_per_minute=per_minute, writes_per_minute=per_minute)
        return Dispatcher(api, AGENT_OPERATIONS, authenticator=keys, services=services, **self.common)

    def mcp_endpoint(self) -> McpEndpoint:
        """`/mcp` and its sessions."""
        self.mcp_sessions = McpSessions(
            self.database,
            most=self.settings.mcp_sessions,
            most_per_key=self.settings.mcp_sessions_per_key,
            idle=self.settings.mcp_idle_seconds,
            clock=self.mcp_clock,
        )
        origins = {part.strip().rstrip("/").lower() for part in self.settings.mcp_allowed_origins.split(",")} - {""}
        return McpEndpoint(
            self.mcp_catalogs(),
            authenticator=self.keys,
            sessions=self.mcp_sessions,
            origins=frozenset(origins),
            **self.common,
        )

    def mcp_catalogs(self) -> dict[str, Catalog]:
        """What MCP serves, by path. Tests serve other tools."""
        tools = tools_of(OPERATIONS)
        reading = {name: tool for name, tool in tools.items() if tool.operation.is_read}
        return {"/mcp": Catalog(tools), "/mcp/readonly": Catalog(reading)}

    async def stop(self) -> None:
        """Lets what is under way finish, then closes the database."""
        patience = self.settings.drain_seconds / 2
        early = (
            worker.stop(min(patience, INDEXING_DRAIN)) for worker in (self.indexing, self.summing, self.index_builds)
        )
        await asyncio.gather(self.worker.stop(patience), *early)
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        for keys in (self.keys, self.application_keys):
            with contextlib.suppress(DatabaseFailure):
                await keys.note_use()
        for rest in (self.mcp_sessions.write_use, self.meter.write):
            with contextlib.suppress(DatabaseFailure):
                await rest()
        await self.models.close()
        await self.database.stop()
        self.access_log.stop(READING)

    async def note_use(self) -> None:
        """Writes now and then when keys were last used."""
        while True:
            await asyncio.sleep(NOTED)
            for keys in (self.keys, self.application_keys):
                try:
                    await keys.note_use()
                except DatabaseFailure as failure:
                    log.warning("last use of keys not noted: %s", failure)

    async def note_usage(self) -> None:
        """Writes every second what searches took, while there are any. A write that has begun ends by itself, lest it be counted twice."""
        while True:
            await self.meter.counted.wait()
            await asyncio.sleep(METERED)
            try:
                await asyncio.shield(self.meter.write())
            except DatabaseFailure as failure:
                log.warning("usage not noted: %s", failure)

    async def opening(self, session: Session) -> None:
        """Where no other process serves the same data, claims and reservations of one that died are free. Recurring jobs are scheduled."""
        if self.database.single_process:
            await jobs.release(session)
            await reservations.release(session)
        await schedule.ensure(session, RECURRING)
        await credits.set_metering(session, self.settings.metering)


def endpoint(settings: Settings) -> Endpoint:
    """Where language models are asked."""
    return Endpoint(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key,
        default_model=settings.llm_model,
        fallback_model=settings.llm_fallback_model,
        first_byte_seconds=settings.llm_first_byte_seconds,
        idle_seconds=settings.llm_idle_seconds,
        retries=settings.llm_retries,
        prices=prices(settings.llm_prices),
        openrouter_providers=settings.llm_openrouter_providers.replace(",", " ").split(),
    )


def embedder_of(settings: Settings) -> Embedder | None:
    """What embeds documents; None for keyword search only."""
    endpoint = (settings.embedder_base_url, settings.embedder_api_key, settings.embedder_model)
    price = prices(settings.llm_prices).get(settings.embedder_model)
    return embedders.configured(
        settings.embedder, *endpoint, settings.embedder_dimensions, price.into if price else 0.0
    )


def knowledge_of(settings: Settings, database: Database, embedder: Embedder | None) -> SearchService:
    """What all searches of this process share."""
    return SearchService(database, embedder, settings.index_mib * MIB, settings.large_base_chunks)


def indexing_of(settings: Settings, database: Database, embedder: Embedder | None, knowledge: SearchService) -> Worker:
    """The worker that makes documents searchable, in a server or in a command without one."""
    reader = SourceReader(settings.upload_mib * MIB, settings.feed_hours)
    handlers = handlers_of(database, reader, embedder) | {CALIBRATE: Calibrator(knowledge).calibrate}
    return FairWorker(database, handlers, queue=QUEUE, at_once=INDEXED_AT_ONCE, each=INDEXED_OF_EACH)


def index_builds_of(settings: Settings, database: Database) -> Worker:
    """The worker that stores the indexes of large knowledge bases; without work where the database cannot store them."""
    graphs = database.graphs
    handlers = IndexBuilder(database, graphs, settings.large_base_chunks).handlers if graphs is not None else {}
    return Worker(database, handlers, queue=BUILD_QUEUE, at_once=BUILT_AT_ONCE)


async def purge_answers(work: Work) -> None:
    """Deletes expired idempotency records."""
    await work.complete(idempotency.purge)


async def purge_old_uploads(work: Work) -> None:
    """Deletes uploads that nothing came of within an hour."""
    await work.complete(lambda session: delete_abandoned(session, clock.seconds_from_now(-HOUR)))


RECURRING = [
    Recurring("answers.purge", HOUR, purge_answers),
    Recurring("uploads.purge", HOUR, purge_old_uploads),
]


#: Every kind of job that this version can do. A command asks here, as it has no workers.
JOB_KINDS = frozenset(
    {sending.SEND, simulator.REPORT, SUMMARIZE} | knowledge_jobs.KINDS | {each.name for each in RECURRING}
)


class Worked(Deskbell):
    """The application of a worker process: it ends when the parent that supervises it is gone, however that came."""

    async def start(self) -> None:
        await super().start()
        self.background.append(asyncio.create_task(self.follow_parent(os.getppid())))

    async def follow_parent(self, parent: int) -> None:
        while os.getppid() == parent:  # noqa: ASYNC110  nobody tells a child that its parent is gone
            await asyncio.sleep(1)
        log.warning("the supervising process is gone; this worker stops too")
        signal.raise_signal(signal.SIGTERM)


def create() -> Deskbell:
    """The application of a worker process, which finds its settings in the environment."""
    return Worked(settings.load())
