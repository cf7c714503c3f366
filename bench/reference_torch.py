"""all-MiniLM-L6-v2 by transformers and torch on one core: reference_torch.py MODEL TOKENS, in an environment that has both.

Reads a JSON list of texts, then for each further line embeds them and writes the processor seconds that this took.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from transformers import AutoModel, AutoTokenizer

BATCH = 32  # texts of like length

torch.set_num_threads(1)
folder, tokens = sys.argv[1], int(sys.argv[2])
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def embed(texts: list[str]) -> None:
    ordered = sorted(texts, key=len)
    with torch.inference_mode():
        for start in range(0, len(ordered), BATCH):
            some = ordered[start : start + BATCH]
            batch = tokenizer(some, padding=True, truncation=True, max_length=tokens, return_tensors="pt")
            shown = batch["attention_mask"].unsqueeze(-1).float()
            states = model(**batch).last_hidden_state * shown
            torch.nn.functional.normalize(states.sum(1) / shown.sum(1), dim=1)


texts = json.loads(sys.stdin.readline())
for _ in sys.stdin:
    start = time.process_time()
    embed(texts)
    print(time.process_time() - start, flush=True)
