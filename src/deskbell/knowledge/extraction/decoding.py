"""Bytes as text, whatever their encoding claims to be."""

from __future__ import annotations

import codecs
import re

from deskbell.knowledge.extraction.document import Unreadable

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
SAMPLE = 1 << 16


def decoded(data: bytes, media_type: str | None = None, declared: str | None = None) -> str:
    """The text: by its byte order mark, else UTF-8 if it is valid, else as it declares itself, else by its statistics.

    `declared` is what the file says of its own encoding; `media_type` may say it too, and is believed first.
    Raises Unreadable for what is not text.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return checked(data.decode(encoding, "replace").lstrip("\ufeff"))
    if wide := wide_encoding(data):
        return checked(data.decode(wide, "replace"))
    named = [match[1] for match in [CHARSET.search(media_type or "")] if match] + ([declared] if declared else [])
    # Escapes alone make ISO-2022 and its kind, so that it would pass for ASCII.
    escaped = [name for name in named if b"\x1b" in data and name.lower().startswith("iso-2022")]
    for encoding in (*escaped, "utf-8", *named):
        if (text := strict(data, encoding)) is not None:
            return checked(text)
    return checked(guessed(data))


def strict(data: bytes, encoding: str) -> str | None:
    """None if the data is not in this encoding, or there is no such text encoding."""
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError, ValueError):
        return None


def wide_encoding(data: bytes) -> str | None:
    """UTF-16 without a mark: of Latin text, nearly every second byte is zero."""
    sample = data[:4096]
    half = len(sample) // 2
    if half < 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.6 and odd < half * 0.05 else None


def guessed(data: bytes) -> str:
    from charset_normalizer import from_bytes

    # A sample cut in the middle of a character would be valid in none of the right encodings.
    best = from_bytes(data[:SAMPLE] if len(data) > SAMPLE else data).best()
    return data.decode(best.encoding if best else "cp1252", "replace")


def checked(text: str) -> str:
    """The text, unless a sample of it shows that it is none."""
    sample = text[:SAMPLE]
    strange = len(CONTROLS.findall(sample))
    if strange > 4 and strange > len(sample) * 0.02:
        raise Unreadable("The file is not text: it holds binary data. Check that its name ends as its kind does.")
    return text
