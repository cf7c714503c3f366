"""Organizations: the businesses that this installation serves."""

from deskbell.core.slice import Slice
from deskbell.organizations import store
from deskbell.organizations.operations import OPERATIONS

ORGANIZATIONS = Slice("organizations", OPERATIONS, other=[store.organizations])
