"""Deskbell: the self-hosted front desk for small service businesses."""

__version__ = "0.1.0"
