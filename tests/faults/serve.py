"""A server in a process of its own, to be killed: `python -m tests.faults.serve FILE PORT [flaw]`.

A flaw is a server that breaks one promise, for the tests to catch: "early" answers before it commits; "dies" loses its process
when the carrier has taken a text and the record of it is not yet written.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

import uvicorn
from msgspec.structs import replace

from deskbell.app import Deskbell
from deskbell.conversations.carriers.simulator import Simulator
from deskbell.foundation.sqlite import exclusive, prepare
from deskbell.foundation.sqlite.writer import Writer
from deskbell.settings import load
from deskbell.surfaces.http.http_server import uvicorn_config


def answer_early() -> None:
    """Tells every caller yes, and commits a moment later."""
    run = Writer.run

    def run_and_answer(self: Writer, session: Any, batch: Any) -> None:
        run(self, session, batch)
        told = threading.Event()
        self.loop.call_soon_threadsafe(lambda: ([unit.resolve() for unit in batch], told.set()))
        told.wait()
        time.sleep(0.02)

    Writer.run = run_and_answer  # type: ignore[method-assign]


def die_after_the_carrier() -> None:
    send = Simulator.send

    async def send_and_die(self: Simulator, text: Any) -> Any:
        await send(self, text)
        os.kill(os.getpid(), signal.SIGKILL)

    Simulator.send = send_and_die  # type: ignore[method-assign]


FLAWS = {"early": answer_early, "dies": die_after_the_carrier}


def main(path: str, port: str, flaw: str = "") -> None:
    if flaw:
        FLAWS[flaw]()
    with exclusive(path):
        prepare(path, migrate=True)
        settings = replace(load(), access_log=False, database=f"sqlite:///{path}")
        config = uvicorn_config(settings, Deskbell(settings), port=int(port), log_level="error")
        asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
