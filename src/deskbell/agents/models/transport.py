"""Chat Completions over HTTP: JSON out, and an answer whose body is read while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import msgspec

from deskbell.agents.models.base import FIRST_WAIT, RETRYABLE_STATUSES, ModelUnavailable
from deskbell.agents.models.connections import CONNECT_SECONDS, ConnectionPool

MAX_ERROR = 16 * 1024  # bytes of an error's body that are read
FAULTS = (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.TimeoutException, OSError, UnicodeError)


class EndpointError(Exception):
    """The endpoint answered with an error status and this text."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.headers = headers

    def retry_after(self, limit: float) -> float | None:
        """Seconds until another attempt, as the endpoint wishes if these are within `limit`; None where none would help."""
        if self.status not in RETRYABLE_STATUSES:
            return None
        wished = self.headers.get("retry-after", "")
        seconds = float(wished) if wished.isdecimal() else 0.0
        return None if seconds > limit else max(seconds, FIRST_WAIT)


class HttpAnswer:
    """An answer whose head has arrived. It must be closed; one that was not read to its end takes its connection with it."""

    def __init__(self, response: httpcore2.Response) -> None:
        self.response = response
        self.status = response.status
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        self.stream = response.extensions["network_stream"]
        self.stream.overhead = 0
        self.body = self.read()

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Raises ModelUnavailable."""
        try:
            async for data in self.response.aiter_stream():
                self.stream.overhead = 0
                yield data
        except FAULTS as fault:
            raise ModelUnavailable(f"its answer broke off: {fault}") from fault

    async def close(self) -> None:
        await self.body.aclose()
        await self.response.aclose()


class ChatTransport:
    """The way to one endpoint, and the key for it."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.parts = urlsplit(base_url.rstrip("/") + "/chat/completions")
        self.pool = ConnectionPool(secure=self.parts.scheme == "https")
        self.headers = {
            "host": self.parts.netloc.rpartition("@")[2],
            "authorization": f"Bearer {api_key or 'none'}",  # some local servers want no key, but the header
            "content-type": "application/json",
            "accept": "text/event-stream",
            "accept-encoding": "identity",
        }

    async def post(self, body: Mapping[str, Any]) -> HttpAnswer:
        """Sends a request and waits for the head of a successful answer. Raises EndpointError and ModelUnavailable."""
        content = msgspec.json.encode(body)
        try:
            answer = HttpAnswer(await self.pool.handle_async_request(self.request(content)))
        except httpcore2.ConnectTimeout:
            raise ModelUnavailable(f"no connection within {CONNECT_SECONDS:g} seconds", FIRST_WAIT) from None
        except (httpcore2.ConnectError, OSError, UnicodeError) as fault:  # the last for an impossible host name
            raise ModelUnavailable(f"no connection: {fault}", FIRST_WAIT) from fault
        except httpcore2.ProtocolError as fault:
            raise ModelUnavailable(f"it does not speak HTTP: {fault}", FIRST_WAIT) from fault
        except httpcore2.NetworkError as fault:
            raise ModelUnavailable(str(fault) or "the connection broke", FIRST_WAIT) from fault
        if answer.status != 200:
            raise await failure(answer)
        return answer

    def request(self, content: bytes) -> httpcore2.Request:
        target = self.parts.path + (f"?{self.parts.query}" if self.parts.query else "")
        headers = self.headers | {"content-length": str(len(content))}
        return httpcore2.Request(
            "POST",
            httpcore2.URL(
                scheme=self.parts.scheme.encode(),
                host=(self.parts.hostname or "").encode("idna"),
                port=self.parts.port,
                target=target.encode(),
            ),
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            content=content,
            extensions={"timeout": {"connect": CONNECT_SECONDS}},
        )

    async def close(self) -> None:
        await self.pool.aclose()


async def failure(answer: HttpAnswer) -> Exception:
    """What an answer with a status other than 200 means."""
    text = bytearray()
    try:
        async for data in answer.body:
            text += data
            if len(text) > MAX_ERROR:
                break
    except ModelUnavailable:
        pass  # what has arrived is enough
    finally:
        await answer.close()
    if answer.status == 101:
        return ModelUnavailable("it does not speak HTTP: it wants to change the protocol")
    if answer.status < 400:
        return ModelUnavailable(f"it answered {answer.status}, which is neither an answer nor an error")
    return EndpointError(answer.status, answer.headers, text[:MAX_ERROR].decode(errors="replace"))
