"""Settings, read from the environment here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation decides. Each field is the environment variable `DESKBELL_` + its name in capitals."""

    database: str = "sqlite:///deskbell.db"
    """Where the data is: `sqlite:///FILE` (relative), `sqlite:////FILE` (absolute) or `postgresql://USER:PASSWORD@HOST/NAME`."""
    host: str = "127.0.0.1"
    """The address that `deskbell serve` listens on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """The port that `deskbell serve` listens on; 0 takes a free one."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """How many processes serve the port. More than one needs PostgreSQL."""
    metrics_token: str = ""
    """Bearer token for `/metrics`. Without one, only the same machine may read it."""
    access_log: bool = True
    """One JSON line per request on standard output."""
    agent_requests_per_minute: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 600
    """How many requests a minute each `brs_live_` key may make under `/v1`."""
    full_access_types: str = "backend-service"
    """Types of applications, separated by commas, whose keys may call everything under `/v1`. Others list and read agents, chat, and search."""
    mcp_sessions: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """How many MCP sessions may be open at once, on all workers and nodes together."""
    mcp_sessions_per_key: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How many of them one API key may have; one more ends the key's own longest idle session. 0 is no limit."""
    mcp_idle_seconds: Annotated[float, Meta(ge=1, le=604_800)] = 1800.0
    """After how many seconds without a request or an open stream an MCP session ends."""
    mcp_allowed_origins: str = ""
    """Origins of web pages that may use `/mcp` beside the server's own, separated by commas; behind a proxy, also its public origin."""
    metering: bool = False
    """Whether work takes credits from the organization's wallet, and an empty one ends it with 402."""
    embedder: Literal["minilm", "openai", "none"] = "minilm"
    """What searches by meaning: `minilm` works offline, `openai` is any endpoint with OpenAI's `/embeddings`, `none` leaves keywords alone."""
    embedder_base_url: str = ""
    """The endpoint of the embedder `openai`, up to `/embeddings`: `https://api.openai.com/v1`."""
    embedder_api_key: str = ""
    """The endpoint's key, where it needs one."""
    embedder_model: str = ""
    """The endpoint's model. Another one embeds all documents anew in the background; searches go on with the old vectors meanwhile."""
    embedder_dimensions: Annotated[int, Meta(ge=0, le=8192)] = 0
    """How many numbers a vector of that model has."""
    upload_mib: Annotated[int, Meta(ge=1, le=1024)] = 25
    """The largest file that may be uploaded or fetched for a knowledge base, in MiB."""
    index_mib: Annotated[int, Meta(ge=16, le=1048576)] = 1024
    """How much memory a process may use for the indexes of knowledge bases, in MiB; those that were asked for longest ago leave it first."""
    large_base_chunks: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 200_000
    """Above how many chunks PostgreSQL with pgvector searches a knowledge base on disk. Smaller ones are searched in memory, on SQLite all."""
    feed_hours: Annotated[float, Meta(ge=0, le=8760)] = 24.0
    """How often a feed is looked at for new entries, in hours; 0 is once."""
    llm_base_url: Annotated[str, Meta(pattern=r"^(https?://\S+)?$")] = ""
    """Where language models are: any endpoint with OpenAI's Chat Completions, such as `https://openrouter.ai/api/v1`. Without, documents answer."""
    llm_api_key: Annotated[str, Meta(pattern=r"^[!-~]*$")] = ""
    """The key for it."""
    llm_model: str = ""
    """The model behind `deskbell/default`, for agents that go with what the operator has chosen."""
    llm_fallback_model: str = ""
    """The model that is asked when an agent's own gives no answer; `deskbell/extractive` is one that always does."""
    llm_first_byte_seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0
    """How long a model may take to begin its answer, or to let know that it thinks."""
    llm_idle_seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0
    """How long a model may pause within its answer."""
    llm_retries: Annotated[int, Meta(ge=0, le=10)] = 2
    """How often a model is asked again that is busy, broken or out of reach and has not begun to answer."""
    llm_prices: Annotated[str, Meta(pattern=r"^[\s,]*(\S+=\d+(\.\d+)?/\d+(\.\d+)?([\s,]+|$))*$")] = ""
    """US dollars per million tokens in and out of what does not tell: `openai/gpt-4o=2.5/10 *=1/3`; `*` is any other model, but no embedder."""
    llm_openrouter_providers: str = ""
    """Which of OpenRouter's providers may answer, in this order and no others: `anthropic, amazon-bedrock`. Without, OpenRouter chooses."""
    llm_follow_ups: bool = True
    """Whether models suggest what to ask next, at the end of the same reply: some fifty tokens more each. Otherwise the documents' headings do."""
    history_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] = 4000
    """How much of the earlier conversation a model is told, in tokens; about four letters are one."""
    drain_seconds: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """How long a stopping server waits for requests and jobs that are under way, from 0 to 3600."""


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. A value that cannot be read names its variable."""
    values: dict[str, str] = {}
    for field in msgspec.structs.fields(Settings):
        if text := environment.get(f"DESKBELL_{field.name.upper()}"):
            values[field.name] = text
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        complaint, _, place = str(error).partition(" - at `$.")
        raise SystemExit(f"DESKBELL_{place.rstrip('`').upper()} is not valid: {complaint}") from None


def pass_on(settings: Settings) -> None:
    """Puts settings into the environment, for worker processes that load them again."""
    for name, value in msgspec.structs.asdict(settings).items():
        os.environ[f"DESKBELL_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
