"""What the benchmarks of chat share: models that answer at once, a Deskbell with a knowledge base, and LangChain on the same passages."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import httpx2
from load import Load, Request, request

from deskbell.knowledge.extraction.chunks import split_into_chunks
from deskbell.knowledge.extraction.document import Block, ParsedDocument

ROOT = Path(__file__).parent.parent
KINDS = ("shingle", "metal", "slate", "tile", "cedar", "flat")
DOCUMENTS = 120
CONVERSATIONS = 400
EARLIER = 2  # turns that each conversation has had before it is measured
RESULT = "Shingle roofs carry a ten-year warranty"


WORDS = [
    "ridge",
    "valley",
    "gutter",
    "flashing",
    "underlayment",
    "deck",
    "truss",
    "vent",
    "soffit",
    "fascia",
    "dormer",
    "skylight",
    "chimney",
    "nail",
    "sealant",
    "ladder",
    "crew",
    "permit",
    "inspection",
    "estimate",
    "invoice",
    "storm",
    "hail",
    "wind",
    "moss",
    "attic",
    "insulation",
    "warranty",
    "leak",
    "repair",
    "coating",
    "primer",
    "panel",
    "seam",
    "batten",
]


def talk_of(number: int) -> str:
    """Some more sentences, so that documents differ as real ones do."""
    chance = random.Random(number)
    return " ".join(
        " ".join(chance.choices(WORDS, k=chance.randint(5, 12))).capitalize() + "." for _ in range(chance.randint(2, 9))
    )


def text(number: int) -> str:
    kind = KINDS[number % len(KINDS)]
    return (
        f"# Model {number}\n\n## Price\nModel {number} is a {kind} roof and costs {400 + number} dollars per square. {talk_of(number)}\n\n"
        f"## Warranty\nThe warranty on model {number} is {5 + number % 40} years on labor and {number % 12} on paint. {talk_of(number + 1000)}\n\n"
        f"## Care\nClean model {number} every {1 + number % 9} months with plain water. Call us when {kind} cracks.\n"
    )


def question(number: int) -> str:
    what = ("What does model {} cost?", "How long is the warranty on model {}?", "How do I clean model {}?")[number % 3]
    return what.format(number % DOCUMENTS)


class Talker:
    """A server that chats: its address and key, the agent, and the ids of its conversations."""

    def __init__(self, server: common.Server, key: str, agent: str | None = None) -> None:
        self.server, self.key, self.agent = server, key, agent
        self.conversations: list[str] = []

    def body(self, number: int, conversation: str | None, **more: Any) -> dict[str, Any]:
        return {"agent_id": self.agent, "message": question(number), "conversation_id": conversation, **more}

    def begin(self) -> None:
        """Begins the conversations that are measured later."""
        with httpx2.Client(timeout=60, trust_env=False) as http:
            for number in range(CONVERSATIONS):
                conversation = None
                for turn in range(EARLIER):
                    answer = http.post(
                        f"http://127.0.0.1:{self.server.port}/v1/chat",
                        json=self.body(number + turn, conversation),
                        headers={"authorization": f"Bearer {self.key}"},
                    )
                    conversation = answer.raise_for_status().json()["conversationId"]
                self.conversations.append(str(conversation))

    def load(self) -> Load:
        def requests() -> Any:
            number = 0
            while True:
                number += 1
                body = self.body(number, self.conversations[number % CONVERSATIONS])
                yield Request(request("POST", "/v1/chat", self.key, body), number)

        return Load(requests(), 200, right)


def right(body: Any, number: int) -> bool:
    """Whether the model's words came, with passages on what was asked."""
    about = f"model {number % DOCUMENTS} "
    found = [source["text"].lower() for source in body.get("sources", [])]
    return RESULT in body["response"] and any(about in each or about.strip() in each for each in found)


