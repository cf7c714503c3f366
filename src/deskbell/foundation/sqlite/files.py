"""Files: connections, the lock that a server holds, copies, and the schema's upgrade with its way back."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import apsw

from deskbell.foundation import clock
from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.migrations import SchemaTooNew, Step, latest, steps


def poll(tries: int) -> bool:
    """Waits for another process's lock at a steady pace; the default timeout backs off and starves. Gives up after 10 s."""
    time.sleep(0.0005)
    return tries < 20_000


def connect(path: str, *, create: bool = False) -> apsw.Connection:
    """A connection with this program's settings: durable at every commit, foreign keys on, patient with other writers."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_handler(poll)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-16384"):
        connection.execute(f"PRAGMA {pragma}")
    return connection





def snapshot(self) -> Iterator[None]:
        """One read transaction around several statements."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("COMMIT")

    def foreign_writes(self) -> bool:
        """Whether another process has written since this connection last looked; drops what was cached if so."""
        version = self.connection.data_version()
        if version == self.data_version:
            return False
        epoch = self.connection.execute("SELECT value FROM epoch").get
        self.data_version, before, self.epoch = version, self.epoch, epoch
        if before in (-1, epoch):
            return False
        self.totals.forget()
        return True


class Unit:
    """One write that waits for the writer: what to do, for whom, and where the answer goes."""

    __slots__ = ("error", "future", "organization_id", "value", "work")

    def __init__(self, work: Work[Any], organization_id: str | None, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.organization_id = organization_id
        self.future = future
        self.value: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Gives the waiting caller its value or its error."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        elif isinstance(self.error, Exception):
            self.future.set_exception(self.error)
        else:
            self.future.set_exception(RuntimeError(f"{type(self.error).__name__}: {self.error}"))


class Writer:
    """One thread and one connection: drain the queue, BEGIN IMMEDIATE, every unit in its savepoint, one COMMIT, answer all."""

    def __init__(self, path: str, totals: Totals, batch: int, on_commit: dict[str, Callable[[], None]]) -> None:
        self.path = path
        self.on_commit = on_commit
        self.totals = totals
        self.batch = batch
        self.queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.Thread(target=self.main, name="writer", daemon=True)
        self.thread.start()

    def submit(self, work: Work[T], organization_id: str | None) -> asyncio.Future[T]:
        unit = Unit(work, organization_id, self.loop.create_future())
        self.queue.put(unit)
        return unit.future

    def stop(self) -> None:
        """Finishes what is queued, then ends the thread."""
        self.queue.put(None)
        self.thread.join()

    def main(self) -> None:
        session = SqliteSession(connect(self.path), self.totals)
        session.connection.wal_autocheckpoint(0)
        ended = False
        while not ended and (first := self.queue.get()) is not None:
            batch = [first]
            while len(batch) < self.batch and not self.queue.empty():
                unit = self.queue.get_nowait()
                if unit is None:
                    ended = True
                    break
                batch.append(unit)
            self.commit(session, batch)
            with contextlib.suppress(RuntimeError):  # the loop may be gone when the process ends
                self.loop.call_soon_threadsafe(self.answer, batch, {table for table, _ in session.touched})
        session.connection.close()

    def answer(self, batch: list[Unit], touched: set[str]) -> None:
        """In the event loop: settles the futures and tells whoever follows a table."""
        for unit in batch:
            unit.settle()
        for table in touched & self.on_commit.keys():
            self.on_commit[table]()

    def commit(self, session: SqliteSession, batch: list[Unit]) -> None:
        session.touched = set()
        try:
            session.connection.execute("BEGIN IMMEDIATE")
            self.run(session, batch)
            self.totals.in_flight = session.touched
            session.connection.execute("COMMIT")
            self.totals.committed(session.touched)
        except BaseException as error:  # BEGIN or COMMIT failed: nobody is told yes
            with contextlib.suppress(apsw.Error):
                if session.connection.in_transaction:
                    session.connection.execute("ROLLBACK")
            for unit in batch:
                unit.error = unit.error or DatabaseFailure(str(error))
        finally:
            self.totals.in_flight = set()

    def run(self, session: SqliteSession, batch: list[Unit]) -> None:
        connection = session.connection
        for place, unit in enumerate(batch):
            if unit.future.cancelled():  # the caller left before we began
                continue
            session.organization_id = unit.organization_id
            connection.execute("SAVEPOINT unit")
            try:
                unit.value = drive(unit.work(session))
                if not connection.in_transaction:
                    raise DatabaseFailure("SQLite has ended the transaction")
            except BaseException as error:  # a refusal, a bug, a foreign await: this unit alone is undone
                unit.error = error
                if connection.in_transaction:
                    connection.execute("ROLLBACK TO unit")
                    connection.execute("RELEASE unit")
                else:  # disk full, I/O error: SQLite has undone the whole batch
                    for earlier in batch[:place]:
                        earlier.error = earlier.error or DatabaseFailure("undone with its batch")
                    session.touched.clear()
                    connection.execute("BEGIN IMMEDIATE")
            else:
                connection.execute("RELEASE unit")


class SqliteDatabase:
    """The server's hold on one file. Made inside the running event loop; `close` finishes the queued writes."""

    def __init__(self, path: str, *, batch: int = BATCH) -> None:
        self.path = path
        self.totals = Totals()
        self.reader = SqliteSession(connect(path), self.totals, inline=True)
        self.reader.foreign_writes()
        self.on_commit: dict[str, Callable[[], None]] = {}
        self.writer = Writer(path, self.totals, batch, self.on_commit)
        self.long = ThreadPoolExecutor(2, "long-read")
        self.own = threading.local()
        self.stopping = threading.Event()
        self.checkpointer = threading.Thread(target=self.checkpoint, name="checkpoint", daemon=True)
        self.checkpointer.start()

    async def read(self, work: Work[T], organization_id: str | None = None) -> T:
        self.reader.organization_id = organization_id
        try:
            return drive(work(self.reader))
        except TooLong:
            return await asyncio.get_running_loop().run_in_executor(self.long, self.read_apart, work, organization_id)
        except apsw.Error as error:
            raise translated(error) from error

    def read_apart(self, work: Work[T], organization_id: str | None) -> T:
        session = getattr(self.own, "session", None)
        if session is None:
            session = self.own.session = SqliteSession(connect(self.path), self.totals)
        session.organization_id = organization_id
        try:
            return drive(work(session))
        except apsw.Error as error:
            raise translated(error) from error

    async def write(self, work: Work[T], organization_id: str | None = None) -> T:
        return await self.writer.submit(work, organization_id)

    def foreign_writes(self) -> bool:
        """Whether another process has written since the last call: time to look for jobs and to re-read keys."""
        self.reader.connection.execute("SELECT 1 FROM epoch").get  # noqa: B018  data_version() moves with a read
        return self.reader.foreign_writes()

    def checkpoint(self) -> None:
        """Moves the write-ahead log into the file beside the writer, so that no commit pays for it."""
        connection = connect(self.path)
        wal = self.path + "-wal"
        while not self.stopping.wait(0.25):
            with contextlib.suppress(apsw.Error, OSError):
                large = os.stat(wal).st_size > RESTART_WAL
                connection.wal_checkpoint(
                    mode=apsw.SQLITE_CHECKPOINT_RESTART if large else apsw.SQLITE_CHECKPOINT_PASSIVE
                )
        connection.close()

    def close(self) -> None:
        self.writer.stop()
        self.stopping.set()
        self.checkpointer.join()
        self.long.shutdown()
        self.reader.connection.close()


class Guest:
    """A command's hold on a file that a server may be using: short transactions, each announced by the epoch."""

    def __init__(self, path: str) -> None:
        self.session = SqliteSession(connect(path), Totals())

    def read(self, work: Work[T]) -> T:
        with self.session.snapshot():
            return drive(work(self.session))

    def write(self, work: Work[T]) -> T:
        connection = self.session.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            value = drive(work(self.session))
            connection.execute("UPDATE epoch SET value = value + 1")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        time.sleep(0.002)  # lets the server's writer in between two transactions
        return value

    def close(self) -> None:
        self.session.connection.close()


class AlreadyServed(Exception):
    """Another process holds the file."""

    def __init__(self, path: str, pid: str) -> None:
        super().__init__(
            f"{path} is already served by process {pid or 'unknown'}. Stop it first, or use another --database."
        )


@contextlib.contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Holds `FILE.lock` with our process id in it. It guards serving and migrating, and ends with the process."""
    descriptor = os.open(path + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(path, os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def snapshot(path: str, target: str) -> None:
    """A whole and verified copy of a file that may be in use (VACUUM INTO, then an integrity check of the copy)."""
    Path(target).unlink(missing_ok=True)
    connection = connect(path)
    connection.execute("VACUUM INTO ?", (target,))
    connection.close()
    verify(target)


def verify(path: str) -> None:
    """Refuses a file that is not a sound database."""
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        complaint = connection.execute("PRAGMA integrity_check").get
        connection.close()
    except apsw.Error as error:
        raise DatabaseFailure(f"{path} is not a sound database: {error}") from error
    if complaint != "ok":
        raise DatabaseFailure(f"{path} is damaged: {complaint}")


def put_back(source: str, path: str) -> None:
    """Replaces a database file by a copy of `source`; the old write-ahead log goes first, or it would be played into the new file."""
    staged = path + ".restoring"
    Path(staged).write_bytes(Path(source).read_bytes())
    for suffix in ("-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    os.replace(staged, path)


def schema_version(connection: apsw.Connection) -> int:
    """The number of the newest migration in a file; 0 for an empty one."""
    if not connection.table_exists(None, "migrations"):
        return 0
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM migrations").get)


def apply(connection: apsw.Connection, pending: list[Step]) -> None:
    """Runs migrations, each in a transaction of its own that also records it."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"
    )
    for step in pending:
        with connection:
            for text in step.statements("sqlite"):
                connection.execute(text)
            connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (step.number, step.name, clock.now()))


