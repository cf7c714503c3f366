"""Bytes as text: finds their encoding, whatever they claim it to be."""

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


def decode_text(data: bytes, media_type: str | None = None, declared: str | None = None) -> str:
    """The text: by its byte order mark, else as UTF-8 if that is valid, else as declared, else by statistics.

    `declared` is the encoding that the file itself names; one in `media_type` takes precedence. Raises `Unreadable` for what is not text.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return require_text(data.decode(encoding, "replace").lstrip("\ufeff"))
    if wide := wide_encoding(data):
        return require_text(data.decode(wide, "replace"))
    named = [match[1] for match in [CHARSET.search(media_type or "")] if match] + ([declared] if declared else [])
    # ISO-2022 differs from ASCII by escape sequences only, so it would pass for UTF-8.
    escape_encodings = [name for name in named if b"\x1b" in data and name.lower().startswith("iso-2022")]
    for encoding in (*escape_encodings, "utf-8", *named):
        if (text := strict(data, encoding)) is not None:
            return require_text(text)
    return require_text(guess(data))


def strict(data: bytes, encoding: str) -> str | None:
    """None if the data is not in this encoding, or there is no such text encoding."""
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError, ValueError):
        return None


def wide_encoding(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: in Latin text nearly every second byte is zero."""
    sample = data[:4096]
    half = len(sample) // 2
    if half < 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.6 and odd < half * 0.05 else None


def guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    # A sample, which may end in the middle of a character.
    best = from_bytes(data[:SAMPLE] if len(data) > SAMPLE else data).best()
    return data.decode(best.encoding if best else "cp1252", "replace")


def require_text(text: str) -> str:
    """The text. Raises `Unreadable` if a sample shows that it is binary data."""
    sample = text[:SAMPLE]
    controls = len(CONTROLS.findall(sample))
    if controls > 4 and controls > len(sample) * 0.02:
        raise Unreadable("The file is not text: it holds binary data. Check that its name ends as its kind does.")
    return text
