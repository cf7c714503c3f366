"""Credits: wallets, budgets and what was used."""

from typing import Any

from deskbell.core.slice import Setup, Slice
from deskbell.credits import operations, reservations, store
from deskbell.credits.metering import Meter
from deskbell.foundation.db import Session


def services(setup: Setup) -> list[tuple[type, Any]]:
    return [(Meter, Meter(setup.database))]


async def start(setup: Setup) -> None:
    """Reservations of a process that died are free where no other process serves the same data."""

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
