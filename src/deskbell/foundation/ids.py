"""Identifiers: UUIDs as lower-case text. Ours are version 7 (RFC 9562), which sort by time of creation."""

from __future__ import annotations

import os
import re
import string
import struct
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Annotated
from uuid import UUID

import msgspec

UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_is_uuid = re.compile(UUID_PATTERN.replace("$", r"\Z")).match
_is_stored = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z").match
_is_public = re.compile(r"[a-z]+_[A-Za-z0-9]{16}\Z").match

ALPHABET = string.ascii_letters + string.digits

#: A UUID in canonical lower case, as a record shows it.
Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]


NO_ID = "00000000-0000-0000-0000-000000000000"  # an id that no record has, before all others


class Id(str):
    """A UUID that a client sent, in canonical lower case."""

    __slots__ = ()
    schema = {"type": "string", "format": "uuid", "examples": ["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"]}
    expected = "must be a UUID"

    @classmethod
    def parse(cls, text: str) -> Id:
        if _is_uuid(text) is None:
            raise ValueError(cls.expected)
        return cls(text.lower())


class PublicId(str):
    """An id that begins with what it names, as the agent API has them: `kb_` and 16 letters and digits."""

    __slots__ = ()
    schema = {"type": "string", "pattern": "^[a-z]+_[A-Za-z0-9]{16}$", "examples": ["kb_4fJx0QmTz81LbRcw"]}
    expected = "must be an id such as kb_4fJx0QmTz81LbRcw"

    @classmethod
    def parse(cls, text: str) -> PublicId:
        if _is_public(text) is None:
            raise ValueError(cls.expected)
        return cls(text)

    @classmethod
    def read(cls, text: str) -> str:
        """The id of a path; for what cannot be one, the empty text, which no record has."""
        return text if _is_public(text) else ""


def public_id(prefix: str) -> str:
    """A new id such as `kb_4fJx0QmTz81LbRcw`: 95 random bits."""
    return f"{prefix}_{random_text(16)}"


def random_text(length: int) -> str:
    """Unguessable letters and digits. Each eight are made of 64 bits where 48 would do, so that all are equally likely."""
    with _lock:
        number = 0
        for _ in range(-(-length // 8)):
            number = number << 64 | _random()
    letters = []
    for _ in range(length):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)


@lru_cache(maxsize=4096)
def organization_public_id(id: str) -> str:
    """An organization's id as the agent API shows it: always the same 16 letters and digits, made from its UUID."""
    number = int.from_bytes(sha256(UUID(id).bytes).digest()[:16], "big")
    digits = []
    for _ in range(16):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "org_" + "".join(digits)


def canonical(text: str) -> str:
    """An id as it is stored; for what is no UUID, one that no record has."""
    if _is_stored(text):
        return text
    try:
        return Id.parse(text)
    except ValueError:
        return NO_ID


_lock = threading.Lock()
_last = 0
_drawn: Iterator[tuple[int]] = iter(())


def _random() -> int:
    """64 random bits of the system's, drawn in bulk: each draw lets go of the interpreter's lock, which busy threads get back late."""
    global _drawn
    for (bits,) in _drawn:
        return bits
    _drawn = struct.iter_unpack("Q", os.urandom(8192))
    return _random()


def new_id() -> str:
    """A new UUIDv7. Within one process each is greater than the one before: 60 bits of time, then 62 random bits."""
    global _last
    with _lock:
        # Milliseconds and a 12-bit fraction of one (RFC 9562, 6.2, method 3), pushed ahead when the clock stands still.
        _last = ticks = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        tail = _random() >> 2
    text = f"{(ticks >> 12) << 80 | 7 << 76 | (ticks & 0xFFF) << 64 | 2 << 62 | tail:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def short_id() -> str:
    """16 random hex digits, to tell entries of a log apart."""
    with _lock:
        return f"{_random():016x}"
