"""The process that reads documents may have been taken over by one of them: what it says is checked before it is believed."""

from __future__ import annotations

import asyncio
import socket
from threading import Thread
from typing import Any

import pytest

from deskbell.knowledge.extraction.client import WorkerDied, exchange
from deskbell.knowledge.extraction.protocol import (
    CHUNKS,
    FRAME,
    DocumentHeader,
    FeedHeader,
    Rejected,
    encode,
    encode_frame,
)
from deskbell.knowledge.extraction.validation import AnalyzedDocument, InvalidReply, document_of, entries_of, reply_of

GOOD = ["We repair roofs.", ["Roofs"], 3, "roof", "repair roof"]


def read(*frames: Any, title: str = "Guide", language: str = "en", chunks: int = 1) -> AnalyzedDocument:
    """What the server makes of an answer."""
    answer = [encode(each) for each in (DocumentHeader(title, language, chunks), *frames)]
    head = reply_of(answer)
    assert isinstance(head, DocumentHeader)
    return asyncio.run(document_of(head, answer[1:]))


def test_an_honest_answer_is_taken_as_it_is() -> None:
    found = read([GOOD] * CHUNKS, [GOOD], chunks=CHUNKS + 1)
    assert len(found.chunks) == CHUNKS + 1
    assert (found.title, found.language, found.chunks[-1].text) == ("Guide", "en", "We repair roofs.")


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, ""), (0, "x" * 5_000), (0, 7), (0, "a\0b"), (0, None), (1, ["x"] * 7), (1, ["x" * 1_001]), (1, "Roofs"), (1, ["\0"]), (2, -1),
     (2, 2**40), (2, "3"), (3, "x" * 200_001), (3, "a\0"), (4, ["roof"]), (4, "\0")],
    ids=lambda each: repr(each)[:12],
)  # fmt: skip
def test_a_passage_that_is_none_is_not_believed(place: int, value: object) -> None:
    with pytest.raises(InvalidReply):
        read([[*GOOD[:place], value, *GOOD[place + 1 :]]])


@pytest.mark.parametrize("rows", [[], [[GOOD], [GOOD]], [[]], [[GOOD[:3]]], ["x"], [[GOOD] * 40, [GOOD]]], ids=str)
def test_passages_in_another_number_are_not_believed(rows: list[Any]) -> None:
    with pytest.raises(InvalidReply):
        read(*rows)


@pytest.mark.parametrize(
    "head", [{"title": "x" * 2_001}, {"title": "\0"}, {"language": "english"}, {"chunks": -1}], ids=str
)
def test_a_head_that_is_none_is_not_believed(head: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        read([GOOD], **head)


@pytest.mark.parametrize(
    "said", [b"", b"\xc1", b"\x91" * 5_000, encode({"type": "other"}), b"\x81\xa4type\xa2\xff\xfe"], ids=str
)
def test_what_is_no_message_is_not_believed(said: bytes) -> None:
    with pytest.raises(InvalidReply):
        reply_of([said])
    with pytest.raises(InvalidReply):
        reply_of([])


def test_a_reason_that_no_database_takes_is_not_believed() -> None:
    assert reply_of([encode(Rejected("It is empty."))]) == Rejected("It is empty.")
    with pytest.raises(InvalidReply):
        reply_of([encode(Rejected("It is\0empty."))])


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.example/" + "x" * 2_000, "http://a\0"])
def test_an_entry_leads_to_the_web_or_nowhere(url: str) -> None:
    def item(url: str | None) -> bytes:
        return encode({"id": "1", "url": url, "title": None, "published": None, "blocks": []})

    assert asyncio.run(entries_of(FeedHeader(2), [item("https://a.example/"), item(None)]))[1].url is None
    with pytest.raises(InvalidReply):
        asyncio.run(entries_of(FeedHeader(1), [item(url)]))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\0",
        (FRAME + 1).to_bytes(4, "big") + b"x",
        encode_frame("whole") + encode_frame("cut short")[:-1],
        encode_frame("x" * 900) * 2,
    ],
    ids=["nothing", "half a length", "a huge frame", "a cut frame", "too much in all"],
)
def test_an_answer_that_is_cut_short_or_too_long_ends_the_reading(said: bytes) -> None:
    ours, theirs = socket.socketpair()

    def child() -> None:
        with theirs:
            theirs.sendall((0x7FFFFFF0).to_bytes(4, "big"))  # of no process, which the server will try to end
            while theirs.recv(100):
                pass
            theirs.sendall(said)

    speaking = Thread(target=child)
    speaking.start()
    with pytest.raises(WorkerDied):
        asyncio.run(exchange(ours, (b"request", b"data"), 5, 1_000))
    speaking.join()
