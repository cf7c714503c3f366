"""Pure decisions: what may become a document, and the messages for what may not."""

from __future__ import annotations

from urllib.parse import urlsplit

from deskbell.errors import Problem, invalid
from deskbell.knowledge.model import DocumentDraft, NewDocument

NAME_LENGTH = 500  # characters of a file name or an address that are stored


def no_base() -> Problem:
    return Problem("not_found", "Knowledge base not found")


def no_document() -> Problem:
    return Problem("not_found", "Document not found")


def file_name(given: str) -> str:
    """The name of an upload without folders, which some browsers send along."""
    name = given.replace("\\", "/").rsplit("/", 1)[-1].strip()
    name = "".join(filter(str.isprintable, name))[-NAME_LENGTH:]
    if not name:
        raise invalid("file", "must have a file name")
    return name


def media_type(given: str | None) -> str | None:
    """The media type that an upload declares, if it could be one at all."""
    return given[:NAME_LENGTH] if given and given.isprintable() else None


def validate_url(field: str, given: str) -> str:
    """A web address as it is stored. Whether it may be fetched is decided when it is fetched."""
    url = given.strip()
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise invalid(field, "must be an address that begins with http:// or https://")
    return url


def draft_of(new: NewDocument) -> tuple[DocumentDraft, str | None]:
    """The document that a JSON body asks for, and its text if it brings one along."""
    given = [name for name in ("url", "feed_url", "text") if getattr(new, name) is not None]
    if len(given) != 1:
        raise Problem(
            "validation_error",
            "Send a file as multipart/form-data, or exactly one of `url`, `feed_url`, and `text` with a `title`",
        )
    if new.url is not None:
        url = validate_url("url", new.url)
        return DocumentDraft("url", url, url=url), None
    if new.feed_url is not None:
        url = validate_url("feed_url", new.feed_url)
        return DocumentDraft("feed", url, url=url), None
    if new.title is None or not new.title.strip():
        raise Problem("validation_error", "Missing required field: title")
    text = new.text or ""
    if not text.strip():
        raise Problem("validation_error", "Missing required field: text")
    name = " ".join(new.title.split())
    return DocumentDraft("text", name, media_type="text/plain", bytes=len(text.encode())), text
