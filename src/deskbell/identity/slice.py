"""Identity: people, groups, grants, API keys, applications, and who calls by which key."""

from typing import Any

from deskbell.core.slice import Setup, Slice
from deskbell.identity import store
from deskbell.identity.access import store as access_store
from deskbell.identity.authentication import ApiKeyAuthenticator, ApplicationAuthenticator
from deskbell.identity.operations import OPERATIONS


def services(setup: Setup) -> list[tuple[type, Any]]:
    """The authenticators of both APIs. A change of what they look up takes effect at once in this process."""
    settings, database = setup.settings, setup.database
    full_access = frozenset(name.strip() for name in settings.full_access_types.split(","))
    keys = ApiKeyAuthenticator(database)
    application_keys = ApplicationAuthenticator(database, settings.agent_requests_per_minute, full_access)
    for table in ("api_keys", "people", "organizations"):
        database.on_change(table, keys.forget)
    for table in ("application_keys", "application_origins", "organizations"):
        database.on_change(table, application_keys.forget)
    return [(ApiKeyAuthenticator, keys), (ApplicationAuthenticator, application_keys)]


IDENTITY = Slice(
    "identity",
    OPERATIONS,
    services=services,
    other=[
        store.people,
        store.api_keys,
        store.applications,
        store.application_origins,
        store.application_keys,
        access_store.person_groups,
        access_store.group_members,
        access_store.grants,
    ],
)
