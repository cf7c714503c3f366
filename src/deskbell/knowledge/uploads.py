"""Uploads: a file comes in part by part and is stored so, that neither memory nor a transaction ever holds all of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from deskbell.core.context import ExternalContext, RequestBody
from deskbell.credits import metering
from deskbell.errors import Problem, invalid, too_large
from deskbell.foundation import json
from deskbell.foundation.ids import PublicId, new_id
from deskbell.foundation.json import MAX_BODY
from deskbell.knowledge import bases, documents, rules
from deskbell.knowledge.model import Document, DocumentDraft, NewDocument

PART = 1024 * 1024  # bytes of an upload that are stored in one transaction
FRAME = 64 * 1024  # bytes that a form may have beside its file
_read = json.decoder(NewDocument)


class Uploads:
    """What an installation lets in."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes


async def add_document(outside: ExternalContext, id: PublicId) -> Document:
    """Add a document: a file as the field `file` of multipart/form-data, or JSON with `url`, with `feed_url`, or with `title` and `text`.

    It is indexed in the background; ask for it until its `status` is `ready` or `failed`. A document of the same file name, address or
    title is replaced: searches see the old content until the new one is ready.
    """
    incoming = outside.body
    assert incoming is not None
    await metering.allowed(outside)
    most = outside.service(Uploads).most_bytes
    kind = incoming.media_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        if incoming.length > most + FRAME:
            raise too_large("The file", most)
        await outside.read(lambda ctx: bases.state_of_base(ctx, id))
        draft = await stored_file(outside, incoming, most)
    elif kind in ("", "application/json"):
        draft, text = rules.draft_of(_read(await whole(incoming, MAX_BODY)))
        if text is not None:
            await outside.read(lambda ctx: bases.state_of_base(ctx, id))
            draft.upload_id = await stored(outside, bytes_of(text))
    else:
        raise Problem("validation_error", "`Content-Type` must be multipart/form-data or application/json", status=415)
    return await outside.write(lambda ctx: documents.put_document(ctx, id, draft))


async def stored_file(outside: ExternalContext, incoming: RequestBody, most: int) -> DocumentDraft:
    """The file of a form, stored."""
    from starlette.datastructures import Headers, UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    headers = Headers({"content-type": incoming.media_type})
    try:
        form = await MultiPartParser(
            headers, bounded(incoming, most + FRAME, too_large("The file", most)), max_files=1, max_fields=10
        ).parse()
    except MultiPartException as error:
        raise Problem("validation_error", f"The form cannot be read: {error.message}") from None
    except UnicodeError:  # some of Python's codecs refuse every text, and a form may name any of them
        raise Problem("validation_error", "The form cannot be read: its `charset` does not fit; send UTF-8") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem("validation_error", "Missing required field: file")
        if (file.size or 0) > most:
            raise too_large("The file", most)
        if not file.size:
            raise invalid("file", "is empty")
        name = rules.file_name(file.filename or "")
        upload_id = await stored(outside, pieces(file))
        return DocumentDraft(
            "file", name, media_type=rules.media_type(file.content_type), upload_id=upload_id, bytes=file.size
        )
    finally:
        await form.close()


async def stored(outside: ExternalContext, parts: AsyncGenerator[bytes]) -> str:
    """Stores the parts of an upload, each in a transaction of its own, and answers its id."""
    upload_id, number = new_id(), 0
    async for part in parts:
        await outside.write(partial(documents.store_part, upload_id=upload_id, part=number, data=part))
        number += 1
    return upload_id


async def pieces(file: object) -> AsyncGenerator[bytes]:
    while part := await file.read(PART):  # type: ignore[attr-defined]
        yield part


async def bytes_of(text: str) -> AsyncGenerator[bytes]:
    data = text.encode()
    for start in range(0, len(data), PART):
        yield data[start : start + PART]


async def bounded(incoming: RequestBody, most: int, refusal: Problem) -> AsyncGenerator[bytes]:
    """The body as it comes in; refused as soon as it is larger than `most` bytes."""
    size = 0
    while True:
        message = await incoming.receive()
        if message["type"] == "http.disconnect":
            raise Problem("validation_error", "The body ended too early")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise refusal
        yield part
        if not message.get("more_body", False):
            return


async def whole(incoming: RequestBody, most: int) -> bytes:
    if incoming.length > most:
        raise too_large("The body", most)
    return b"".join([part async for part in bounded(incoming, most, too_large("The body", most))])
