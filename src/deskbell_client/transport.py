"""Sending requests and sending them again. The server says what is worth retrying; this obeys."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx2
import msgspec

from deskbell_client import errors
from deskbell_client.errors import DeskError
from deskbell_client.operation import Operation
from deskbell_client.pages import CursorPage, Page, Row, Walk
from deskbell_client.streams import Following

T = TypeVar("T")
R = TypeVar("R", bound=Row)

log = logging.getLogger("deskbell_client")


@dataclass(frozen=True)
class Retry:
    """When to try again, in seconds: pauses double from `first` up to `longest`, each shortened by up to half at random.

    A `Retry-After` of the server counts instead, exactly; one beyond `patience` ends the matter. `tries` counts the first one.
    `chance` gives a number from 0 to 1 and `now` Unix time; tests replace them.
    """

    tries: int = 3
    first: float = 1.0
    longest: float = 30.0
    patience: float = 60.0
    chance: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    def pause(self, error: DeskError, tried: int) -> float | None:
        """How long to wait before the next try, when so many have failed; None to give up."""
        if not error.retryable or tried >= self.tries:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.patience else None
        return min(self.longest, self.first * 2.0 ** (tried - 1)) * (0.5 + 0.5 * self.chance())


class Exchange(Generic[T]):
    """One request with its tries: everything but the sending and the waiting, so that sync and async share it."""

    def __init__(self, operation: Operation[T], ids: tuple[str, ...], arguments: dict[str, Any], retry: Retry) -> None:
        self.operation = operation
        self.request = operation.request(ids, **arguments)
        self.retry = retry
        self.tried = 0

    def result(self, answer: httpx2.Response) -> T:
        """The record or page of a good answer; raises the error of another one."""
        if not answer.is_success:
            raise errors.from_answer(answer.status_code, answer.headers, answer.content, self.retry.now())
        try:
            return self.operation.read(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise errors.unreadable(answer.status_code, answer.headers.get("x-request-id"), str(error)) from error

    def pause(self, failure: DeskError | httpx2.RequestError) -> float:
        """How long to wait after this failure; raises it, as a DeskError, when another try is no use."""
        self.tried += 1
        error = failure if isinstance(failure, DeskError) else errors.no_answer(failure)
        pause = self.retry.pause(error, self.tried)
        if pause is None:
            raise error
        log.info("%s %s: %s, trying again in %.1f s", self.request.method, self.request.path, error.code, pause)
        return pause


class Transport:
    """Sends requests and waits for their answers."""

    def __init__(self, http: httpx2.Client, retry: Retry, sleep: Callable[[float], None] = time.sleep) -> None:
        self.http = http
        self.retry = retry
        self.sleep = sleep

    def send(self, operation: Operation[T], *ids: str, **arguments: Any) -> T:
        """Runs an operation; `arguments` are those of `Operation.request`."""
        exchange = Exchange(operation, ids, arguments, self.retry)
        method, path, options = exchange.request
        while True:
            try:
                return exchange.result(self.http.request(method, path, **options))
            except (DeskError, httpx2.RequestError) as failure:
                pause = exchange.pause(failure)
            self.sleep(pause)

    def iterate(self, operation: Operation[Page[R]], *ids: str, query: Mapping[str, Any]) -> Iterator[R]:
        """The rows of all pages; a page is read when its first row is asked for."""
        walk: Walk[R] = Walk()
        while walk.page is not None:
            yield from walk.take(self.send(operation, *ids, query={**query, "page": walk.page}))

    def iterate_log(self, operation: Operation[CursorPage[R]], *, query: Mapping[str, Any]) -> Iterator[R]:
        """The rows after a cursor, until there are no more."""
        page = self.send(operation, query=query)
        while page.rows:
            yield from page
            page = self.send(operation, query={**query, "after": page.meta.next})

    def stream(self, operation: Operation[T], *, query: Mapping[str, Any]) -> Iterator[T]:
        """The events of a stream. Where the connection is lost, it is made again and nothing is missed."""
        following = Following(operation, query)
        exchange = Exchange(operation, (), {"query": query}, self.retry)
        while True:
            method, path, options = following.request()
            try:
                with self.http.stream(method, path, **options) as answer:
                    if not answer.is_success:
                        answer.read()
                        exchange.result(answer)
                    for line in answer.iter_lines():
                        if (event := following.take(line)) is not None:
                            exchange.tried = 0
                            yield event
                pause = self.retry.first  # the server restarts, or we were too slow
            except (DeskError, httpx2.RequestError) as failure:
                pause = exchange.pause(failure)
            self.sleep(pause)


async def wait(seconds: float) -> None:
    import asyncio  # a quarter of the time that the package takes to load, and nothing to the sync client

    await asyncio.sleep(seconds)


class AsyncTransport:
    """Sends requests and awaits their answers."""

    def __init__(
        self, http: httpx2.AsyncClient, retry: Retry, sleep: Callable[[float], Awaitable[None]] = wait
    ) -> None:
        self.http = http
        self.retry = retry
        self.sleep = sleep

    async def send(self, operation: Operation[T], *ids: str, **arguments: Any) -> T:
        """Runs an operation; `arguments` are those of `Operation.request`."""
        exchange = Exchange(operation, ids, arguments, self.retry)
        method, path, options = exchange.request
        while True:
            try:
                return exchange.result(await self.http.request(method, path, **options))
            except (DeskError, httpx2.RequestError) as failure:
                pause = exchange.pause(failure)
            await self.sleep(pause)

    async def iterate(self, operation: Operation[Page[R]], *ids: str, query: Mapping[str, Any]) -> AsyncIterator[R]:
        """The rows of all pages; a page is read when its first row is asked for."""
        walk: Walk[R] = Walk()
        while walk.page is not None:
            for row in walk.take(await self.send(operation, *ids, query={**query, "page": walk.page})):
                yield row

    async def iterate_log(self, operation: Operation[CursorPage[R]], *, query: Mapping[str, Any]) -> AsyncIterator[R]:
        """The rows after a cursor, until there are no more."""
        page = await self.send(operation, query=query)
        while page.rows:
            for row in page:
                yield row
            page = await self.send(operation, query={**query, "after": page.meta.next})

    async def stream(self, operation: Operation[T], *, query: Mapping[str, Any]) -> AsyncIterator[T]:
        """The events of a stream. Where the connection is lost, it is made again and nothing is missed."""
        following = Following(operation, query)
        exchange = Exchange(operation, (), {"query": query}, self.retry)
        while True:
            method, path, options = following.request()
            try:
                async with self.http.stream(method, path, **options) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        exchange.result(answer)
                    async for line in answer.aiter_lines():
                        if (event := following.take(line)) is not None:
                            exchange.tried = 0
                            yield event
                pause = self.retry.first  # the server restarts, or we were too slow
            except (DeskError, httpx2.RequestError) as failure:
                pause = exchange.pause(failure)
            await self.sleep(pause)
