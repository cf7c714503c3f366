"""The leads of Deskbell as a team would write them today with FastAPI and SQLAlchemy's ORM on aiosqlite or asyncpg. A yardstick.

It does what Deskbell does for one lead, a list and a new lead: key and scopes, exact limits per key and minute, the same headers
and errors, the same fields, the same indexes except that of the full-text search, every commit durable. On PostgreSQL it counts
no requests, since counts in its memory would not hold for a second worker, and has no row-level security.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import phonenumbers
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from sqlalchemy import JSON, ForeignKey, Index, and_, event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship
from starlette.datastructures import MutableHeaders


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    key_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    active: Mapped[bool]
    expires_at: Mapped[datetime | None]
    reads_per_minute: Mapped[int]
    writes_per_minute: Mapped[int]
    organization: Mapped[Organization] = relationship(lazy="joined", innerjoin=True)


class Suppression(Base):
    __tablename__ = "suppressions"

    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    phone: Mapped[str] = mapped_column(primary_key=True)
    opted_out_at: Mapped[datetime | None]
    on_dnc_at: Mapped[datetime | None]


def uuid7() -> uuid.UUID:
    """Ids that grow with time keep inserts at the end of the index."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    return uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62)


def utcnow() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Lead(Base):
    __tablename__ = "leads"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    first_name: Mapped[str]
    last_name: Mapped[str | None]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    email_key: Mapped[str | None]
    company: Mapped[str | None]
    address_street: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zip: Mapped[str | None]
    status: Mapped[str]
    temperature: Mapped[str | None]
    source: Mapped[str]
    lead_score: Mapped[int] = mapped_column(default=0)
    notes: Mapped[str | None]
    tags: Mapped[list[str]]
    custom_fields: Mapped[dict[str, Any]]
    first_name_key: Mapped[str]
    last_name_key: Mapped[str | None]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)

    suppression: Mapped[Suppression | None] = relationship(
        primaryjoin=lambda: and_(
            foreign(Lead.organization_id) == Suppression.organization_id, foreign(Lead.phone) == Suppression.phone
        ),
        viewonly=True,
        lazy="joined",
    )

    @property
    def sms_opted_out(self) -> bool:
        return self.suppression is not None and self.suppression.opted_out_at is not None

    @property
    def on_dnc_list(self) -> bool:
        return self.suppression is not None and self.suppression.on_dnc_at is not None


def lead_index(name: str, *columns: str, unique: bool = False) -> None:
    places = [Lead.__table__.c[column] for column in ("organization_id", *columns)]
    alive = Lead.archived_at.is_(None)
    Index(f"leads_{name}", *places, unique=unique, sqlite_where=alive, postgresql_where=alive)


lead_index("phone", "phone", unique=True)
lead_index("email", "email_key", unique=True)
lead_index("by_created", "created_at", "id")
lead_index("by_updated", "updated_at", "id")
lead_index("by_first_name", "first_name_key", "id")
lead_index("by_last_name", "last_name_key", "id")
lead_index("by_score", "lead_score", "id")
lead_index("by_status", "status", "created_at", "id")
lead_index("by_temperature", "temperature", "created_at", "id")

