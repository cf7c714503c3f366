"""What MCP keeps in the database: its sessions, which hold nothing of anybody's."""

from deskbell.core.slice import Slice
from deskbell.surfaces.mcp import store

MCP = Slice("mcp", other=[store.sessions, store.replies])
