"""The long form of the restart and silence tests: `python -m tests.faults.postgres_rounds RESTARTS SECONDS`."""

from __future__ import annotations

import sys
import threading
import time

from tests.faults.test_postgres_away import rounds
from tests.faults.workers import Load, Workers, unharmed, workers
from tests.postgres import Cluster, cluster, fresh_database, stored


def main(restarts: int, seconds: float) -> None:
    with cluster() as own, workers(fresh_database(own.url), 2) as server:
        complaints = rounds(server, own, restarts)
        print(f"{restarts} restarts, {len(complaints)} complaints")
        complaints += silence(server, own, seconds)
    print(*complaints, sep="\n")
    sys.exit(bool(complaints))


def silence(server: Workers, own: Cluster, seconds: float) -> list[str]:
    """Freezes PostgreSQL under load; answers everything that was wrong, and prints the longest wait for an answer."""
    api = server.api(server.organization())
    with Load(server, api, "silence") as load:
        with own.frozen():
            threading.Event().wait(seconds)
            alive, ready = server.request("GET", "/healthz")[0], server.request("GET", "/readyz")[0]
        healed = load.healed(time.monotonic())
        load.more()
    print(
        f"{seconds:g} s of silence: longest wait {load.longest:.1f} s, healed after {healed:.2f} s, {dict(load.answers)}"
    )
    complaints = [str(answer) for answer in load.wrong] + unharmed(load, stored(server.database)["leads"])
    if (alive, ready) != (200, 503):
        complaints.append(f"/healthz {alive}, /readyz {ready} while PostgreSQL was silent")
    if healed > 2 or load.longest > 12:
        complaints.append("that is too long")
    return complaints


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
