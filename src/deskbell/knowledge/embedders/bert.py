"""A forward pass of BERT in numpy. Arrays: T tokens of all texts in a row, D dimensions, H heads, B texts, L tokens of the longest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from threadpoolctl import ThreadpoolController
from tokenizers import Tokenizer

Array = NDArray[np.float32]

HEADS = 12
EPSILON = np.float32(1e-12)


class Bert:
    """Weights and tokenizer, read from files."""

    def __init__(self, weights: Path, tokenizer: Path, most: int) -> None:
        self.tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(most)
        # Batches run in parallel instead: at this size threads within a matrix product cost more than they gain, and starve requests.
        ThreadpoolController().limit(limits=1, user_api="blas")
        raw: dict[str, Array] = load_file(weights)
        self.words = raw["embeddings.word_embeddings.weight"]
        self.positions = (
            raw["embeddings.position_embeddings.weight"] + raw["embeddings.token_type_embeddings.weight"][0]
        )
        self.norm = raw["embeddings.LayerNorm.weight"], raw["embeddings.LayerNorm.bias"]
        count = 1 + max(int(name.split(".")[2]) for name in raw if name.startswith("encoder.layer."))
        self.layers = [Layer(raw, f"encoder.layer.{number}.") for number in range(count)]

    def forward(self, texts: Sequence[Sequence[int]]) -> Array:
        """One vector of length 1 per text, from its token ids. Texts may differ in length; no text may be empty."""
        lengths = np.array([len(text) for text in texts])
        flat = np.concatenate([np.asarray(text, np.int64) for text in texts])
        starts = np.cumsum(lengths) - lengths
        at = np.arange(len(flat)) - np.repeat(starts, lengths)
        state = normed(self.words[flat] + self.positions[at], *self.norm)
        # Only attention needs the texts apart; everything else works on the tokens in a row, so padding costs little.
        spread = np.repeat(np.arange(len(texts)) * lengths.max(), lengths) + at
        pad = Padding(len(texts), int(lengths.max()), spread, lengths)
        for layer in self.layers:
            state = layer(state, pad)
        means: Array = np.add.reduceat(state, starts, axis=0)
        means /= lengths[:, None]
        means /= np.maximum(np.sqrt(np.einsum("bd,bd->b", means, means)), EPSILON)[:, None]
        return means


class Padding:
    """Maps the tokens in a row to B texts of L positions each."""

    def __init__(self, texts: int, longest: int, spread: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        self.shape = texts, longest
        self.spread = spread
        self.full = len(spread) == texts * longest
        self.mask: Array = (np.arange(longest) < lengths[:, None]).astype(np.float32)[:, None, :, None]

    def split(self, state: Array) -> Array:
        """(T, D) to (B, H, L, D / H); zeros after the end of a text."""
        texts, longest = self.shape
        if not self.full:
            padded = np.zeros((texts * longest, state.shape[1]), np.float32)
            padded[self.spread] = state
            state = padded
        return state.reshape(texts, longest, HEADS, -1).transpose(0, 2, 1, 3)

    def join(self, state: Array) -> Array:
        """The reverse."""
        flat: Array = state.transpose(0, 2, 1, 3).reshape(self.shape[0] * self.shape[1], -1)
        return flat if self.full else flat[self.spread]


class Layer:
    """Attention and feed-forward, each with a residual connection and normalization."""

    def __init__(self, raw: dict[str, Array], at: str) -> None:
        def linear(*names: str) -> tuple[Array, Array]:
            weights = np.concatenate([raw[f"{at}{name}.weight"] for name in names])
            return np.ascontiguousarray(weights.T), np.concatenate([raw[f"{at}{name}.bias"] for name in names])

        def norm(name: str) -> tuple[Array, Array]:
            return raw[f"{at}{name}.LayerNorm.weight"], raw[f"{at}{name}.LayerNorm.bias"]

        self.inner = linear("attention.self.query", "attention.self.key", "attention.self.value")
        self.outer = linear("attention.output.dense")
        self.attended = norm("attention.output")
        self.up, self.down = linear("intermediate.dense"), linear("output.dense")
        self.done = norm("output")
        width = len(self.outer[1])
        scale = np.float32((width // HEADS) ** -0.5)
        self.inner[0][:, :width] *= scale
        self.inner[1][:width] *= scale
        self.down[0][:] *= np.float32(0.5)  # for `twice_gelu`

    def __call__(self, state: Array, pad: Padding) -> Array:
        mixed = state @ self.inner[0]
        mixed += self.inner[1]
        query, key, value = (pad.split(each) for each in np.split(mixed, 3, axis=1))
        # Keys by queries: numpy reduces over the keys several times faster when these are not the last axis.
        scores: Array = key @ query.transpose(0, 1, 3, 2)
        scores -= scores.max(axis=2, keepdims=True)
        np.exp(scores, out=scores)
        if not pad.full:
            scores *= pad.mask
        mixture = scores.transpose(0, 1, 3, 2) @ value
        mixture /= scores.sum(axis=2)[..., None]
        attended = pad.join(mixture) @ self.outer[0]
        attended += self.outer[1]
        attended += state
        state = normed(attended, *self.attended)
        wide = state @ self.up[0]
        out = twice_gelu(wide, self.up[1]) @ self.down[0]
        out += self.down[1]
        out += state
        return normed(out, *self.done)


def normed(state: Array, weight: Array, bias: Array) -> Array:
    """Layer normalization, in place."""
    width = np.float32(state.shape[1])
    state -= state.sum(axis=1, keepdims=True) / width
    variance = np.einsum("td,td->t", state, state) / width
    state *= (1 / np.sqrt(variance + EPSILON))[:, None]
    state *= weight
    state += bias
    return state


BLOCK = 32  # rows whose intermediate results stay in the processor's cache


def twice_gelu(x: Array, bias: Array) -> Array:
    """2 (x + bias) Phi(x + bias), in place, to within 6e-5. Phi is the normal distribution; numpy has no erf.

    Phi(x) = (1 + tanh(x * p(x^2))) / 2 with a p fitted to that form by least worst error for |x| < 5.5, beyond which Phi is 0 or 1.
    """
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK]
        rows += bias
        square = np.minimum(rows * rows, np.float32(30))
        curve = square * np.float32(-3.5151680e-4)
        curve += np.float32(3.7005646e-2)
        curve *= square
        curve += np.float32(7.9750788e-1)
        curve *= rows
        np.tanh(curve, out=curve)
        curve += np.float32(1)
        rows *= curve
    return x
