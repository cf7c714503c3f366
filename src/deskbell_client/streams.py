"""Server-sent events, read line by line (HTML standard, 9.2), and how a stream is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from deskbell_client import errors
from deskbell_client.operation import Operation, Request

T = TypeVar("T")
BEGIN = ": after "  # of the comment that says where a stream begins


class Following(Generic[T]):
    """How far a stream has been read. `last_id` is None until it is known where the stream begins."""

    def __init__(self, operation: Operation[T], query: Mapping[str, Any]) -> None:
        self.operation = operation
        self.query = query
        self.last_id: str | None = None
        self.fields: dict[str, str] = {}
        self.read = msgspec.json.Decoder(operation.answer).decode

    def request(self) -> Request:
        """The request that goes on behind the last event."""
        method, path, options = self.operation.request(query=self.query)
        self.fields = {}
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last_id} if self.last_id else {})
        return Request(method, path, options | {"headers": options["headers"] | headers})

    def take(self, line: str) -> T | None:
        """The event that a line completes, if it does. Raises the error that ends a stream."""
        if line.startswith(BEGIN):
            self.last_id = line.removeprefix(BEGIN)
        elif line and not line.startswith(":"):
            name, _, value = line.partition(":")
            self.fields[name] = value.removeprefix(" ")
        elif not line and "data" in self.fields:
            return self.complete()
        return None

    def complete(self) -> T | None:
        fields, self.fields = self.fields, {}
        if fields.get("event") == "error":
            raise errors.from_stream(fields["data"].encode())
        if "id" not in fields:  # it says that we were too slow: what was missed comes after reconnecting
            return None
        event = self.read(fields["data"])
        self.last_id = fields["id"]
        return event