DATABASE = os.environ.get("REFERENCE_DATABASE", "reference.db")
POSTGRES = DATABASE.startswith("postgresql")
options: dict[str, Any] = {} if POSTGRES else {"connect_args": {"timeout": 30}}
engine = create_async_engine(
    DATABASE if POSTGRES else f"sqlite+aiosqlite:///{DATABASE}",
    pool_size=int(os.environ.get("REFERENCE_POOL", "16" if POSTGRES else "8")),
    max_overflow=0,
    **options,
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
# SQLite has one writer; queueing here beats its busy handler
writing: Any = contextlib.nullcontext() if POSTGRES else asyncio.Lock()


@event.listens_for(engine.sync_engine, "connect")
def set_pragmas(connection: Any, record: Any) -> None:
    if POSTGRES:
        return
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-16384"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def error_response(error: ApiError, extra: dict[str, str] | None = None) -> JSONResponse:
    body = {"code": error.code, "message": error.message, "retryable": error.status in (429, 500, 503)}
    return JSONResponse({"error": body}, error.status, error.headers | (extra or {}))


@dataclass
class Caller:
    organization_id: uuid.UUID
    country: str
    key_id: uuid.UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    reads_per_minute: int
    writes_per_minute: int


key_cache: dict[str, tuple[float, Caller]] = {}
well_formed = re.compile(r"Bearer (brk_[0-9a-f]{48})", re.IGNORECASE).fullmatch


async def look_up(key_hash: str) -> Caller | None:
    async with new_session() as session:
        key = await session.scalar(select(ApiKey).where(ApiKey.key_hash == key_hash, ApiKey.active))
    if key is None:
        return None
    return Caller(
        key.organization_id,
        key.organization.country,
        key.id,
        frozenset(key.scopes),
        key.expires_at,
        key.reads_per_minute,
        key.writes_per_minute,
    )


async def get_caller(request: Request) -> Caller:
    match = well_formed(request.headers.get("authorization", ""))
    caller = None
    if match:
        key_hash = hashlib.sha256(match[1].encode()).hexdigest()
        expires, caller = key_cache.get(key_hash, (0.0, None))
        if expires < time.monotonic():
            caller = await look_up(key_hash)
            if caller:
                key_cache[key_hash] = (time.monotonic() + 0.5, caller)
    if caller is None or (caller.expires_at is not None and caller.expires_at <= utcnow()):
        raise ApiError(
            401, "unauthorized", "Missing, invalid or expired API key", WWW_Authenticate='Bearer realm="brightly"'
        )
    return caller


class Limiter:
    """Fixed minute windows, per key and bucket."""

    def __init__(self) -> None:
        self.window = 0
        self.used: dict[tuple[uuid.UUID, str], int] = {}

    def take(self, key_id: uuid.UUID, bucket: str, limit: int) -> tuple[int, int, bool]:
        """What remains, when the window ends (Unix time), and whether this request is within the limit."""
        window = int(time.time()) // 60
        if window != self.window:
            self.window = window
            self.used.clear()
        used = self.used.get((key_id, bucket), 0)
        if used >= limit:
            return 0, (window + 1) * 60, False
        self.used[key_id, bucket] = used + 1
        return limit - used - 1, (window + 1) * 60, True


limiter = Limiter()


def count(request: Request, response: Response, caller: Caller, bucket: Literal["read", "write"]) -> None:
    limit = caller.reads_per_minute if bucket == "read" else caller.writes_per_minute
    remaining, reset, granted = limiter.take(caller.key_id, bucket, limit)
    headers = {"ratelimit-limit": str(limit), "ratelimit-remaining": str(remaining), "ratelimit-reset": str(reset)}
    response.headers.update(headers)
    request.state.limits = headers
    if not granted:
        message = f"API {bucket} rate limit exceeded ({limit}/min). Try again shortly."
        raise ApiError(429, "rate_limit_exceeded", message, Retry_After=str(reset - int(time.time())))


def require(scope: str, bucket: Literal["read", "write"]) -> Callable[..., Awaitable[Caller]]:
    async def allowed(request: Request, response: Response, caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
        if not POSTGRES:
            count(request, response, caller, bucket)
        if caller.scopes and scope not in caller.scopes:
            raise ApiError(403, "insufficient_scope", f"This API key lacks the scope '{scope}'")
        return caller

    return allowed


Reader = Annotated[Caller, Depends(require("leads:read", "read"))]
Writer = Annotated[Caller, Depends(require("leads:write", "write"))]

T = TypeVar("T")
Temperature = Literal["cold", "warm", "hot"]
Source = Literal["manual", "api", "website", "referral", "import", "other"]
Timestamp = Annotated[
    datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds") + "Z", return_type=str)
]
address = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+").fullmatch


def checked_email(text: str) -> str:
    if len(text) > 254 or not address(text):
        raise ValueError("must be an e-mail address")
    return text


def max_length(size: int) -> StringConstraints:
    return StringConstraints(max_length=size)


class LeadIn(BaseModel):
    first_name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
    last_name: Annotated[str, max_length(100)] | None = None
    phone: Annotated[str, max_length(64)] | None = None
    email: Annotated[str, AfterValidator(checked_email)] | None = None
    company: Annotated[str, max_length(200)] | None = None
    address_street: Annotated[str, max_length(200)] | None = None
    city: str | None = None
    state: Annotated[str, max_length(2)] | None = None
    zip: Annotated[str, max_length(10)] | None = None
    status: Annotated[str, max_length(50)] = "new"
    temperature: Temperature | None = None
    source: Source = "api"
    notes: Annotated[str, max_length(5000)] | None = None
    tags: list[str] = []
    custom_fields: dict[str, Any] = {}


class LeadOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    organization_id: uuid.UUID
    first_name: str
    last_name: str | None
    phone: str | None
    email: str | None
    company: str | None
    address_street: str | None
    city: str | None
    state: str | None
    zip: str | None
    status: str
    temperature: Temperature | None
    source: Source
    lead_score: int
    notes: str | None
    tags: list[str]
    custom_fields: dict[str, Any]
    sms_opted_out: bool
    on_dnc_list: bool
    archived_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class One(BaseModel, Generic[T]):
    data: T


class PageMeta(BaseModel):
    page: int
    limit: int
    total: int
    total_pages: int


class Many(BaseModel, Generic[T]):
    data: list[T]
    meta: PageMeta


class LeadFilter(BaseModel):
    page: Annotated[int, Field(ge=1)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    status: str | None = None
    temperature: Temperature | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    sort_by: Literal["created_at", "updated_at", "first_name", "last_name", "lead_score"] = "created_at"
    sort_dir: Literal["asc", "desc"] = "desc"


def normalized(phone: str | None, country: str) -> str | None:
    if phone is None:
        return None
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ApiError(400, "validation_error", "`phone` must be a phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class RequestId:
    """Gives every answer an X-Request-Id."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1") or os.urandom(8).hex()

        async def send_with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(title="Leads", lifespan=lifespan)
app.add_middleware(RequestId)


@app.exception_handler(ApiError)
async def on_api_error(request: Request, error: ApiError) -> JSONResponse:
    return error_response(error, getattr(request.state, "limits", None))


@app.exception_handler(RequestValidationError)
async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    if first["loc"][0] == "path":
        return await on_api_error(request, ApiError(404, "not_found", "No lead of your organization has this id"))
    return await on_api_error(request, ApiError(400, "validation_error", f"`{first['loc'][-1]}`: {first['msg']}"))


@app.get("/api/v1/leads/{lead_id}", response_model=One[LeadOut])
async def get_lead(lead_id: uuid.UUID, caller: Reader, session: Session) -> Any:
    lead = await session.scalar(
        select(Lead).where(
            Lead.id == lead_id, Lead.organization_id == caller.organization_id, Lead.archived_at.is_(None)
        )
    )
    if lead is None:
        raise ApiError(404, "not_found", "No lead of your organization has this id")
    return {"data": lead}


@app.get("/api/v1/leads", response_model=Many[LeadOut])
async def list_leads(filter: Annotated[LeadFilter, Query()], caller: Reader, session: Session) -> Any:
    found = [Lead.organization_id == caller.organization_id, Lead.archived_at.is_(None)]
    if filter.status:
        found.append(Lead.status == filter.status)
    if filter.temperature:
        found.append(Lead.temperature == filter.temperature)
    if filter.created_after:
        found.append(Lead.created_at >= filter.created_after)
    if filter.created_before:
        found.append(Lead.created_at < filter.created_before)
    column = {"first_name": Lead.first_name_key, "last_name": Lead.last_name_key}.get(filter.sort_by) or getattr(
        Lead, filter.sort_by
    )
    order = (column.desc(), Lead.id.desc()) if filter.sort_dir == "desc" else (column.asc(), Lead.id.asc())
    total = await session.scalar(select(func.count()).select_from(Lead).where(*found)) or 0
    leads = await session.scalars(
        select(Lead).where(*found).order_by(*order).limit(filter.limit).offset((filter.page - 1) * filter.limit)
    )
    meta = {"page": filter.page, "limit": filter.limit, "total": total, "total_pages": -(-total // filter.limit)}
    return {"data": leads.all(), "meta": meta}


@app.post("/api/v1/leads", response_model=One[LeadOut], status_code=201)
async def create_lead(new: LeadIn, caller: Writer, session: Session) -> Any:
    lead = Lead(**new.model_dump(), organization_id=caller.organization_id)
    lead.phone = normalized(new.phone, caller.country)
    lead.email_key = new.email and new.email.lower()
    lead.first_name_key = new.first_name.casefold()
    lead.last_name_key = new.last_name and new.last_name.casefold()
    session.add(lead)
    try:
        async with writing:
            await session.commit()
    except IntegrityError as error:
        field = "phone" if "phone" in str(error.orig) else "email"
        raise ApiError(409, "duplicate", f"A lead with this `{field}` already exists in your organization") from None
    await session.refresh(lead, ["suppression"])
    return {"data": lead}
