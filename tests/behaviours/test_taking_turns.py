"""Whoever uploads thousands of files keeps nobody waiting: organizations take turns, and so do the knowledge bases of one."""

from __future__ import annotations

from deskbell.core.context import operator_context
from deskbell.foundation.db import Session
from deskbell.foundation.ids import PublicId, new_id
from deskbell.knowledge.documents import put_document
from deskbell.knowledge.model import DocumentDraft
from deskbell.knowledge.uploads import store_part
from tests.desk import Api, eventually
from tests.library import Library, library

MANY = 40


def queue(*documents: tuple[Library, int]) -> None:
    """Puts so many documents into each knowledge base in one moment, before any of them is begun."""

    async def unit(session: Session) -> None:
        for shelf, count in documents:
            ctx = await operator_context(session, shelf.api.organization_id)
            for number in range(count):
                draft = DocumentDraft("file", f"{number}.md", upload_id=new_id())
                text = f"# Sheet {number}\n\nA roof costs {number} dollars."
                await store_part(ctx, draft.upload_id or "", 0, text.encode())
                await put_document(ctx, PublicId(shelf.id), draft)

    documents[0][0].api.server.do(unit)


def moments(shelf: Library, count: int) -> list[str]:
    """When each document became ready, once all are."""
    eventually(lambda: shelf.api.get(f"/knowledge-bases/{shelf.id}").json()["readyCount"] == count, 60)
    listed = shelf.api.get(f"/knowledge-bases/{shelf.id}/documents?limit=100").json()["documents"]
    return sorted(each["updatedAt"] for each in listed)


def test_one_file_does_not_wait_for_another_businesss_forty(alice: Api, charlie: Api) -> None:
    agency, roofer = library(alice), library(charlie)
    queue((agency, MANY), (roofer, 1))
    assert moments(roofer, 1)[0] < moments(agency, MANY)[MANY // 2]


def test_one_file_does_not_wait_for_forty_of_another_knowledge_base(alice: Api) -> None:
    customers, own = library(alice, "Customers"), library(alice, "Own")
    queue((customers, MANY), (own, 1))
    assert moments(own, 1)[0] < moments(customers, MANY)[MANY // 2]
