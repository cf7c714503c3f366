"""How tasks are ordered."""

from __future__ import annotations

from typing import get_args

from deskbell.tasks.model import Priority

#: The rank by which priorities sort: low < medium < high < urgent.
RANK = {priority: rank for rank, priority in enumerate(get_args(Priority))}
