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
            durable = chatting.langchain(Path(place), models, MODEL)
            fleeting = chatting.langchain(Path(place), models, MODEL, durable=False)
            os.sched_setaffinity(0, common.cores[-1:])
            for each in (ours, durable, fleeting):
                each.begin()
            loads = [(each.server, each.load()) for each in (ours, durable, fleeting)]
            deskbell, langchain, in_memory = common.alternate(loads, connections=16)
            figures.faster("chat turns, saved", deskbell, "LangChain", langchain, 5)
            figures.faster("chat turns, theirs not saved", deskbell, "LangChain", in_memory, None)
        finally:
            for server in common.started:
                server.stop()
    sys.exit(1 if figures.missed else 0)


main()
