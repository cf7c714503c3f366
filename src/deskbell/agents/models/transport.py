"""Chat Completions over HTTP: JSON out, and an answer whose body is read while it arrives."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import aiohttp
import msgspec

from deskbell.agents.models.base import FIRST_WAIT, RETRYABLE_STATUSES, ModelUnavailable
from deskbell.agents.models.connections import CONNECT_SECONDS, session

MAX_ERROR = 16 * 1024  # bytes of an error's body that are read


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

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.status = response.status
        self.headers = response.headers
        self.body = self.read()

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Raises ModelUnavailable."""
        try:
            async for data in self.response.content.iter_any():
                yield data
        except aiohttp.ClientError as fault:
            raise ModelUnavailable(f"its answer broke off: {fault}") from fault

    def close(self) -> None:
        self.response.close()


class ChatTransport:
    """The way to one endpoint, and the key for it."""

    session: aiohttp.ClientSession | None = None

    def __init__(self, base_url: str, api_key: str) -> None:
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.headers = {
            "authorization": f"Bearer {api_key or 'none'}",  # some local servers want no key, but the header
            "content-type": "application/json",
            "accept": "text/event-stream",
            "accept-encoding": "identity",
        }

    async def post(self, body: Mapping[str, Any]) -> HttpAnswer:
        """Sends a request and waits for the head of a successful answer. Raises EndpointError and ModelUnavailable."""
        try:
            answer = HttpAnswer(await self.send(msgspec.json.encode(body)))
        except aiohttp.ServerTimeoutError:
            raise ModelUnavailable(f"no connection within {CONNECT_SECONDS:g} seconds", FIRST_WAIT) from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, ValueError) as fault:
            raise ModelUnavailable(f"no connection: {fault}", FIRST_WAIT) from fault
        except aiohttp.ClientConnectionError as fault:
            raise ModelUnavailable("it closed the connection without an answer", FIRST_WAIT) from fault
        except aiohttp.ClientError as fault:
            reason = getattr(fault, "message", fault)
            raise ModelUnavailable(f"it does not speak HTTP: {reason}", FIRST_WAIT) from fault
        if answer.status != 200:
            raise await failure(answer)
        return answer

    async def send(self, content: bytes) -> aiohttp.ClientResponse:
        """Asks again at once where a kept connection turns out to have been closed."""
        self.session = self.session or session()
        while True:
            context = {"kept": False}
            try:
                return await self.session.post(
                    self.url, data=content, headers=self.headers, allow_redirects=False, trace_request_ctx=context
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not context["kept"]:
                    raise

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


async def failure(answer: HttpAnswer) -> Exception:
    """What an answer with a status other than 200 means."""
    try:
        if answer.status == 101:
            return ModelUnavailable("it does not speak HTTP: it wants to change the protocol")
        if answer.status < 400:
            return ModelUnavailable(f"it answered {answer.status}, which is neither an answer nor an error")
        return EndpointError(answer.status, answer.headers, await text_of(answer))
    finally:
        answer.close()


async def text_of(answer: HttpAnswer) -> str:
    """How the body begins, as far as it arrives."""
    text = bytearray()
    with contextlib.suppress(ModelUnavailable):
        async for data in answer.body:
            text += data
            if len(text) > MAX_ERROR:
                break
    return text[:MAX_ERROR].decode(errors="replace")