def models() -> common.Server:
    """The scripted models, on the core of the load."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), *common.PLAIN, "tests.models:application"]
    server = common.Server("models", command)
    os.sched_setaffinity(server.process.pid, common.cores[-1:])
    return server


def address(models: common.Server) -> str:
    return f"http://127.0.0.1:{models.port}/v1"


def deskbell(folder: Path, models: common.Server, model: str) -> Talker:
    """Deskbell with its access log, an agent and its documents. Keywords find the passages, as they do for the reference."""
    file = folder / "deskbell.db"

    def call(*words: str) -> Any:
        command = [sys.executable, "-m", "deskbell", "--database", f"sqlite:///{file}", *words, "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    organization = call("org", "create", "Roofs")["id"]
    application = call("app", "create", "--org", organization, "--name", "Bench", "--type", "backend-service")
    key = call("app", "key", "create", "--app", application["id"])["key"]
    server = common.Server(
        "Deskbell",
        [sys.executable, "-m", "deskbell", "serve", "--database", f"sqlite:///{file}"],
        DESKBELL_LLM_BASE_URL=address(models),
        DESKBELL_EMBEDDER="none",
        DESKBELL_AGENT_REQUESTS_PER_MINUTE="1000000000",
    )
    headers = {"authorization": f"Bearer {key}"}
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{server.port}/v1", headers=headers, timeout=60, trust_env=False
    ) as http:
        base = http.post("/knowledge-bases", json={"name": "Models"}).raise_for_status().json()["id"]
        for number in range(DOCUMENTS):
            files = {"file": (f"model{number}.md", text(number), "text/markdown")}
            http.post(f"/knowledge-bases/{base}/documents", files=files).raise_for_status()
        while http.get(f"/knowledge-bases/{base}").json()["readyCount"] < DOCUMENTS:
            time.sleep(0.1)
        new = {"name": "Desk", "model": model, "system_prompt": "You are brief.", "kb_ids": [base]}
        agent = http.post("/agents", json=new).raise_for_status().json()["id"]
        http.post(f"/agents/{agent}/publish").raise_for_status()
    return Talker(server, key, agent)


def langchain(folder: Path, models: common.Server, model: str, *, durable: bool = True) -> Talker:
    """The reference on the same passages, in an environment of its own. `durable` memory is in a file, as Deskbell's is."""
    passages = []
    for number in range(DOCUMENTS):
        lines = [line for line in text(number).splitlines() if line]
        blocks = [Block(line.lstrip("# "), len(line) - len(line.lstrip("#"))) for line in lines]
        paper = ParsedDocument(f"Model {number}", blocks)
        for chunk in split_into_chunks(paper):
            id = f"{number}.{chunk.position}"
            passages.append(
                {"id": id, "title": chunk.heading_line(paper.title), "text": chunk.text, "source": f"model{number}.md"}
            )
    (folder / "passages.json").write_text(json.dumps(passages))
    memory = {"REFERENCE_MEMORY": str(folder / "memory.db")} if durable else {}
    server = common.Server(
        "LangChain" if durable else "LangChain in memory",
        [langchain_python(), *common.UVICORN, "reference_langchain:app"],
        PYTHONPATH=str(ROOT / "src"),
        REFERENCE_PASSAGES=str(folder / "passages.json"),
        REFERENCE_MODELS=address(models),
        REFERENCE_MODEL=model,
        **memory,
    )
    return Talker(server, "none")


def langchain_python() -> str:
    """The interpreter that has LangChain: it is too much to have for nothing but a benchmark, so it is installed apart, once."""
    place = Path(os.environ.get("BENCH_LANGCHAIN", ROOT / "build" / "langchain"))
    python = place / "bin" / "python"
    if not python.exists():
        print(f"Installing LangChain into {place}")
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(Path(__file__).with_name("langchain.txt"))]
        subprocess.run(install, check=True)
    return str(python)


def folder() -> Any:
    return tempfile.TemporaryDirectory(prefix="deskbell-bench-")
