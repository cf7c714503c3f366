"""Credits: wallets, budgets and usage."""

from typing import Any

from deskbell.core.slice import Setup, Slice
from deskbell.credits import operations, reservations, store
from deskbell.credits.metering import Meter
from deskbell.foundation.db import Session


def services(setup: Setup) -> list[tuple[type, Any]]:
    return [(Meter, Meter(setup.database))]


async def start(setup: Setup) -> None:
    """Ends the reservations of a process that died, if this is the only process; stores whether usage is metered."""

    async def unit(session: Session) -> None:
        if setup.database.single_process:
            await reservations.release(session)
        await operations.set_metering(session, setup.settings.metering)

    await setup.database.write(unit)


CREDITS = Slice(
    "credits",
    operations.OPERATIONS,
    services=services,
    start=start,
    other=[store.wallets, store.budgets, store.usage_days, store.reservations, store.installation],
)
