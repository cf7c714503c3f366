"""MCP as others test it: the official conformance suite, its inspector and clients. `scripts/mcp-conformance` runs all of it."""
