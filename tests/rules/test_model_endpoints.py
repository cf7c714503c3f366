"""What a model's endpoint may do wrong on the wire: a clear reason, no connection that stays behind, and no word of another answer."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable

import pytest

from deskbell.agents.models import connections
from deskbell.agents.models.base import ModelRequest, ModelUnavailable, ModelUsage
from deskbell.agents.models.openai_compatible import Provider
from deskbell.agents.models.settings import Endpoint

KEY = "sk-very-secret-and-long"
QUESTION = ModelRequest("Be brief.", [], "Hello?", [], False)
EVENTS = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
HELLO = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
END = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

THOUGHT = '"choices":[{"index":0,"delta":{"content":null,"reasoning":"Hm"}}]}\n\n'
THINKING = 'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","provider":"p",' + THOUGHT

NOTICED = 5.0  # seconds within which the end of a connection is seen

Play = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


def whole(body: str, head: str = EVENTS) -> bytes:
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


class Endpoints:
    """A server that plays the same trick on every question, the number of its connection given, and what became of the questions."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.met = self.connected = self.left_open = 0
        self.changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        self.connected += 1
        number = self.met
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                [length] = re.findall(rb"(?im)^content-length: (\d+)", head)
                await reader.readexactly(int(length))
                await self.play(writer, number)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            async with self.changed:
                self.connected -= 1
                self.changed.notify_all()

    async def remaining(self) -> int:
        """Connections that their client keeps, once those that it closes have been noticed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NOTICED), self.changed:
                await self.changed.wait_for(lambda: not self.connected)
        return self.connected

    async def asked(self, rounds: int, at_once: int, patience: float, retries: int, closing: bool) -> list[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        provider = Provider(Endpoint(f"http://127.0.0.1:{port}/v1", KEY, "m", "", patience, patience, retries))
        said = []
        for _ in range(rounds):
            said += await asyncio.gather(*(reply(provider) for _ in range(at_once)))
        self.left_open = await self.remaining() if closing else self.connected
        await provider.close()
        server.close()
        return said


async def reply(provider: Provider) -> str:
    """What the model says, or why it says nothing."""
    try:
        return "".join([piece async for piece in provider.reply("a/m", QUESTION) if not isinstance(piece, ModelUsage)])
    except ModelUnavailable as failure:
        return str(failure)


def ask(
    play: Play, rounds: int = 1, *, at_once: int = 1, patience: float = 20.0, retries: int = 0, closing: bool = False
) -> tuple[list[str], Endpoints]:
    endpoints = Endpoints(play)
    return asyncio.run(endpoints.asked(rounds, at_once, patience, retries, closing)), endpoints


def saying(*pieces: bytes) -> Play:
    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return play


async def forever(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-a: " + b"b" * 5000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nx-a: ", b"b" * 5000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
        (EVENTS.encode() + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-a: " + b"b" * 5000 + b"\r\n"),
    ],
    ids=["headers", "header", "interim", "trailers"],
)
def test_a_head_without_an_end_is_not_read_for_long(head: bytes, piece: bytes) -> None:
    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(head)
        await forever(writer, piece)

    [said], endpoints = ask(play, closing=True)
    assert "beside an answer" in said
    assert endpoints.left_open == 0


@pytest.mark.parametrize("piece", [b"x" * 10_000, b"data: 1,\n" * 1000], ids=["line", "event"])
def test_an_event_without_an_end_is_refused(piece: bytes) -> None:
    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(EVENTS.encode() + b"\r\n")
        await forever(writer, piece)

    [said], endpoints = ask(play, closing=True)
    assert "has no end" in said
    assert endpoints.left_open == 0


def test_an_error_that_never_ends_leaves_no_connection_behind() -> None:
    said, endpoints = ask(saying(b"HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\nno"), 2, patience=0.2, closing=True)
    assert said == ["it was silent, or wrote, for too long"] * 2
    assert endpoints.left_open == 0


def test_an_answer_that_nobody_asked_for_is_nobodys_answer() -> None:
    surplus = whole(HELLO.replace("Hello", "Bogus") + END)

    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(whole(HELLO.replace("Hello", f"Hello {number}") + END) + surplus)

    said, endpoints = ask(play, 3, closing=True)
    assert said == ["Hello 1", "Hello 2", "Hello 3"]
    assert endpoints.left_open == 0


@pytest.mark.parametrize(
    "body",
    [
        HELLO + END,
        (HELLO + END).replace("\n", "\r\n"),
        ": welcome\n\nretry: 5\nevent: message\nid: 1\n" + HELLO + ":\n\n" + END,
        (HELLO + END).replace("data: ", "data:"),
        (HELLO + END).replace("\n\n", "\n"),
        HELLO.replace("[{", "\ndata: [\ndata: {").replace("]}", "\ndata: ]\ndata: }") + END,
        "data:\n\n" + HELLO + "data:\n\n" + END.rstrip("\n"),
    ],
    ids=["plain", "carriage returns", "comments", "no spaces", "no empty lines", "many lines", "empty events"],
)
def test_events_may_be_written_in_every_way_of_the_standard(body: str) -> None:
    cut = whole(body)
    for pieces in ([cut], [cut[at : at + 7] for at in range(0, len(cut), 7)]):
        assert ask(saying(*pieces), 2)[0] == ["Hello", "Hello"]


def test_an_answer_that_is_done_needs_no_end_of_its_connection() -> None:
    begun = EVENTS.encode() + b"transfer-encoding: chunked\r\n\r\n"
    text = (HELLO + END).encode()
    said, endpoints = ask(saying(begun + f"{len(text):x}\r\n".encode() + text + b"\r\n"), closing=True)
    assert said == ["Hello"]
    assert endpoints.left_open == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (whole(HELLO + END, EVENTS + "content-encoding: gzip\r\n"), "it compressed its answer"),
        (whole("", "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n"), "it answered 302"),
        (whole("no", "HTTP/1.1 429 No\r\nretry-after: ²\r\n").decode().encode("latin-1"), "it answered 429: no"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "it does not speak HTTP"),
        (whole("data: {\xe9}\n\n").decode().encode("latin-1"), "no JSON object"),
    ],
    ids=["compressed", "redirect", "odd wait", "no HTTP", "upgrade", "no UTF-8"],
)
def test_what_is_no_answer_is_told_as_what_it_is(answer: bytes, reason: str) -> None:
    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answer)
        writer.write_eof()

    [said], _ = ask(play)
    assert reason in said


@pytest.mark.parametrize("before", [0, 80, 90, 99, 280, 299, 400])
def test_no_part_of_the_key_is_in_a_reason(before: int) -> None:
    for answer in (
        whole("x" * before + KEY, "HTTP/1.1 401 No\r\n"),
        whole(f"data: {'x' * before}{KEY}}}\n\n"),
        whole(f'data: {{"error":"{"x" * before}{KEY}"}}\n\n'),
    ):
        [said], _ = ask(saying(answer))
        assert KEY[:4] not in said
        assert len(said) <= 300


def test_a_host_that_cannot_be_is_no_answer() -> None:
    async def said() -> str:
        provider = Provider(Endpoint("http://models..example/v1", "", "m", "", 20, 20, 0))
        try:
            return await reply(provider)
        finally:
            await provider.close()

    assert asyncio.run(said()).startswith("no connection")


def test_many_chats_at_once_share_what_connections_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    said, endpoints = ask(saying(whole(HELLO + END)), 3, at_once=60)
    assert said == ["Hello"] * 180
    assert endpoints.met == endpoints.left_open == 60
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.01)
    assert ask(saying(whole(HELLO + END)), 2, at_once=60, closing=True)[1].left_open < 60


@pytest.fixture
def openrouter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskbell.agents.models.openrouter.HOSTS", ("127.0.0.1",))


async def pieces(answer: str) -> list[str]:
    """The pieces of an answer as they come; empty ones are signs of life."""
    server = await asyncio.start_server(Endpoints(saying(whole(answer))).serve, "127.0.0.1", 0)
    provider = Provider(Endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", KEY, "m"))
    found = [piece async for piece in provider.pieces("a/m", QUESTION) if isinstance(piece, str)]
    await provider.close()
    server.close()
    return found


def test_a_model_that_thinks_has_begun() -> None:
    """It is then waited for as within an answer. Of what it thinks nothing is shown."""
    assert asyncio.run(pieces(THINKING + HELLO + END)) == ["", "Hello"]


@pytest.mark.usefixtures("openrouter")
def test_a_model_of_openrouter_that_thinks_has_begun() -> None:
    assert asyncio.run(pieces(THINKING + HELLO + END)) == ["", "Hello"]


@pytest.mark.usefixtures("openrouter")
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ('{"choices":{"delta":{"content":"Hi"}}}', "choices that are no list"),
        ('{"choices":["Hi"]}', "a choice that is no JSON object"),
        ('{"choices":[{"delta":{"content":"Hi"},"finish_reason":"error"}]}', "broke off with an error"),
        ('{"error":{"code":502,"message":"upstream is gone"},"choices":[]}', "upstream is gone"),
    ],
    ids=["choices", "choice", "finish", "error"],
)
def test_an_event_that_is_none_of_openrouters_is_refused(event: str, reason: str) -> None:
    [said], _ = ask(saying(whole(f"data: {event}\n\n{END}")))
    assert reason in said


@pytest.mark.parametrize(("code", "asked"), [(429, 2), (502, 2), (400, 1), ('"429"', 1), ("[]", 1)])
def test_an_error_within_a_stream_is_asked_again_where_its_status_would_be(code: object, asked: int) -> None:
    """OpenRouter has begun its answer, as 200, when a provider behind it refuses."""
    times = 0

    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal times
        times += 1
        error = f'data: {{"error":{{"code":{code},"message":"busy"}},"choices":[]}}\n\n'
        writer.write(whole(": PROCESSING\n\n" + error if times == 1 else HELLO + END))

    [said], _ = ask(play, retries=1)
    assert times == asked
    assert (said == "Hello") is (asked == 2)


def test_a_connection_that_was_closed_while_idle_costs_no_attempt() -> None:
    questions: dict[int, int] = {}

    async def play(writer: asyncio.StreamWriter, number: int) -> None:
        questions[number] = questions.get(number, 0) + 1
        if questions[number] == 1:
            writer.write(whole(HELLO + END))
        else:
            writer.transport.abort()

    assert ask(play, 3)[0] == ["Hello"] * 3
    assert questions == {1: 2, 2: 2, 3: 1}


def test_an_endpoint_that_never_answers_is_asked_as_often_as_is_set() -> None:
    said, endpoints = ask(lambda writer, number: closed(writer), retries=1)
    assert said == ["it closed the connection without an answer"]
    assert endpoints.met == 2


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
