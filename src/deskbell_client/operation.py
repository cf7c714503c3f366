"""What the client knows of an operation, the same for sync and async: method, path and what its answer holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar, get_origin
from urllib.parse import quote
from uuid import uuid4

import msgspec
from msgspec import UNSET

from deskbell_client.pages import CursorPage, Page

T = TypeVar("T")

_visible_ascii = re.compile(r"[!-~]{1,255}").fullmatch


class One(msgspec.Struct, Generic[T]):
    """An answer that holds one record."""

    data: T


class Request(NamedTuple):
    """One request, ready to be sent as often as it takes. `options` are those of an HTTP client's `request`."""

    method: str
    path: str
    options: dict[str, Any]


class Operation(Generic[T]):
    """One thing that the server can do. `answer` is a record type, or `Page` of one."""

    def __init__(self, method: str, path: str, answer: type[T]) -> None:
        self.method = method
        self.path = path
        self.answer = answer

    def request(
        self,
        ids: tuple[str, ...] = (),
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Request:
        """The request with these arguments; those that are UNSET stay out. A write without an idempotency key gets one."""
        headers = {}
        if self.method != "GET":
            headers["Idempotency-Key"] = checked(idempotency_key or str(uuid4()))
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(given(body))
        path = re.sub(r"{\w+}", "{}", self.path).format(*(quote(id, safe="") for id in ids))
        params = {name: text(value) for name, value in given(query).items()}
        return Request(self.method, path, {"params": params, "headers": headers, "content": content})

    def read(self, content: bytes) -> T:
        """The answer's record or page. Raises msgspec.DecodeError when it holds neither; unknown fields are ignored."""
        answer = self.decode(content)
        result: T = answer.data if isinstance(answer, One) else answer
        return result

    @cached_property
    def decode(self) -> Any:
        answer: Any = self.answer
        return msgspec.json.Decoder(answer if get_origin(answer) in (Page, CursorPage) else One[answer]).decode


def checked(idempotency_key: str) -> str:
    if _visible_ascii(idempotency_key) is None:
        raise ValueError("idempotency_key must be 1 to 255 visible ASCII characters")
    return idempotency_key


def given(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (arguments or {}).items() if value is not UNSET}


def text(value: Any) -> str:
    """A query value as it travels; a naive datetime is read as UTC by the server."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
