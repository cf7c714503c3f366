"""Deskbell in a process of its own: `python -m tests.conformance.serve URL PORT [fixtures]`.

With `fixtures` the conformance suite's tools take the place of ours, behind the same endpoint.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.desk import eventually, free_port

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def processes(url: str, count: int, *more: str) -> Iterator[dict[int, subprocess.Popen[bytes]]]:
    """So many servers on one database, each a process on a port of its own, by port."""
    started = {port: started_at(url, port, *more) for port in (free_port() for _ in range(count))}
    try:
        for port, process in started.items():
            eventually(lambda port=port, process=process: process.poll() is not None or answers(port), 30)  # type: ignore[misc]
            assert process.poll() is None, "a server did not start"
        yield started
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def started_at(url: str, port: int, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.conformance.serve", url, str(port), *more]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False
    return True


def main(url: str, port: str, what: str = "") -> None:
    import asyncio

    import uvicorn

    from deskbell.app import Deskbell
    from deskbell.settings import Settings
    from deskbell.surfaces.http.http_server import uvicorn_config
    from deskbell.surfaces.mcp.catalog import Catalog

    class Fixed(Deskbell):
        def mcp_catalogs(self) -> dict[str, Catalog]:
            from tests.conformance import fixtures

            return {"/mcp": Catalog({}, fixtures.build)}

    settings = Settings(access_log=False, database=url)
    application = Fixed(settings) if what == "fixtures" else Deskbell(settings)
    config = uvicorn_config(settings, application, host="127.0.0.1", port=int(port), log_level="error")
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
