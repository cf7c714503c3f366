"""What can be done with people, groups, grants and API keys: the table that the API shows."""

from __future__ import annotations

from deskbell.core.operation import Operation
from deskbell.core.scopes import OWN_KEYS
from deskbell.identity.access.grants import create_grant, list_grants, revoke_grant
from deskbell.identity.access.groups import create_group, delete_group, list_groups, update_group
from deskbell.identity.access.levels import list_access
from deskbell.identity.api_keys import create_api_key, list_api_keys, revoke_api_key
from deskbell.identity.people import list_people, remove_person, update_person

READ, WRITE = "people:read", "people:write"

OPERATIONS = [
    Operation("people.list", list_people, "GET /api/v1/people", scope=READ),
    Operation("people.update", update_person, "PUT /api/v1/people/{id}", scope=WRITE, errors=("owner_required",)),
    Operation("people.remove", remove_person, "DELETE /api/v1/people/{id}", scope=WRITE, errors=("owner_required",)),
    Operation("people.access", list_access, "GET /api/v1/people/{id}/access", scope=READ),
    Operation("groups.list", list_groups, "GET /api/v1/groups", scope=READ),
    Operation("groups.create", create_group, "POST /api/v1/groups", scope=WRITE, errors=("not_found",)),
    Operation("groups.update", update_group, "PUT /api/v1/groups/{id}", scope=WRITE),
    Operation("groups.delete", delete_group, "DELETE /api/v1/groups/{id}", scope=WRITE),
    Operation("grants.list", list_grants, "GET /api/v1/grants", scope=READ),
    Operation("grants.create", create_grant, "POST /api/v1/grants", scope=WRITE, errors=("not_found", "duplicate")),
    Operation("grants.revoke", revoke_grant, "DELETE /api/v1/grants/{id}", scope=WRITE),
    Operation("api_keys.list", list_api_keys, "GET /api/v1/api-keys", scope=READ),
    Operation(
        "api_keys.create",
        create_api_key,
        "POST /api/v1/api-keys",
        scope=WRITE,
        own_scope=OWN_KEYS,
        errors=("not_found",),
        shown_once="key",
    ),
    Operation("api_keys.revoke", revoke_api_key, "DELETE /api/v1/api-keys/{id}", scope=WRITE, own_scope=OWN_KEYS),
]
