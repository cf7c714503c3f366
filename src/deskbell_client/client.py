"""The clients: one for ordinary code, one for async code. They differ in nothing but `await`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import httpx2

from deskbell_client import async_resources, resources
from deskbell_client.transport import AsyncTransport, Retry, Transport, wait

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT = httpx2.Timeout(30, connect=5)
RETRY = Retry()
LOOPBACK = ("127.0.0.1", "::1", "localhost")

_sendable = re.compile(r"[!-~]+").fullmatch


def options(api_key: str | None, base_url: str | None, timeout: float | httpx2.Timeout) -> dict[str, Any]:
    """The options of the HTTP client. Raises ValueError when key or address cannot be right; it never repeats the key."""
    environment = os.environ.get
    key = (api_key or environment("DESKBELL_KEY") or environment("BRIGHTLY_API_KEY") or "").strip()
    if not key:
        raise ValueError("No API key: pass api_key or set DESKBELL_KEY")
    if _sendable(key) is None:
        raise ValueError("The API key holds a character that no key has")
    url = httpx2.URL(base_url or environment("DESKBELL_URL") or environment("BRIGHTLY_API_URL") or DEFAULT_URL)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url must begin with http:// or https:// and name a host")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must have no user name, password, query or fragment")
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": "deskbell-client"},
        "timeout": timeout,
        "trust_env": url.host not in LOOPBACK,  # a proxy could not reach this machine's own loopback interface
    }


class Desk:
    """A client of one organization's Deskbell. Safe to share between threads.

    Without arguments the key comes from `DESKBELL_KEY` (or `BRIGHTLY_API_KEY`) and the address from `DESKBELL_URL` (or
    `BRIGHTLY_API_URL`). `timeout` is in seconds and holds for each try; `retry` says when to try again; `sleep` waits.
    Use it in a `with` block, or close it.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float | httpx2.Timeout = TIMEOUT,
        retry: Retry = RETRY,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx2.Client(**options(api_key, base_url, timeout))
        transport = Transport(self._http, retry, sleep)
        self.org = resources.Org(transport)
        self.leads = resources.Leads(transport)
        self.appointments = resources.Appointments(transport)
        self.tasks = resources.Tasks(transport)
        self.conversations = resources.Conversations(transport)
        self.people = resources.People(transport)
        self.groups = resources.Groups(transport)
        self.grants = resources.Grants(transport)
        self.api_keys = resources.ApiKeys(transport)
        self.events = resources.Events(transport)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Desk(base_url={str(self._http.base_url)!r})"


class AsyncDesk:
    """`Desk` for async code: the same arguments and resources, every method awaited, iterated with `async for`."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float | httpx2.Timeout = TIMEOUT,
        retry: Retry = RETRY,
        sleep: Callable[[float], Awaitable[None]] = wait,
    ) -> None:
        self._http = httpx2.AsyncClient(**options(api_key, base_url, timeout))
        transport = AsyncTransport(self._http, retry, sleep)
        self.org = async_resources.AsyncOrg(transport)
        self.leads = async_resources.AsyncLeads(transport)
        self.appointments = async_resources.AsyncAppointments(transport)
        self.tasks = async_resources.AsyncTasks(transport)
        self.conversations = async_resources.AsyncConversations(transport)
        self.people = async_resources.AsyncPeople(transport)
        self.groups = async_resources.AsyncGroups(transport)
        self.grants = async_resources.AsyncGrants(transport)
        self.api_keys = async_resources.AsyncApiKeys(transport)
        self.events = async_resources.AsyncEvents(transport)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncDesk:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncDesk(base_url={str(self._http.base_url)!r})"
