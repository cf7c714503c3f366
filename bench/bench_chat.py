"""Chat turns with history and retrieval, 16 connections, a model that answers at once: against LangChain and FastAPI on the same index."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import chatting
import common

MODEL = "scripted/once"


def main() -> None:
    figures = common.Figures()
    with chatting.folder() as place:
        try:
            models = chatting.models()
            ours = chatting.deskbell(Path(place), models, MODEL)
            reference = chatting.langchain(Path(place), models, MODEL)
            os.sched_setaffinity(0, common.cores[-1:])
            for each in (ours, reference):
                each.begin()
            loads = [(each.server, each.load()) for each in (ours, reference)]
            deskbell, langchain = common.alternate(loads, connections=16)
            figures.faster("chat turns", deskbell, "LangChain", langchain, 5)
        finally:
            for server in common.started:
                server.stop()
    sys.exit(1 if figures.missed else 0)


main()
