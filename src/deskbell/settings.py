"""Settings, read from the environment here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of an installation. Each field is the environment variable `DESKBELL_` + its name in capitals."""

    database: str = "sqlite:///deskbell.db"
    """Where the data is: `sqlite:///FILE` (relative), `sqlite:////FILE` (absolute) or `postgresql://USER:PASSWORD@HOST/NAME`."""
    host: str = "127.0.0.1"
    """The address that `deskbell serve` listens on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """The port that `deskbell serve` listens on; 0 picks a free one."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """How many server processes share the port. More than one needs PostgreSQL."""
    metrics_token: str = ""
    """Bearer token for `/metrics`. Without one, `/metrics` can be read from the same machine only."""
    access_log: bool = True
    """Whether each request is logged to standard output, as one line of JSON."""
    agent_requests_per_minute: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 600
    """How many requests per minute each `brs_live_` key may make under `/v1`."""
    full_access_types: str = "backend-service"
    """Types of applications whose keys may call everything under `/v1`, separated by commas. Keys of other types
    may list and read agents, chat, and search."""
    mcp_sessions: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """How many MCP sessions may be open at once, on all workers and nodes together."""
    mcp_sessions_per_key: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How many MCP sessions each API key may have. One more ends the key's longest idle session. 0 means no limit."""
    mcp_idle_seconds: Annotated[float, Meta(ge=1, le=604_800)] = 1800.0
    """The number of seconds without a request or an open stream after which an MCP session ends."""
    mcp_allowed_origins: str = ""
    """Origins of web pages that may use `/mcp` in addition to the server's own, separated by commas. Behind a proxy, add its public origin."""
    metering: bool = False
    """Whether usage is paid for with credits from the organization's wallet. Requests are refused with 402 when it is empty."""
    embedder: Literal["minilm", "openai", "none"] = "minilm"
    """The embedder for search by meaning: `minilm` works offline, `openai` is any endpoint with OpenAI's
    `/embeddings`, `none` means keyword search only."""
    embedder_base_url: str = ""
    """The base URL of the embedder `openai`, without `/embeddings`, such as `https://api.openai.com/v1`."""
    embedder_api_key: str = ""
    """The API key of that endpoint, if it needs one."""
    embedder_model: str = ""
    """The model of that endpoint. After a change, all documents are embedded again in the background; until then, searches use the old vectors."""
    embedder_dimensions: Annotated[int, Meta(ge=0, le=8192)] = 0
    """The number of dimensions of that model's vectors."""
    upload_mib: Annotated[int, Meta(ge=1, le=1024)] = 25
    """The largest file that may be uploaded or fetched for a knowledge base, in MiB."""
    index_mib: Annotated[int, Meta(ge=16, le=1048576)] = 1024
    """How much memory a process may use for the indexes of knowledge bases, in MiB. The least recently used ones are dropped first."""
    large_base_chunks: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 200_000
    """Knowledge bases with more chunks than this are searched on disk, if PostgreSQL has pgvector. All others are searched in memory."""
    feed_hours: Annotated[float, Meta(ge=0, le=8760)] = 24.0
    """How often a feed is checked for new entries, in hours. 0 means only once."""
    llm_base_url: Annotated[str, Meta(pattern=r"^(https?://\S+)?$")] = ""
    """The base URL of the language models: any endpoint with OpenAI's Chat Completions, such as
    `https://openrouter.ai/api/v1`. Without one, agents answer with sentences from their documents."""
    llm_api_key: Annotated[str, Meta(pattern=r"^[!-~]*$")] = ""
    """The API key of that endpoint."""
    llm_model: str = ""
    """The model that `deskbell/default` stands for, for agents that use the operator's choice."""
    llm_fallback_model: str = ""
    """The model that is used when an agent's own model fails. `deskbell/extractive` always works."""
    llm_first_byte_seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0
    """How many seconds a model may take to begin its reply or its reasoning."""
    llm_idle_seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0
    """How many seconds a model may pause within its reply."""
    llm_retries: Annotated[int, Meta(ge=0, le=10)] = 2
    """How often a request to a model is repeated if the model is busy, failing or unreachable and has not begun its reply."""
    llm_prices: Annotated[str, Meta(pattern=r"^[\s,]*(\S+=\d+(\.\d+)?/\d+(\.\d+)?([\s,]+|$))*$")] = ""
    """Prices of models whose endpoint does not report costs, in US dollars per million tokens in and out:
    `openai/gpt-4o=2.5/10 *=1/3`. `*` stands for every other language model."""
    llm_openrouter_providers: str = ""
    """The only providers that OpenRouter may use, in this order: `anthropic, amazon-bedrock`. Without any, OpenRouter chooses."""
    llm_follow_ups: bool = True
    """Whether models suggest follow-up questions at the end of each reply, which takes about fifty more tokens.
    Otherwise they come from the documents' headings."""
    history_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] = 4000
    """How much of the earlier conversation is sent to a model, in tokens (about four letters each)."""
    drain_seconds: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """How many seconds a stopping server waits for running requests and jobs, from 0 to 3600."""


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Exits with the variable's name if a value is not valid."""
    values: dict[str, str] = {}
    for field in msgspec.structs.fields(Settings):
        if text := environment.get(f"DESKBELL_{field.name.upper()}"):
            values[field.name] = text
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise SystemExit(f"DESKBELL_{path.rstrip('`').upper()} is not valid: {message}") from None


def pass_on(settings: Settings) -> None:
    """Writes the settings to the environment of the worker processes, which load them again."""
    for name, value in msgspec.structs.asdict(settings).items():
        os.environ[f"DESKBELL_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
