"""Knowledge bases: documents, their chunks, and search."""

from collections.abc import Mapping
from typing import Any

from deskbell.core.jobs import JobHandler
from deskbell.core.slice import Jobs, Queue, Setup, Slice
from deskbell.credits.prices import prices
from deskbell.foundation import clock
from deskbell.foundation.db import Database
from deskbell.foundation.schedule import Recurring
from deskbell.foundation.worker import Work
from deskbell.knowledge import embedders, store
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.index import store as index_store
from deskbell.knowledge.index.disk import store as disk
from deskbell.knowledge.index.disk.build_job import IndexBuilder
from deskbell.knowledge.index.disk.build_job import catch_up as build_missing
from deskbell.knowledge.ingestion.catch_up import catch_up
from deskbell.knowledge.ingestion.handlers import handlers_of
from deskbell.knowledge.ingestion.sources import SourceReader
from deskbell.knowledge.jobs import BUILD_INDEX, BUILD_QUEUE, CALIBRATE, KINDS, QUEUE
from deskbell.knowledge.operations import OPERATIONS
from deskbell.knowledge.retrieval.calibration_job import Calibrator
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.knowledge.uploads import Uploads, delete_abandoned
from deskbell.settings import Settings

MIB = 1024 * 1024
HOUR = 3600  # seconds
# Two documents of one organization at once: one is read while another is embedded, and there is room for somebody else's.
INDEXING = Queue(QUEUE, at_once=3, each=2, drain=1.0)
DISK_INDEXES = Queue(BUILD_QUEUE, at_once=1, drain=1.0)


def embedder_of(settings: Settings) -> Embedder | None:
    """What embeds documents; None for keyword search only."""
    endpoint = (settings.embedder_base_url, settings.embedder_api_key, settings.embedder_model)
    price = prices(settings.llm_prices).get(settings.embedder_model)
    return embedders.configured(
        settings.embedder, *endpoint, settings.embedder_dimensions, price.into if price else 0.0
    )


def search_service(settings: Settings, database: Database, embedder: Embedder | None) -> SearchService:
    return SearchService(database, embedder, settings.index_mib * MIB, settings.large_base_chunks)


def services(setup: Setup) -> list[tuple[type, Any]]:
    embedder = embedder_of(setup.settings)
    return [
        (SearchService, search_service(setup.settings, setup.database, embedder)),
        (Uploads, Uploads(setup.settings.upload_mib * MIB)),
    ]


def indexing_handlers(setup: Setup) -> Mapping[str, JobHandler]:
    """The jobs that make documents searchable, in a server or in a command without one."""
    search, settings = setup.service(SearchService), setup.settings
    reader = SourceReader(settings.upload_mib * MIB, settings.feed_hours)
    return handlers_of(setup.database, reader, search.embedder) | {CALIBRATE: Calibrator(search).calibrate}


def disk_index_handlers(setup: Setup) -> Mapping[str, JobHandler]:
    """The jobs that store the indexes of large knowledge bases; none where the database cannot store them."""
    graphs = setup.database.graphs
    if graphs is None:
        return {}
    return IndexBuilder(setup.database, graphs, setup.settings.large_base_chunks).handlers


async def start(setup: Setup) -> None:
    """Queues what has to be done after a change of settings or of the program."""
    await catch_up(setup.database, setup.service(SearchService).embedder)
    await build_missing(setup.database, setup.settings.large_base_chunks)


async def purge_uploads(work: Work) -> None:
    """Deletes parts of uploads that have belonged to no document for an hour."""
    await work.complete(lambda session: delete_abandoned(session, clock.seconds_from_now(-HOUR)))


KNOWLEDGE = Slice(
    "knowledge",
    OPERATIONS,
    services=services,
    jobs=[
        Jobs(KINDS - {BUILD_INDEX}, indexing_handlers, INDEXING),
        Jobs((BUILD_INDEX,), disk_index_handlers, DISK_INDEXES),
    ],
    recurring=[Recurring("uploads.purge", HOUR, purge_uploads)],
    start=start,
    other=[
        store.knowledge_bases,
        store.documents,
        store.dropped_entries,
        store.upload_parts,
        index_store.chunks,
        index_store.chunk_vectors,
        disk.knowledge_segments,
        disk.knowledge_blocks,
        disk.knowledge_graphs,
    ],
)
