"""One JSON line per request, written in bulk: a kill may lose the last fifth of a second of log, never data."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec

MOST_WAITING = 100_000  # lines

_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Lines wait here for `take` and `write`. None holds a body, a whole key or a phone number."""

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor
        self.lines: list[bytes] = []
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, float] = {}

    def add(self, request_id: str, operation: str, caller: Any, status: int, started: float) -> None:
        """`started` is time.perf_counter() at the request's first byte. Counts for `/metrics` too."""
        took = time.perf_counter() - started
        place = (operation, status)
        self.requests[place] = self.requests.get(place, 0) + 1
        self.seconds[operation] = self.seconds.get(operation, 0.0) + took
        if self.descriptor is None:
            return
        organization, key = (caller.organization_id, caller.key_prefix) if caller else (None, None)
        if len(self.lines) >= MOST_WAITING:  # whoever reads the log has stopped reading
            return
        self.lines.append(
            _encode(
                {
                    "time": time.time(),
                    "request_id": request_id,
                    "organization": organization,
                    "key": key,
                    "operation": operation,
                    "status": status,
                    "ms": round(took * 1000, 3),
                }
            )
        )

    def take(self) -> bytes:
        """The lines that wait, which are then no longer kept here."""
        lines, self.lines = self.lines, []
        return b"".join(line + b"\n" for line in lines)

    def write(self, text: bytes) -> None:
        """Blocks as long as the reader of the log does."""
        try:
            while text and self.descriptor is not None:
                text = text[os.write(self.descriptor, text) :]
        except OSError:  # nobody reads the log any more; the service goes on
            self.descriptor = None
