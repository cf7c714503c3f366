"""Detects the format of a file: by the ending of its name and its media type, which its first bytes must not contradict."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from deskbell.knowledge.extraction.document import Unreadable

KINDS: Final = "PDF, DOCX, TXT, Markdown, HTML, CSV, RSS or Atom"
ENDINGS: Final = {
    "pdf": "pdf",
    "docx": "docx",
    "docm": "docx",
    "dotx": "docx",
    "txt": "text",
    "text": "text",
    "log": "text",
    "md": "markdown",
    "markdown": "markdown",
    "mdown": "markdown",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "csv": "csv",
    "tsv": "csv",
    "rss": "feed",
    "atom": "feed",
    "xml": "feed",
}
MEDIA_TYPES: Final = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/csv": "csv",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
    "application/xml": "feed",
    "text/xml": "feed",
}
TRUSTED: Final = {"html", "pdf", "docx", "application/rss+xml", "application/atom+xml"}
"""Formats and media types that override the name's ending. Others do not: servers send text/plain and octet-stream for everything."""
SIGNATURES: Final = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed archive"),
    (b"Rar!\x1a\x07", "a compressed archive"),
    (b"BZh", "a compressed archive"),
    (b"\xfd7zXZ", "a compressed archive"),
    (b"\x28\xb5\x2f\xfd", "a compressed archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"OggS", "a recording"),
    (b"ID3", "a recording"),
    (b"SQLite format 3\x00", "a database"),
)
ZIPPED: Final = (
    (b"word/document", "docx"),
    (b"xl/workbook", "an Excel workbook"),
    (b"ppt/presentation", "a PowerPoint presentation"),
    (b"opendocument", "an OpenDocument file"),
    (b"application/epub", "an e-book"),
)
HELP: Final = {
    "an RTF document": "Save it as DOCX or PDF.",
    "an Excel workbook": "Save its sheets as CSV.",
    "a PowerPoint presentation": "Save it as PDF.",
    "an OpenDocument file": "Save it as DOCX or PDF.",
    "an old Office file": "Save it as DOCX or PDF.",
    "a picture": "Pictures are not read; a PDF with a text layer is.",
    "a compressed archive": "Unpack it and upload the files in it.",
}
NAMES: Final = {"pdf": "a PDF", "docx": "a Word document (DOCX)"}
HTML = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
FEED = re.compile(rb"<(?:rss|feed|rdf:RDF|[\w-]{1,20}:feed)\b")


def format_of(data: bytes, file_name: str, media_type: str | None) -> str:
    """One of `formats.readers()`. Raises `Unreadable`."""
    if not data.strip(b"\x00 \t\r\n"):
        raise Unreadable("The file is empty.")
    claimed, detected = claim(file_name, media_type), signature(data)
    if detected in NAMES:
        if claimed in (detected, None):
            return detected
        raise Unreadable(
            f"The file is {NAMES[detected]}, but its name or type says {claimed}. Rename it to match what it is."
        )
    if detected == "a compressed archive" and claimed == "docx":
        raise Unreadable("The file is not a Word document (DOCX), or a damaged one: there is no text part in it.")
    if detected:
        raise Unreadable(f"The file is {detected}. {HELP.get(detected, f'These kinds can be read: {KINDS}.')}")
    if claimed in NAMES:
        raise Unreadable(f"The file is not {NAMES[claimed]}, but its name or type says so: its first bytes are wrong.")
    return text_format(claimed, data)


def claim(file_name: str, media_type: str | None) -> str | None:
    """The format that name and media type claim; None if they claim nothing. Raises `Unreadable` for one that cannot be read."""
    essence = (media_type or "").partition(";")[0].strip().lower()
    typed = MEDIA_TYPES.get(essence)
    ending = PurePosixPath(file_name).suffix.lower()[1:]
    if essence in TRUSTED or typed in TRUSTED:
        return typed
    if ending in ENDINGS:
        return ENDINGS[ending]
    if typed or not ending or essence in ("", "application/octet-stream", "binary/octet-stream"):
        return typed
    if essence.startswith("text/"):
        return "text"
    raise Unreadable(f"Files of the kind {essence[:100]} cannot be read. These can: {KINDS}.")


def signature(data: bytes) -> str | None:
    """What the first bytes show; None for what may be text."""
    found = next((kind for mark, kind in SIGNATURES if data.startswith(mark)), None)
    if found == "zip":
        return next((kind for mark, kind in ZIPPED if mark in data), "a compressed archive")
    if found == "ole":
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Unreadable("The document is protected by a password. Save it without one.")
        return "an old Office file"
    if found is None and data[4:8] == b"ftyp":
        return "a recording"
    # PDF readers accept some bytes before the header, such as those of an e-mail or a printer.
    return "pdf" if found is None and b"%PDF-" in data[:1024] and b"\nendobj" in data else found


def text_format(claimed: str | None, data: bytes) -> str:
    start = data[:4096].replace(b"\x00", b"")
    if claimed in ("feed", "html", None) and FEED.search(start) and not HTML.match(start):
        return "feed"
    if claimed in ("text", "feed", None) and HTML.match(start.removeprefix(b"\xef\xbb\xbf")):
        return "html"
    if claimed == "feed":
        raise Unreadable("The XML is neither an RSS nor an Atom feed.")
    return claimed or "text"
