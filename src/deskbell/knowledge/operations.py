"""What can be done with knowledge bases, documents and searches."""

from __future__ import annotations

from deskbell.core.context import ExternalContext
from deskbell.core.operation import Operation
from deskbell.core.scopes import MANAGE, USE
from deskbell.credits import metering
from deskbell.knowledge import rules
from deskbell.knowledge.bases import create_base, delete_base, get_base, list_bases
from deskbell.knowledge.documents import delete_document, get_document, list_documents, reindex_document
from deskbell.knowledge.model import NewDocument
from deskbell.knowledge.retrieval.model import SearchAnswer, SearchQuery
from deskbell.knowledge.retrieval.results import result_of
from deskbell.knowledge.retrieval.search import next_questions, search_one
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.knowledge.uploads import add_document


async def search(external: ExternalContext, query: SearchQuery) -> SearchAnswer:
    """Search a knowledge base by meaning and by keywords. Scores go from 0 to 1; the best results come first, whatever their score.

    `explain` adds to each result how it was ranked, and why a chat would leave it out.
    """
    await metering.require_credit(external)
    service = external.service(SearchService)
    passages = await search_one(service, external.organization_id, query.kb_id, query.query, query.top_k)
    if passages is None:
        raise rules.no_base()
    metering.count(external, "search")
    results = [result_of(position, each, with_ranks=query.explain) for position, each in enumerate(passages)]
    return SearchAnswer(results, await next_questions(service, external.organization_id, query.query, passages))


OPERATIONS = [
    Operation(
        "kb.search", search, "POST /v1/kb/search", scope=USE, errors=("not_found", "payment_required"), status=200
    ),
    Operation("knowledge_bases.list", list_bases, "GET /v1/knowledge-bases", scope=MANAGE),
    Operation("knowledge_bases.create", create_base, "POST /v1/knowledge-bases", scope=MANAGE),
    Operation("knowledge_bases.get", get_base, "GET /v1/knowledge-bases/{id}", scope=MANAGE),
    Operation("knowledge_bases.delete", delete_base, "DELETE /v1/knowledge-bases/{id}", scope=MANAGE),
    Operation("documents.list", list_documents, "GET /v1/knowledge-bases/{id}/documents", scope=MANAGE),
    Operation(
        "documents.add",
        add_document,
        "POST /v1/knowledge-bases/{id}/documents",
        scope=MANAGE,
        errors=("payment_required",),
        status=202,
        upload=NewDocument,
    ),
    Operation("documents.get", get_document, "GET /v1/documents/{id}", scope=MANAGE),
    Operation("documents.delete", delete_document, "DELETE /v1/documents/{id}", scope=MANAGE),
    Operation("documents.reindex", reindex_document, "POST /v1/documents/{id}/reindex", scope=MANAGE, status=202),
]
