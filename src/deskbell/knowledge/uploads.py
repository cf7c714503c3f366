"""Uploads: a file arrives in parts and is stored in parts, so that neither memory nor a transaction ever holds all of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from deskbell.core.context import Context, ExternalContext, RequestBody
from deskbell.credits import metering
from deskbell.errors import Problem, invalid, too_large
from deskbell.foundation import json
from deskbell.foundation.db import Session, insert
from deskbell.foundation.ids import PublicId, new_id
from deskbell.foundation.json import MAX_BODY
from deskbell.knowledge import bases, documents, rules, store
from deskbell.knowledge.model import Document, DocumentDraft, NewDocument

PART = 1024 * 1024  # bytes of an upload that are stored in one transaction
FRAME = 64 * 1024  # bytes that a form may have besides its file
_read = json.decoder(NewDocument)


class Uploads:
    """The limits of this installation. `max_bytes` is the size of the largest file."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes


async def add_document(external: ExternalContext, id: PublicId) -> Document:
    """Add a document: a file as the field `file` of multipart/form-data, or JSON with `url`, with `feed_url`, or with `title` and `text`.

    It is indexed in the background; get it until its `status` is `ready` or `failed`. A document of the same file name, address or
    title is replaced: searches see the old content until the new one is ready.
    """
    body = external.body
    assert body is not None
    await metering.require_credit(external)
    media_type = body.media_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        draft = await draft_of_form(external, id, body)
    elif media_type in ("", "application/json"):
        draft = await draft_of_json(external, id, body)
    else:
        raise Problem("validation_error", "`Content-Type` must be multipart/form-data or application/json", status=415)
    return await external.write(lambda ctx: documents.put_document(ctx, id, draft))


async def draft_of_json(external: ExternalContext, base_id: str, body: RequestBody) -> DocumentDraft:
    draft, text = rules.draft_of(_read(await read_whole(body, MAX_BODY)))
    if text is not None:
        await external.read(lambda ctx: bases.state_of_base(ctx, base_id))
        draft.upload_id = await store_upload(external, parts_of_text(text))
    return draft


async def draft_of_form(external: ExternalContext, base_id: str, body: RequestBody) -> DocumentDraft:
    """The file of a form, which is stored."""
    from starlette.datastructures import Headers, UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    max_bytes = external.service(Uploads).max_bytes
    if body.length > max_bytes + FRAME:
        raise too_large("The file", max_bytes)
    await external.read(lambda ctx: bases.state_of_base(ctx, base_id))
    headers = Headers({"content-type": body.media_type})
    chunks = receive(body, max_bytes + FRAME, too_large("The file", max_bytes))
    try:
        form = await MultiPartParser(headers, chunks, max_files=1, max_fields=10).parse()
    except MultiPartException as error:
        raise Problem("validation_error", f"The form cannot be read: {error.message}") from None
    except UnicodeError:  # some of Python's codecs refuse every text, and a form may name any of them
        raise Problem("validation_error", "The form cannot be read: its `charset` does not fit; send UTF-8") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem("validation_error", "Missing required field: file")
        if (file.size or 0) > max_bytes:
            raise too_large("The file", max_bytes)
        if not file.size:
            raise invalid("file", "is empty")
        name, media_type = rules.file_name(file.filename or ""), rules.media_type(file.content_type)
        upload_id = await store_upload(external, parts_of_file(file))
        return DocumentDraft("file", name, media_type=media_type, upload_id=upload_id, bytes=file.size)
    finally:
        await form.close()


async def store_upload(external: ExternalContext, parts: AsyncGenerator[bytes]) -> str:
    """Stores the parts of an upload, each in a transaction of its own, and returns its id."""
    upload_id, number = new_id(), 0
    async for part in parts:
        await external.write(partial(store_part, upload_id=upload_id, part=number, data=part))
        number += 1
    return upload_id


async def store_part(ctx: Context, upload_id: str, part: int, data: bytes) -> None:
    """One part of an upload. Until a document has its id, the upload is abandoned."""
    row = {"organization_id": ctx.organization_id, "upload_id": upload_id, "part": part, "data": data}
    await ctx.db.run(insert(store.upload_parts, row | {"created_at": ctx.now}))


async def delete_abandoned(session: Session, before: str) -> None:
    """Deletes parts of uploads from before a moment that belong to no document."""
    await session.run(store.delete_abandoned_uploads(before))


async def parts_of_file(file: object) -> AsyncGenerator[bytes]:
    while part := await file.read(PART):  # type: ignore[attr-defined]
        yield part


async def parts_of_text(text: str) -> AsyncGenerator[bytes]:
    data = text.encode()
    for start in range(0, len(data), PART):
        yield data[start : start + PART]


async def receive(body: RequestBody, max_bytes: int, refusal: Problem) -> AsyncGenerator[bytes]:
    """The body as it arrives. Raises `refusal` as soon as it is larger than `max_bytes`."""
    size = 0
    while True:
        message = await body.receive()
        if message["type"] == "http.disconnect":
            raise Problem("validation_error", "The body ended too early")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise refusal
        yield part
        if not message.get("more_body", False):
            return


async def read_whole(body: RequestBody, max_bytes: int) -> bytes:
    if body.length > max_bytes:
        raise too_large("The body", max_bytes)
    return b"".join([part async for part in receive(body, max_bytes, too_large("The body", max_bytes))])
