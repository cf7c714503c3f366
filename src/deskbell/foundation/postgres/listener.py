"""The one connection of a worker that listens for notifications, replaced when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg

from deskbell.foundation.postgres import connection as connections

log = logging.getLogger(__name__)

PROBE = 30.0  # seconds between questions to the server: a proxy can keep a connection whose other half is gone
RECONNECT = 0.5  # seconds before the next attempt
# The system asks a silent peer itself: 2 s of silence, then three times a second apart. It costs the server no transaction.
KEEPALIVE = (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3))

#: Called with the message of a notification.
Callback = Callable[[str], None]


async def listen(url: str, channels: Mapping[str, Callback], connected: Callable[[], None]) -> None:
    """Listens until it is cancelled. `connected` is called whenever notifications may have been missed."""
    while True:
        try:
            connection = await asyncpg.connect(url, timeout=connections.CONNECT, command_timeout=connections.ANSWER)
            try:
                await listen_on(connection, channels, connected)
            finally:
                connection.terminate()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning("listening for writes: %s", error)
        await asyncio.sleep(RECONNECT)


async def listen_on(connection: Any, channels: Mapping[str, Callback], connected: Callable[[], None]) -> None:
    """Returns once the connection is lost."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    keep_alive(connection)
    for channel, callback in channels.items():
        await connection.add_listener(channel, lambda _, pid, name, message, callback=callback: callback(str(message)))
    connected()
    while not lost.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE):
                await lost.wait()
        if not lost.is_set():
            await connection.execute("SELECT 1")


def keep_alive(connection: Any) -> None:
    """Lets the system notice that the other machine has gone."""
    found = connection._transport.get_extra_info("socket")
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):  # not on every system
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
