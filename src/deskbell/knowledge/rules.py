"""Pure decisions: what may become a document, and the words for what may not."""

from __future__ import annotations

from urllib.parse import urlsplit

from deskbell.errors import Problem, invalid
from deskbell.knowledge.model import DocumentDraft, Method, NewDocument
from deskbell.knowledge.retrieval.score_calibration import THRESHOLD

PASSAGES = 5  # the most that a chat answers from
NAME_LENGTH = 500  # characters of a file name or an address that are kept


def no_base() -> Problem:
    return Problem("not_found", "Knowledge base not found")


def no_document() -> Problem:
    return Problem("not_found", "Document not found")


def file_name(given: str) -> str:
    """The name of an upload without folders, which some browsers send along."""
    name = given.replace("\\", "/").rsplit("/", 1)[-1].strip()
    name = "".join(sign for sign in name if sign.isprintable())[-NAME_LENGTH:]
    if not name:
        raise invalid("file", "must have a file name")
    return name


def media_type(given: str | None) -> str | None:
    """What an upload says that it is, where that could be a media type at all."""
    return given[:NAME_LENGTH] if given and given.isprintable() else None


def checked_url(field: str, given: str) -> str:
    """A web address as it is stored. Whether it may be fetched is decided when it is fetched."""
    url = given.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise invalid(field, "must be an address that begins with http:// or https://")
    return url


def draft_of(new: NewDocument) -> tuple[DocumentDraft, str | None]:
    """What a JSON body asks for: a draft, and the text of one that brings its own."""
    given = [name for name in ("url", "feed_url", "text") if getattr(new, name) is not None]
    if len(given) != 1:
        raise Problem(
            "validation_error",
            "Send a file as multipart/form-data, or exactly one of `url`, `feed_url`, and `text` with a `title`",
        )
    if new.url is not None:
        url = checked_url("url", new.url)
        return DocumentDraft("url", url, url=url), None
    if new.feed_url is not None:
        url = checked_url("feed_url", new.feed_url)
        return DocumentDraft("feed", url, url=url), None
    if new.title is None or not new.title.strip():
        raise Problem("validation_error", "Missing required field: title")
    text = new.text or ""
    if not text.strip():
        raise Problem("validation_error", "Missing required field: text")
    name = " ".join(new.title.split())
    return DocumentDraft("text", name, media_type="text/plain", bytes=len(text.encode())), text


def methods(semantic_rank: int | None, keyword_rank: int | None, top_k: int) -> list[Method]:
    """Which methods have found a passage: by keyword, where it has a word of the question; by meaning, where it is among the
    `top_k` nearest, or where nothing else has found it."""
    found: list[Method] = []
    if semantic_rank is not None and (semantic_rank <= top_k or keyword_rank is None):
        found.append("semantic")
    if keyword_rank is not None:
        found.append("keyword")
    return found


def left_out(place: int, score: float) -> str | None:
    """Why a chat would not answer from the result at a place, counted from 0; None where it would."""
    if score < THRESHOLD:
        return f"Its score is below {THRESHOLD}, from which a passage counts as being about the question"
    if place >= PASSAGES:
        return f"A chat answers from the {PASSAGES} best passages"
    return None
