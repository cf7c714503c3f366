"""How fast the offline embedder works, against the same weights by torch where it is installed. Both have one thread on one core, in turns.

Torch is no dependency: `BENCH_TORCH` names an environment that has it and transformers; without, it is looked for in this one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import common
from threadpoolctl import threadpool_limits

from deskbell.knowledge.embedders import minilm

TEXTS, ROUNDS = 16, common.ROUNDS
CHARACTERS = 300, 1000  # of a passage, from and to
HERE = Path(__file__).parent
chance = random.Random(5)


def passages() -> list[str]:
    """Passages of an English text's usual words, as long as chunks are."""
    words = (HERE.parent / "README.md").read_text(encoding="utf-8").split()
    words += (HERE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").split()
    found = []
    for _ in range(TEXTS):
        start = chance.randrange(len(words) - 300)
        found.append(" ".join(words[start : start + 300])[: chance.randint(*CHARACTERS)])
    return found


class Torch:
    """The reference in a process of its own, on the same core."""

    def __init__(self, python: str, texts: list[str]) -> None:
        command = [python, str(HERE / "reference_torch.py"), str(minilm.installed_folder()), str(minilm.MAX_TOKENS)]
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=os.environ | one, text=True, **pipes)  # type: ignore[call-overload]
        self.process.stdin.write(json.dumps(texts) + "\n")

    def seconds(self) -> float:
        """Processor seconds of one round."""
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def torch(texts: list[str]) -> Torch | None:
    if place := os.environ.get("BENCH_TORCH"):
        return Torch(str(Path(place) / "bin" / "python"), texts)
    there = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    return Torch(sys.executable, texts) if there else None


def seconds(embedder: minilm.MiniLM, texts: list[str]) -> float:
    start = time.process_time()
    embedder.embed_blocking(texts)
    return time.process_time() - start


def bench(figures: common.Figures) -> None:
    texts, embedder = passages(), minilm.MiniLM(1)
    reference = torch(texts)
    seconds(embedder, texts)
    if reference is None:
        rate = TEXTS / statistics.median(seconds(embedder, texts) for _ in range(ROUNDS))
        figures.line("embedding on one core", f"{rate:.1f} passages/s", "torch is not installed", "", "reported", None)
        return
    try:
        reference.seconds()
        rounds = [(seconds(embedder, texts), reference.seconds()) for _ in range(ROUNDS)]
    finally:
        reference.stop()
    ours, theirs = (TEXTS / statistics.median(each) for each in zip(*rounds, strict=True))
    ratio = statistics.median(other / own for own, other in rounds)
    figures.line(
        "embedding on one core",
        f"{ours:.1f} passages/s",
        f"torch {theirs:.1f}/s",
        f"{ratio:.2f}x",
        "at least 1x",
        ratio >= 1,
    )


def main() -> None:
    if minilm.model_folder() is None:
        print(f"  skipped: the offline embedder is not installed. {minilm.HOW}")
        return
    figures = common.Figures()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.sched_setaffinity(0, common.cores[-1:])
    with threadpool_limits(limits=1, user_api="blas"):
        bench(figures)
    sys.exit(1 if figures.missed else 0)


main()
