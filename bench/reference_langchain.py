"""The usual way to serve such a chat: FastAPI, LangGraph with a checkpointer as memory, ChatOpenAI, and a retriever on the same index.

REFERENCE_PASSAGES is a JSON file of what Deskbell has indexed, REFERENCE_MODELS the address of the models. REFERENCE_MEMORY is the SQLite
file that holds the conversations, as Deskbell holds them; without one they are lost with the process. It asks for no key, counts no
requests, suggests no follow-ups, writes no log.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from deskbell.knowledge.index.memory import Index, IndexEntry
from deskbell.knowledge.text import analysis

passages: dict[str, dict[str, Any]] = {
    each["id"]: each for each in json.loads(Path(os.environ["REFERENCE_PASSAGES"]).read_text())
}


class Passages(BaseRetriever):
    index: Any
    top_k: int = 6

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found = self.index.search(query, None, None, self.top_k)
        return [
            Document(passages[hit.id]["text"], metadata={"source": passages[hit.id]["source"], "score": hit.score})
            for hit in found
            if hit.score >= 0.5
        ]


class State(MessagesState):
    documents: list[Document]


retriever = Passages(
    index=Index(0).changed(
        [
            IndexEntry(each["id"], analysis.terms(each["title"], "en"), analysis.terms(each["text"], "en"))
            for each in passages.values()
        ]
    )
)
llm = ChatOpenAI(
    model=os.environ["REFERENCE_MODEL"], base_url=os.environ["REFERENCE_MODELS"], api_key="none", stream_usage=True
)
prompt = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer from these passages and cite them as [n].\n\n{context}"),
        MessagesPlaceholder("messages"),
    ]
)
chain = prompt | llm


async def retrieve(state: State) -> dict[str, Any]:
    return {"documents": await retriever.ainvoke(state["messages"][-1].content)}


async def generate(state: State) -> dict[str, Any]:
    context = "\n\n".join(f"[{n}] {each.page_content}" for n, each in enumerate(state["documents"], start=1))
    return {"messages": [await chain.ainvoke({"context": context, "messages": state["messages"]})]}


builder = StateGraph(State)
builder.add_node("retrieve", retrieve)
builder.add_node("generate", generate)
builder.add_edge(START, "retrieve")
builder.add_edge("retrieve", "generate")
graph: Any = builder.compile(checkpointer=InMemorySaver())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    global graph
    file = os.environ.get("REFERENCE_MEMORY")
    if file is None:
        yield
        return
    async with AsyncSqliteSaver.from_conn_string(file) as memory:
        await memory.setup()
        await memory.conn.execute("PRAGMA synchronous=FULL")
        graph = builder.compile(checkpointer=memory)
        yield


class Question(BaseModel):
    message: str
    conversation_id: str | None = None
    stream: bool = False


class Source(BaseModel):
    number: int
    source: str
    relevanceScore: float
    text: str


class Reply(BaseModel):
    response: str
    conversationId: str
    usage: dict[str, int]
    sources: list[Source]


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/chat", response_model=None)
async def chat(question: Question) -> Reply | StreamingResponse:
    thread = question.conversation_id or str(uuid4())
    config: Any = {"configurable": {"thread_id": thread}}
    asked: Any = {"messages": [HumanMessage(question.message)]}
    if question.stream:
        return StreamingResponse(streamed(asked, config), media_type="text/event-stream")
    state = await graph.ainvoke(asked, config)
    reply = state["messages"][-1]
    took = reply.usage_metadata or {}
    return Reply(
        response=reply.content,
        conversationId=thread,
        usage={name: took.get(name, 0) for name in ("input_tokens", "output_tokens", "total_tokens")},
        sources=[
            Source(
                number=n,
                source=each.metadata["source"],
                relevanceScore=each.metadata["score"],
                text=each.page_content,
            )
            for n, each in enumerate(state["documents"], start=1)
        ],
    )


async def streamed(asked: Any, config: Any) -> AsyncIterator[str]:
    async for message, _ in graph.astream(asked, config, stream_mode="messages"):
        if message.content:
            yield f"event: delta\ndata: {json.dumps({'text': message.content})}\n\n"
    yield "event: done\ndata: {}\n\n"
