"""One connection: statements are prepared once, and what a transaction opens with travels with its first statement."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import Any

import asyncpg

from deskbell.foundation.db import DatabaseFailure

CONNECT = 3.0  # seconds to reach the server, or for a connection to become free
ANSWER = 5.0  # seconds for one statement
IDLE = 15.0  # seconds until the server undoes the transaction of a silent worker
MAX_PREPARED = 1000  # statements

BEGIN, BECOME = "deskbell_begin", "deskbell_become"
# One condition, so that neither part is left out; it is false, so that there is no row to read.
BECOMING = "SELECT 1 WHERE set_config('role', $1, true) || set_config('deskbell.org', $2, true) = ''"
WHOSE = "SELECT coalesce(current_setting('deskbell.org', true), '')"


def settings() -> str:
    """Settings of a whole connection, sent once it is open: PgBouncer refuses them in its start-up message.

    Plans do not look at values, as on SQLite: planning takes longer than most statements.
    """
    return (
        f"SET timezone = 'UTC'; SET statement_timeout = {ANSWER * 1000:.0f}; SET plan_cache_mode = force_generic_plan; "
        f"SET idle_in_transaction_session_timeout = {IDLE * 1000:.0f}"
    )


def canonical(text: str) -> str:
    """PostgreSQL's text of a moment in UTC as ours: `2026-05-10 14:30:00.5+00` becomes `2026-05-10T14:30:00.500000Z`."""
    return f"{text[:10]}T{text[11:-3].ljust(15, '0') if '.' in text else text[11:-3] + '.000000'}Z"


async def set_up(connection: Any) -> None:
    """Values travel in the stored form: ids and moments as text."""
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)
    await connection.set_type_codec("timestamptz", schema="pg_catalog", encoder=str, decoder=canonical)


def identity(organization_id: str | None) -> tuple[str, str]:
    """The role of a transaction and the organization that it is limited to: the application within one, or the system."""
    return ("deskbell_system", "") if organization_id is None else ("deskbell_app", organization_id)


def executing(statement: str, *values: str) -> bytes:
    """The messages Bind and Execute of a prepared statement (PostgreSQL's protocol, 54.7), without a Sync."""
    given = [value.encode() for value in values]
    body = b"\0%b\0\0\0" % statement.encode() + len(given).to_bytes(2)
    body += b"".join(len(value).to_bytes(4) + value for value in given) + b"\0\0"
    return b"B" + (len(body) + 4).to_bytes(4) + body + b"E\0\0\0\x09\0\0\0\0\0"


@lru_cache(maxsize=1024)
def becoming(identity: tuple[str, str]) -> bytes:
    return executing(BECOME, *identity)


BEGINNING = executing(BEGIN)


class Connection:
    """A connection of asyncpg's, and the statements that were prepared on it."""

    proven = False  # whether this version of asyncpg is known to send openings correctly

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.statements: dict[str, Any] = {}
        self.openings: list[Any] = []
        self.since = 0.0  # when it was given back, on the event loop's clock

    @classmethod
    async def open(cls, url: str) -> Connection:
        raw = await asyncpg.connect(url, timeout=CONNECT, command_timeout=ANSWER)
        try:
            await raw.execute(settings())
            await set_up(raw)
            connection = cls(raw)
            connection.openings = [
                await raw.prepare(text, name=name) for name, text in ((BEGIN, "BEGIN"), (BECOME, BECOMING))
            ]
            await connection.prove()
        except BaseException:
            raw.terminate()
            raise
        return connection

    async def prove(self) -> None:
        """Checks once that an opening applies to its statement and to no other: asyncpg does not promise it."""
        if Connection.proven:
            return
        seen = []
        with contextlib.suppress(AttributeError, asyncpg.InternalClientError):
            for opening in (becoming(("none", "proof")), b""):
                seen += [row[0] for row in await self.fetch(WHOSE, (), opening)]
        if seen != ["proof", ""]:
            raise DatabaseFailure(
                f"asyncpg {asyncpg.__version__} does not fit this Deskbell: pip install 'deskbell[postgres]' brings one that does"
            )
        Connection.proven = True

    async def fetch(self, sql: str, values: tuple[Any, ...], opening: bytes = b"") -> list[Any]:
        """Runs a statement. `opening` goes before it without a round trip of its own.

        The answers of an opening are those that asyncpg expects before a statement's own rows anyway, and it
        ignores them; an error in it is the statement's.
        """
        statement = self.statements.get(sql) or await self.prepare(sql)
        if opening:
            self.raw._transport.write(opening)
        rows: list[Any] = await statement.fetch(*values)
        return rows

    async def execute(self, sql: str, values: tuple[Any, ...], opening: bytes = b"") -> int:
        """The same for a statement without rows; answers how many it has changed."""
        await self.fetch(sql, values, opening)
        return int(self.statements[sql].get_statusmsg().rsplit(" ", 1)[-1])

    async def prepare(self, sql: str) -> Any:
        if len(self.statements) >= MAX_PREPARED:
            self.statements.clear()
        made = self.statements[sql] = await self.raw.prepare(sql)
        return made

    def drop(self) -> None:
        """Closes it at once, whatever it was doing."""
        with contextlib.suppress(asyncpg.InterfaceError):
            self.raw.terminate()
