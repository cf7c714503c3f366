"""Listeners on loopback: a web server that misbehaves as it is told, and a canary that only counts who connects."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Conversation = Callable[[socket.socket, str], None]
"""Given the connection and the request's text; the connection is closed afterwards."""


class Listener:
    def __init__(self, address: str, conversation: Conversation | None) -> None:
        self.conversation = conversation
        self.requests: list[str] = []
        self.connections = 0
        self.socket = socket.create_server((address, 0))
        self.port: int = self.socket.getsockname()[1]
        self.url = f"http://{address}:{self.port}/"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections += 1
                threading.Thread(target=self.chat, args=(connection,), daemon=True).start()

    def chat(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(60)
            request = connection.recv(65536).decode("latin-1")
            self.requests.append(request)
            if self.conversation:
                self.conversation(connection, request)


@contextmanager
def listening(conversation: Conversation | None = None, address: str = "127.0.0.1") -> Iterator[Listener]:
    listener = Listener(address, conversation)
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.socket.shutdown(socket.SHUT_RDWR)
        listener.socket.close()
        thread.join()


def answering(head: str, body: bytes = b"") -> Conversation:
    """Answers every request alike. `head` is the status and headers, without the length."""
    lines = head.strip().splitlines()
    message = "\r\n".join(["HTTP/1.1 " + lines[0], *lines[1:], f"Content-Length: {len(body)}", "", ""]).encode() + body
    return lambda connection, request: connection.sendall(message)
