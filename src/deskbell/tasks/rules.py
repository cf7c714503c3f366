"""How tasks are ordered."""

from __future__ import annotations

from typing import get_args

from deskbell.tasks.model import Priority

#: The order in which priorities sort: low < medium < high < urgent.
PRIORITY_RANK = {priority: rank for rank, priority in enumerate(get_args(Priority))}
