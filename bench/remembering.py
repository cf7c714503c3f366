"""An embedder that remembers: the model's vectors of texts that it has met, kept in the machine's temporary folder. They take minutes to make."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import apsw
import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge.embedders import minilm

PLACE = Path(tempfile.gettempdir()) / "deskbell-bench-vectors.db"
LONG = 64  # texts after which what was made is kept


class Remembering(minilm.MiniLM):
    """`all-MiniLM-L6-v2`, which works only on texts that it does not know. Several processes may share the file."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.turn = threading.Lock()
        self.kept = apsw.Connection(str(PLACE))
        self.kept.set_busy_timeout(60_000)
        self.kept.execute("pragma journal_mode = wal; pragma synchronous = normal")
        self.kept.execute("create table if not exists vectors (text blob primary key, vector blob) without rowid")

    def embed_blocking(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.empty((len(texts), self.dimensions), np.float32)
        keys = [hashlib.sha256(f"{minilm.SHA256}\0{text}".encode()).digest() for text in texts]
        unknown: dict[str, list[int]] = {}
        for place, (key, text) in enumerate(zip(keys, texts, strict=True)):
            if (vector := self.known(key)) is None:
                unknown.setdefault(text, []).append(place)
            else:
                rows[place] = np.frombuffer(vector, np.float32)
        missing = list(unknown)
        for start in range(0, len(missing), LONG):
            part = missing[start : start + LONG]
            made = super().embed_blocking(part)
            with self.turn, self.kept:
                for text, row in zip(part, made, strict=True):
                    rows[unknown[text]] = row
                    key = keys[unknown[text][0]]
                    self.kept.execute("insert or ignore into vectors values (?, ?)", (key, row.tobytes()))
        return rows

    def known(self, key: bytes) -> bytes | None:
        with self.turn:
            found: bytes | None = self.kept.execute("select vector from vectors where text = ?", (key,)).get
        return found
