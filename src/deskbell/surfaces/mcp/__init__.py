"""The Model Context Protocol at `/mcp`: our own front, the official SDK's kernel behind it, sessions in the database."""
