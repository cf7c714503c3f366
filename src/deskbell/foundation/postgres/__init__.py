"""PostgreSQL: a pool per worker, one transaction per operation, row-level security as a second layer of isolation, limits shared by all."""

from deskbell.foundation.postgres.dialect import DIALECT

__all__ = ["DIALECT"]
