"""Everything beside the two APIs: health, metrics and the documentation pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deskbell.foundation.db import Database
from deskbell.operation import Operation
from deskbell.settings import Settings
from deskbell.surfaces.access_log import AccessLog


def build(operations: Sequence[Operation], database: Database, access_log: AccessLog, settings: Settings) -> Any:
    async def healthz(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/healthz", healthz)])
