"""The Model Context Protocol at `/mcp`: an endpoint of our own, the official SDK behind it, sessions in the database."""
