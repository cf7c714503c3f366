"""What reading one document may cost, and how a process is limited to that."""

from __future__ import annotations

import resource
import signal

import msgspec


class ReadLimits(msgspec.Struct, frozen=True):
    """Sizes are bytes. `memory` is what reading may use beyond the process itself; `answer` is the size of the whole reply.

    Seconds are those of parsing; splitting and analysing what was parsed may take as many again.
    """

    cpu_seconds: int = 30
    seconds: int = 60
    memory: int = 512 << 20
    unpacked: int = 256 << 20
    text: int = 32 << 20
    answer: int = 128 << 20
    blocks: int = 500_000
    pages: int = 10_000


LIMITS = ReadLimits()


def apply_limits(limits: ReadLimits) -> None:
    """Limits this process for the rest of its life: the kernel ends it even within C code, and it cannot write files."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits.seconds)
    lower(resource.RLIMIT_CPU, limits.cpu_seconds, 2 * limits.cpu_seconds)
    lower(resource.RLIMIT_AS, address_space() + limits.memory)
    lower(resource.RLIMIT_FSIZE, 0)
    lower(resource.RLIMIT_CORE, 0)


def extend_time(limits: ReadLimits) -> None:
    """Time for what comes after parsing."""
    signal.alarm(limits.seconds)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (min(most, int(used.ru_utime + used.ru_stime) + limits.cpu_seconds), most))


def lower(kind: int, soft: int, hard: int | None = None) -> None:
    _, present = resource.getrlimit(kind)
    most = soft if hard is None else hard
    if present != resource.RLIM_INFINITY:
        most = min(most, present)
    resource.setrlimit(kind, (min(soft, most), most))


def address_space() -> int:
    """What this process has mapped already. Without /proc, enough for an interpreter and the parsers."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 256 << 20
