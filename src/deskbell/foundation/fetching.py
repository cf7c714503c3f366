"""The one client for addresses that users give us. It connects to the public internet and nowhere else.

A name is looked up once, every address that it has is checked, and the connection goes to a checked address: no second look-up could
give another one. Each redirect starts over. Size, time and redirects have caps, and nothing of ours (cookies, proxies, credentials)
goes along.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

import httpcore2
import httpx2

from deskbell.foundation.public_addresses import public

AGENT: Final = "Deskbell/1.0 (documents for a knowledge base)"
ACCEPT: Final = "text/html, application/xhtml+xml, application/pdf, text/*;q=0.9, application/xml;q=0.9, */*;q=0.5"
REDIRECTS: Final = 5
MOVED: Final = (301, 302, 303, 307, 308)
LONGEST: Final = 2_000  # characters of an address
PIECE: Final = 1 << 16


class Fetched(NamedTuple):
    """What came from `url`, where the last redirect led. `media_type` is the header as sent, parameters included."""

    url: str
    media_type: str | None
    data: bytes


class Unreachable(Exception):
    """The address cannot be fetched. `reason` is for the person who gave it; `passing` if a later try may succeed."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing


class Moved(Exception):
    """The answer names another address."""


async def fetch(
    url: str,
    *,
    max_bytes: int,
    first_byte: float = 15.0,
    total: float = 60.0,
    allowed: Callable[[str], bool] = public,
) -> Fetched:
    """The content of a web address of at most `max_bytes`. Raises Unreachable.

    `first_byte` and `total` are seconds until an answer begins and until everything is there, redirects included. `allowed` decides
    of an IP address whether to connect to it; only tests pass another than `public`.
    """
    try:
        async with asyncio.timeout(total):
            for _ in range(REDIRECTS + 1):
                try:
                    return await fetch_once(url, max_bytes, first_byte, allowed)
                except Moved as moved:
                    url = urljoin(url, str(moved))
    except TimeoutError:
        raise Unreachable(f"The page was not there within {total:g} seconds.", passing=True) from None
    raise Unreachable(f"The address redirects more than {REDIRECTS} times.")


async def fetch_once(url: str, max_bytes: int, first_byte: float, allowed: Callable[[str], bool]) -> Fetched:
    place = parsed(url)
    headers = {"User-Agent": AGENT, "Accept": ACCEPT, "Accept-Encoding": "gzip", "Connection": "close"}
    backend = Guarded(allowed)
    async with httpcore2.AsyncConnectionPool(ssl_context=trust(), network_backend=backend, max_connections=1) as pool:
        request = httpcore2.Request(
            "GET", httpcore2.URL(str(place)), headers=[(b"Host", place.netloc), *encoded(headers)]
        )
        try:
            try:
                async with asyncio.timeout(first_byte):
                    response = await pool.handle_async_request(request)
            except TimeoutError:
                raise Unreachable(f"The server did not answer within {first_byte:g} seconds.", passing=True) from None
            try:
                return await received(response, str(place), max_bytes)
            finally:
                await response.aclose()
        except httpcore2.ConnectError as problem:
            raise Unreachable(f"No connection to {place.host}: {cause(problem)}.", passing=True) from None
        except (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.TimeoutException) as problem:
            raise Unreachable(f"{place.host} broke off or did not speak HTTP.", passing=True) from problem


def encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def parsed(url: str) -> httpx2.URL:
    """The address, if it is one of the web without a password. Its fragment is left out."""
    if len(url) > LONGEST:
        raise Unreachable(f"The address is longer than {LONGEST:,} characters.")
    try:
        place = httpx2.URL(url.strip()).copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise Unreachable("The address is not a valid URL.") from None
    if place.scheme not in ("http", "https") or not place.host:
        raise Unreachable("The address must begin with http:// or https:// and name a host.")
    if place.userinfo:
        raise Unreachable("The address must not hold a user name or password.")
    return place


@cache
def trust() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def cause(problem: Exception) -> str:
    text = str(problem)
    if "CERTIFICATE" in text.upper():
        return "its certificate is not valid"
    return "the connection was refused or did not come about"


class Guarded(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses. TLS and the Host header keep the name, because only the connection is made here."""

    def __init__(self, allowed: Callable[[str], bool]) -> None:
        self.allowed = allowed
        self.backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        problem: Exception | None = None
        for address in await self.checked(host, port):
            try:
                return await self.backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failure:
                problem = failure
        raise problem or httpcore2.ConnectError("no address")

    async def checked(self, host: str, port: int) -> Sequence[str]:
        """The host's addresses, all of which may be connected to. One that may not be is reason enough to refuse the name."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"There is no host called {host[:100]}.", passing=True) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not all(map(self.allowed, addresses)):
            raise Unreachable(f"{host[:100]} is not on the public internet, and only public addresses are fetched.")
        return addresses[:4]


async def received(response: httpcore2.Response, url: str, max_bytes: int) -> Fetched:
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    if response.status in MOVED and "location" in headers:
        raise Moved(headers["location"])
    if response.status != 200:
        passing = response.status >= 500 or response.status in (408, 425, 429)
        raise Unreachable(f"The server answered with status {response.status}.", passing=passing)
    if headers.get("content-length", "").isdigit() and int(headers["content-length"]) > max_bytes:
        raise too_large(max_bytes)
    data = bytearray()
    async for piece in unpacked(response.aiter_stream(), headers.get("content-encoding", "identity").strip().lower()):
        data += piece
        if len(data) > max_bytes:
            raise too_large(max_bytes)
    return Fetched(url, headers.get("content-type"), bytes(data))


def too_large(max_bytes: int) -> Unreachable:
    return Unreachable(f"The page is larger than {max_bytes / (1 << 20):g} MB.")


async def unpacked(stream: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The content in pieces that stay small, however well it was packed."""
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise Unreachable(f"The server packs its answer as {encoding[:40]!r}, which was not asked for.")
    if encoding in ("identity", ""):
        async for piece in stream:
            yield piece
        return
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        async for piece in stream:
            while piece:
                yield inflater.decompress(piece, PIECE)
                piece = inflater.unconsumed_tail
    except zlib.error:
        raise Unreachable("The server's answer is packed wrongly.") from None
    if not inflater.eof:
        raise Unreachable("The server's answer broke off.", passing=True)