class MigrationFailed(Exception):
    """A migration step failed; the file is as it was before."""


def prepare(path: str, *, migrate: bool) -> None:
    """Makes the file ready for this program: creates it when empty, and brings an older one up to date if `migrate` is set.

    A populated file is copied first, and the copy put back when a step fails. The caller holds `exclusive(path)` if it migrates.
    """
    connection = connect(path, create=True)
    found = schema_version(connection)
    pending = [step for step in steps() if step.number > found]
    if found > latest():
        connection.close()
        raise SchemaTooNew(found)
    if not found:
        apply(connection, pending)
        connection.close()
        return
    connection.close()
    if not pending:
        return
    if not migrate:
        raise MigrationNeeded(found)
    kept = f"{path}.schema-{found}"
    snapshot(path, kept)
    connection = connect(path)
    try:
        apply(connection, pending)
    except Exception as error:
        connection.close()
        put_back(kept, path)
        raise MigrationFailed(
            f"Upgrading {path} from schema {found} to {latest()} failed: {error}. The file is as it was; a copy is at {kept}."
        ) from error
    connection.close()


class MigrationNeeded(Exception):
    """The file is older than this program, and the present command may not change its schema."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"The database has schema version {found}, this program needs {latest()}. "
            "Start `deskbell serve`, or run `deskbell migrate` while no server runs."
        )
