"""Time to the first streamed word above the model's own, with 50 chats at once that all stream: the model's answers take a while each."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import sys
import time
from pathlib import Path

import chatting
import common
import uvloop
from load import request

CHATS = 50
MODEL = "scripted/paced"  # it begins after 0.3 s and says a word every 20 ms
TURNS = 6  # of each chat
BOUND = 5.0  # ms


class Chat:
    """One reader: sends a request, notes when the first word is there, and reads to the end."""

    def __init__(self, port: int, mark: bytes) -> None:
        self.port, self.mark = port, mark
        self.firsts: list[float] = []

    async def turn(self, data: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        started, seen, received = time.perf_counter(), False, b""
        writer.write(data)
        while not received.endswith(b"0\r\n\r\n"):
            piece = await reader.read(65536)
            if not piece:
                raise SystemExit(f"the answer broke off: {received[:300]!r}")
            received += piece
            if not seen and self.mark in received:
                seen = True
                self.firsts.append(time.perf_counter() - started)
        writer.close()
        if not seen:
            raise SystemExit(f"no word came: {received[:300]!r}")


async def crowd(port: int, mark: bytes, bodies: list[list[bytes]]) -> list[list[float]]:
    """All chats at once, each with its turns one after the other; the times to the first word by chat."""

    async def converse(chat: Chat, turns: list[bytes]) -> None:
        await asyncio.sleep(random.random() * 0.5)  # people do not begin together
        for data in turns:
            await chat.turn(data)

    chats = [Chat(port, mark) for _ in bodies]
    await asyncio.gather(*(converse(chat, turns) for chat, turns in zip(chats, bodies, strict=True)))
    return [chat.firsts for chat in chats]


def to_model(number: int) -> bytes:
    messages = [{"role": "user", "content": chatting.question(number)}]
    return request("POST", "/v1/chat/completions", "none", {"model": MODEL, "stream": True, "messages": messages})


def main() -> None:
    figures = common.Figures()
    with chatting.folder() as place:
        try:
            models = chatting.models()
            ours = chatting.deskbell(Path(place), models, MODEL)
            os.sched_setaffinity(0, common.cores[-1:])
            direct = [[to_model(turn) for turn in range(TURNS)] for _ in range(CHATS)]
            through = [
                [request("POST", "/v1/chat", ours.key, ours.body(turn, None, stream=True)) for turn in range(TURNS)]
                for _ in range(CHATS)
            ]
            uvloop.run(crowd(ours.server.port, b'"text"', through[:4]))  # loads what is loaded once
            alone = uvloop.run(crowd(models.port, b'"content"', direct))
            before = ours.server.cpu()
            served = uvloop.run(crowd(ours.server.port, b'"text"', through))
            cpu = (ours.server.cpu() - before) * 1000 / (CHATS * TURNS)
        finally:
            for server in common.started:
                server.stop()
    own, with_us = (statistics.median(itertools.chain(*each)) * 1000 for each in (alone, served))
    slowest = max(statistics.median(each) for each in served) * 1000 - own
    figures.below("first word above the model's own, p50", with_us - own, "ms", BOUND, f"the model {own:,.1f} ms")
    figures.below("the same of the slowest chat", slowest, "ms", 10 * BOUND, "no chat starves")
    figures.line("processor time per streamed turn", f"{cpu:,.2f} ms", "", "", "reported", None)
    sys.exit(1 if figures.missed else 0)


main()
